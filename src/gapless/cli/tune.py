"""``gapless tune``: try how this machine is used best, and keep what won.

In: this machine, the models on it. Out: what was tried, for people or as JSON; a file in the data folder that
``gapless serve`` reads. Invariants: nothing but that file is written, nothing is sent anywhere; Ctrl-C keeps what is
proven by then. Thread: main.
"""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec
from msgspec.structs import replace

from gapless.cli.options import examples, with_settings
from gapless.cli.tensor_models import table_console
from gapless.errors import ConfigError
from gapless.settings import Resolved, Settings, Source
from gapless.tune.facts import Facts
from gapless.tune.fit import fit
from gapless.tune.measured import (
    FILE_NAME,
    Fingerprint,
    Measured,
    completed,
    fingerprint,
    forget_measured,
    keep_measured,
    load_measured,
    read_kept,
)
from gapless.tune.probe import read_facts

if TYPE_CHECKING:
    from gapless.bench.tuning.experiment import Found, Tell
    from gapless.bench.tuning.stages import Scope

INTERRUPTED: Final = 130
BY_HAND: Final = frozenset({"file", "environment", "flag"})
"""Sources of a value that nothing measured would replace."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried, as ``--json`` prints it."""

    found: Found
    values: dict[str, int]
    reasons: dict[str, str]
    models: dict[str, str]
    fingerprint: Fingerprint
    kept: str | None
    """The file; None: nothing was kept."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept, as ``--show --json`` prints it."""

    file: str
    measured: Measured | None
    notice: str
    formula: dict[str, int]
    """What the formulas give, by name of the setting."""


@click.command(
    epilog=examples(
        "gapless tune                    a minute; gapless serve uses what won",
        "gapless tune --model ranker     by what your own model needs",
        "gapless tune --seconds 20 --dry-run",
        "gapless tune --show             what is kept, beside what the formulas give",
        "gapless tune --forget",
    )
)
@click.option(
    "--seconds",
    type=click.FloatRange(5, 3600),
    default=60.0,
    show_default=True,
    help="How long it may take, about.",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Model of the bulk work.  [default: yours in MODELS_DIR and those that come with Gapless]",
)
@click.option(
    "--latency-ms",
    type=click.FloatRange(1, 10_000),
    default=20.0,
    show_default=True,
    help="What a step of a live stream may take, 95th percentile.",
)
@click.option(
    "--all-cores",
    is_flag=True,
    help="Also try what leaves no core to those who ask: for servers whose clients are elsewhere.",
)
@click.option("--dry-run", is_flag=True, help="Keep nothing.")
@click.option("--show", is_flag=True, help="Print what is kept of this machine, and try nothing.")
@click.option("--forget", is_flag=True, help="Remove what is kept of this machine; try nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@with_settings("models_dir", "data_dir", "provider")
def tune(
    resolved: Resolved,
    *,
    seconds: float,
    model: str | None,
    latency_ms: float,
    all_cores: bool,
    dry_run: bool,
    show: bool,
    forget: bool,
    as_json: bool,
) -> None:
    """Try how this machine is used best.

    Runs live streams and bulk work with real models, each trial in a fresh process, and lets executors, their threads
    and the largest batch race: the worse half is dropped again and again, and the best of the others meets the
    formula's value in a final. Most work wins, as long as live streams are in time; the formula's value stays unless
    another is better beyond the noise in every round. What won is kept in DATA_DIR for this machine, and gapless serve
    uses it. What you set yourself is not tried. Ctrl-C keeps what is proven by then.
    """
    if show and forget:
        raise click.UsageError("--show and --forget exclude each other; name one of them")
    file = resolved.settings.data_path / FILE_NAME
    facts = read_facts()
    here = fingerprint(
        usable_cpus=facts.cpus, physical_cpus=facts.cores, memory_bytes=facts.memory_bytes
    )
    settings = _planned(resolved, facts)
    if forget:
        count = forget_measured(file, here)
        click.echo(f"{count or 'no'} record{'' if count == 1 else 's'} of this machine removed")
    elif show:
        _show(file, here, settings, as_json=as_json)
    else:
        _measure(
            settings,
            replace(_scope(resolved, settings, facts.cores, model), all_cores=all_cores),
            here,
            None if dry_run else file,
            (seconds, latency_ms),
            as_json=as_json,
        )


def _planned(resolved: Resolved, facts: Facts) -> Settings:
    """The settings with what the plan says where nothing was measured: where the races begin."""
    defaults = Settings()
    left = [name for name, source in resolved.sources.items() if source.kind not in BY_HAND]
    asked = replace(
        resolved,
        settings=replace(resolved.settings, **{name: getattr(defaults, name) for name in left}),
        sources=resolved.sources | dict.fromkeys(left, Source("default")),
    )
    return fit(asked, facts).settings


def _scope(resolved: Resolved, settings: Settings, cores: int, model: str | None) -> Scope:
    """What may be tried: with which models, and what was set by hand."""
    from gapless.bench.tuning.load import runnable, tensor_models
    from gapless.bench.tuning.stages import CARRIED_MODELS, MOST_MODELS, Scope

    folder = str(settings.models_path)
    if model is not None:
        wanted = [model]
    else:
        own = tensor_models(folder, settings.provider)
        wanted = [*CARRIED_MODELS, *own][:MOST_MODELS]
    models = runnable(folder, settings.provider, wanted)
    if model is not None and model not in models:
        raise ConfigError(
            f"the model {model} does not run on this machine; `gapless models list` says why",
            param="model",
        )
    by_hand = [name for name, source in resolved.sources.items() if source.kind in BY_HAND]
    return Scope(
        physical_cpus=cores, models=models, by_hand=frozenset(by_hand), bounds=resolved.bounds
    )


def _measure(
    settings: Settings,
    scope: Scope,
    here: Fingerprint,
    file: Path | None,
    limits: tuple[float, float],
    *,
    as_json: bool,
) -> None:
    from gapless.bench.tuning.experiment import search

    seconds, latency_ms = limits
    with _bar() as tell:
        found = search(settings, scope, seconds=seconds, most_p95_ms=latency_ms, tell=tell)
    models = {name: one.version for name, one in scope.models.items()}
    if file is not None and found.answers:
        measured = Measured(
            fingerprint=here,
            models=models,
            values=found.values,
            reasons=found.reasons,
            when_ms=time.time_ns() // 1_000_000,
        )
        if found.interrupted:
            measured = completed(measured, load_measured(file, here))
        keep_measured(file, measured)
    outcome = Outcome(
        found=found,
        values=found.values,
        reasons=found.reasons,
        models=models,
        fingerprint=here,
        kept=str(file) if file is not None and found.answers else None,
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(outcome)).decode())
    else:
        _print(outcome)
    if found.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)


def _bar() -> AbstractContextManager[Tell]:
    """A bar on standard error that says what is tried; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        return nullcontext(lambda _: None)
    from gapless.cli.tune_bar import TuneBar

    return TuneBar()


def _print(outcome: Outcome) -> None:
    """For people."""
    from rich import box
    from rich.table import Table

    from gapless.bench.quantity import digits, duration

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("question", "formula", "best other", "work", "noise", "live p95", "use"):
        table.add_column(heading)
    for one in outcome.found.answers:
        verdict = one.verdict
        table.add_row(
            one.question,
            one.formula,
            one.challenger or "-",
            f"{digits(verdict.gain)}x" if one.challenger else "-",
            f"{100 * verdict.noise:.0f} %",
            duration(verdict.p95_us),
            f"{one.winner} (measured)" if one.changed else f"{one.winner} (formula)",
        )
    table_console().print(table)
    for one in outcome.found.answers:
        for error in one.errors:
            click.secho(f"left out: {one.name}: {error}", fg="yellow", err=True)
    names = ", ".join(outcome.models)
    click.echo(f"\nwith {names}, in {outcome.found.seconds:.0f} s")
    if not outcome.found.answers:
        click.echo("nothing was proven, and nothing is kept")
    elif outcome.kept is None:
        click.echo("nothing is kept (--dry-run)")
    else:
        what = "what was proven before the interruption is" if outcome.found.interrupted else ""
        click.echo(f"{what or 'this is'} kept in {outcome.kept}; gapless serve uses it")


def _show(file: Path, here: Fingerprint, settings: Settings, *, as_json: bool) -> None:
    from gapless.bench.tuning.stages import formula_values

    kept = read_kept(file, here)
    formula = formula_values(settings)
    if as_json:
        shown = Kept(file=str(file), measured=kept.measured, notice=kept.notice, formula=formula)
        click.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())
        return
    if kept.measured is None:
        click.echo(kept.notice or f"nothing is kept of this machine in {file}; run `gapless tune`")
        return
    when = datetime.fromtimestamp(kept.measured.when_ms / 1000, UTC)
    click.echo(f"{file}, of {when:%Y-%m-%d %H:%M} UTC, with {', '.join(kept.measured.models)}")
    for name, reason in kept.measured.reasons.items():
        value = kept.measured.values.get(name, formula.get(name))
        click.echo(f"  {name:<18} {value:<6} formula {formula.get(name)}; {reason}")
