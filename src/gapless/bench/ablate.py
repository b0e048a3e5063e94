"""``gapless bench ablate``: what each optimisation gains, by turning it off.

In: nothing. Out: cases, each with the same work without an optimisation and with it. Invariants: the two differ in one
setting, which is said; whether it pays is reported and not judged, for that belongs to the machine and the load; what
is not installed is said, and the others are measured. Thread: main.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from gapless.bench.case import Case, Cases, Check, Contender, Make
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import ablate, channels, mic_latency, rows
from gapless.bench.database_server import private_postgres
from gapless.bench.pool import pool_cases
from gapless.bench.small_model import write_small_model
from gapless.errors import ConnectionLostError, MissingDependencyError

CALLERS: Final = 64
CALLERS_IN_TRIAL: Final = 8

BLOCK: Final = 256
"""Frames of a microphone."""

EXTRA_S: Final = 300.0
"""Servers start, kernels are compiled, latencies come back."""

WITHOUT: Final = "without"
WITH: Final = "with"


@contextmanager
def ablate_cases(*, trial: bool = False) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        trial: see that everything runs, with few callers.

    Raises:
        MissingDependencyError: the small model cannot be written.
    """
    callers = CALLERS_IN_TRIAL if trial else CALLERS
    with ExitStack() as stack:
        models = stack.enter_context(TemporaryDirectory(prefix="gapless-bench-"))
        folder = stack.enter_context(TemporaryDirectory(prefix="gapless-bench-"))
        write_small_model(Path(models))
        of_model: dict[str, Any] = {"models": models}
        of_server = of_model | {"connections": callers}
        yield {
            "pool": partial(_pool, stack),
            "batching": lambda: _pair(
                "batching",
                f"What does batching gain {callers} callers of a small model? (max_batch)",
                "rows",
                ablate.tasks,
                of_model | {"callers": callers},
                off={"max_batch": 1},
            ),
            "cache": lambda: _pair(
                "cache",
                f"What do remembered answers gain? (cache_mb; {ablate.BODIES} questions over HTTP, again and again)",
                "answers",
                ablate.answers,
                of_server,
                off={"cache_mb": 0},
            ),
            "quick": lambda: _pair(
                "quick",
                "What does it gain to send remembered answers byte by byte? (flags: quick; the cache is on)",
                "answers",
                ablate.answers,
                of_server,
                off={"flags": "quick=off"},
            ),
            "prepared": partial(_prepared, stack),
            "transactions": lambda: _transactions(folder, callers),
            "low-delay": _low_delay,
            "vector-kernels": lambda: _pair(
                "vector-kernels",
                "What do this processor's vector units gain? (simd; log-mel of 10 s of sound)",
                "s of sound",
                ablate.features,
                {},
                off={"simd": False},
            ),
            "warm-up": lambda: _pair(
                "warm-up",
                "How much sooner is the first call answered? (warm_up; the model is loaded in both)",
                "calls",
                ablate.first_call,
                of_model,
                off={"warm_up": False},
                warm_up=False,
            ),
            "compression": lambda: _pair(
                "compression",
                "What does compressing large answers cost where the network costs nothing? (compress_min_bytes; "
                f"{ablate.LARGE_PATH} on loopback)",
                "answers",
                ablate.large_answers,
                of_server,
                off={"compress_min_bytes": 0},
                claims=("compression", "compression-size"),
            ),
        }


def _pair(
    name: str,
    question: str,
    unit: str,
    make: Make,
    options: dict[str, Any],
    *,
    off: dict[str, Any],
    warm_up: bool = True,
    claims: tuple[str, ...] = (),
) -> Case:
    """A case whose contenders are one function with settings as they are, and with one of them changed."""
    ((setting, value),) = off.items()
    return _case(
        name,
        question,
        unit,
        _contender(
            WITHOUT,
            f"{setting} = {str(value).lower() if isinstance(value, bool) else value}",
            make,
            options | {"settings": off},
            warm_up=warm_up,
        ),
        _contender(WITH, f"{setting} as it is", make, options | {"settings": {}}, warm_up=warm_up),
        claims=claims or (name,),
    )


def _pool(stack: ExitStack) -> Case:
    def make() -> Case:
        whole = stack.enter_context(pool_cases(None, None))["round-trip"]()
        options = whole.contenders[0].options
        return _case(
            "pool",
            "What do channels from a pool gain? (one small inference on a Triton server)",
            "calls",
            _contender(WITHOUT, "a new channel for each call", channels.new, options),
            _contender(WITH, "a channel from the pool", channels.borrowed, options),
            claims=("pool",),
        )

    return _if_there("pool", make)


def _prepared(stack: ExitStack) -> Case:
    def make() -> Case:
        return _pair(
            "prepared",
            "What do prepared statements gain? (store_prepared; a session and all it said, from PostgreSQL)",
            "look-ups",
            ablate.point_queries,
            {"url": stack.enter_context(private_postgres())},
            off={"store_prepared": False},
        )

    return _if_there("prepared", make)


def _transactions(folder: str, callers: int) -> Case:
    options = {"folder": folder, "callers": callers}
    return _case(
        "transactions",
        f"What do shared transactions gain {callers} streams? (store_batch_rows; every row waits for the disk)",
        "rows",
        _contender(WITHOUT, "store_batch_rows = 1", rows.store, options | {"batch_rows": 1}),
        _contender(WITH, "store_batch_rows as it is", rows.store, options),
        claims=("transactions",),
    )


def _low_delay() -> Case:
    quality, low_delay = (
        _contender(
            name,
            f"mic_mode = {mode}",
            mic_latency.added,
            {"mode": mode, "block_frames": BLOCK},
            warm_up=False,
        )
        for name, mode in ((WITHOUT, "quality"), (WITH, "low-delay"))
    )
    return _case(
        "low-delay",
        f"What does the low-delay path save a microphone? (mic_mode; lag behind copying, blocks of {BLOCK})",
        "pieces",
        quality,
        low_delay,
        claims=("low-delay",),
    )


def _contender(
    name: str, what: str, make: Make, options: dict[str, Any], *, warm_up: bool = True
) -> Contender:
    return Contender(
        name=name, what=what, make=make, options=options, warm_up=warm_up, extra_s=EXTRA_S
    )


def _case(
    name: str, question: str, unit: str, *contenders: Contender, claims: tuple[str, ...]
) -> Case:
    return Case(
        name=name,
        question=question,
        unit=unit,
        contenders=contenders,
        checks=tuple(
            Check(claim=CLAIMS[f"gain-{claim}"], contender=WITH, against=WITHOUT)
            for claim in claims
        ),
    )


def _if_there(name: str, make: Callable[[], Case]) -> Case:
    """A case, or what is missing for it."""
    try:
        return make()
    except (MissingDependencyError, ConnectionLostError) as error:
        return Case(
            name=name,
            question="What does it gain?",
            unit="",
            contenders=(),
            notes=(str(error),),
        )
