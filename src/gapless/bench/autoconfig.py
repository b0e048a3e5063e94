"""``gapless bench autoconfig``: what settings that fit the machine give, against the same settings on all machines.

In: a recogniser, what is said, what was measured on this machine. Out: cases. Invariants: every contender is a real
server with nothing set but what it is compared by; all have the same load. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from gapless.bench.case import Case, Cases, Check, Contender
from gapless.bench.claims.autoconfig import AUTOCONFIG_CLAIMS
from gapless.bench.contenders.served import everything
from gapless.bench.speech import SOUNDS
from gapless.settings import Settings, load_settings
from gapless.tune.fit import read_measured
from gapless.tune.measured import FILE_NAME
from gapless.tune.probe import read_facts

MODEL: Final = "commands-en"

STREAMS_PER_CORE: Final = 2
CALLERS_PER_CORE: Final = 8
UPLOADS_PER_CORE: Final = 1
MOST_CORES: Final = 16
"""Of the load: beyond that the process that asks would be measured, not the one that answers."""

EXTRA_S: Final = 120.0

STATIC: Final = "static"
PLAN: Final = "plan"
MEASURED: Final = "measured"


@contextmanager
def autoconfig_cases(
    model: str | None = None, speech: Path | None = None, settings: Settings | None = None
) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        model: recogniser of streams and recordings; None: the one that comes with Gapless.
        speech: folder of what is said; None: what comes with Gapless.
        settings: where what was measured is kept; None: those of this process.
    """
    known = settings or load_settings().settings
    yield {"everything": partial(_everything, model or MODEL, str(speech or SOUNDS), known)}


def _everything(model: str, speech: str, settings: Settings) -> Case:
    facts = read_facts(settings.data_path)
    kept = read_measured(settings, facts)
    cores = min(facts.cores, MOST_CORES)
    options = {
        "model": model,
        "speech": speech,
        "streams": STREAMS_PER_CORE * cores,
        "callers": CALLERS_PER_CORE * cores,
        "uploads": UPLOADS_PER_CORE * cores,
    }
    ways = {
        STATIC: ("the same on all machines (tuning = static)", {"tuning": "static"}),
        PLAN: ("what the formulas make of this machine (tuning = auto)", {"tuning": "auto"}),
    }
    notes: tuple[str, ...] = ()
    if kept.measured is None:
        place = settings.data_path / FILE_NAME
        why = kept.notice or f"nothing was measured on this machine ({place}); run `gapless tune`"
        notes = (f"{MEASURED}: {why}",)
    else:
        values = {name: str(value) for name, value in kept.measured.values.items()}
        told = ", ".join(f"{name} = {value}" for name, value in values.items())
        ways[MEASURED] = (
            f"the plan with what `gapless tune` found: {told or 'nothing better than the plan'}",
            {"tuning": "auto", **values},
        )
    contenders = tuple(
        Contender(
            name=name,
            what=what,
            make=everything,
            options={**options, "settings": way},
            warm_up=False,
            extra_s=EXTRA_S,
        )
        for name, (what, way) in ways.items()
    )
    return Case(
        name="everything",
        question=(
            f"Does it pay to fit the machine? ({options['streams']} live streams, "
            f"{options['callers']} callers of a model, {options['uploads']} senders of recordings)"
        ),
        unit="seconds",
        contenders=contenders,
        checks=tuple(
            # Claims are made of the plan; of the measured settings the figures are reported beside.
            Check(claim=claim, contender=name, against=STATIC, judged=name == PLAN)
            for name in ways
            if name != STATIC
            for claim in AUTOCONFIG_CLAIMS
        ),
        notes=notes,
    )
