"""``gapless bench``: measure what Gapless claims, each claim beside a baseline.

In: options. Out: a table for people, or JSON; exit code 1 if a claim did not hold, 2 if something was not measured.
Invariants: Ctrl-C ends what runs and prints what there is. Thread: main.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from gapless.bench.harness import QUICK, Plan, Results, run_cases
from gapless.bench.machine import machine
from gapless.bench.report import Report, print_report
from gapless.cli.main import INTERRUPTED, FailureMessage
from gapless.cli.options import examples
from gapless.cli.output import write_output
from gapless.errors import GaplessError
from gapless.tune.probe import physical_cpus

if TYPE_CHECKING:
    from gapless.bench.case import Case, Cases, Contender

BROKEN: Final = 2
"""The exit code when something could not be measured."""

DEFAULTS: Final = Plan()

STDOUT: Final = "-"
"""The file name that stands for standard output."""

PIPE_COLUMNS: Final = 160
"""Width of the table where there is no terminal to fit."""


class BrokenMessage(FailureMessage):
    """A bench that cannot be run."""

    exit_code = BROKEN


class Options(msgspec.Struct, frozen=True):
    """What all benches are told."""

    plan: Plan
    only: tuple[str, ...]
    """Names of cases; empty: all."""
    json: str | None
    """A file, or "-"."""
    fail: bool
    """Whether a claim that did not hold shows in the exit code."""


@click.group()
def bench() -> None:
    """Measure what Gapless claims.

    Every claim is measured beside a baseline, in fresh processes, contenders in turn, and can come out red: the exit
    code is 1 then, and 2 if something could not be measured. Figures belong to the machine they were measured on, and
    to a quiet one.
    """


def measured(
    command: Callable[..., None] | None = None,
    *,
    defaults: Plan = DEFAULTS,
    most_s: float = 600,
) -> Callable[..., Any]:
    """Give a command the options of all benches; it gets ``Options`` as its first argument.

    Args:
        command: the command, where this is used without brackets.
        defaults: how long everything is tried where nothing else is asked for.
        most_s: longest round that can be asked for.
    """
    if command is None:
        return functools.partial(measured, defaults=defaults, most_s=most_s)

    @click.option(
        "--rounds",
        type=click.IntRange(1, 100),
        default=defaults.rounds,
        show_default=True,
        help="Rounds of each contender, each in a process of its own.",
    )
    @click.option(
        "--seconds",
        type=click.FloatRange(0.05, most_s),
        default=defaults.seconds,
        show_default=True,
        help="Length of a round.",
    )
    @click.option("--quick", is_flag=True, help="See that everything runs; proves nothing.")
    @click.option(
        "--case", "only", metavar="NAME", multiple=True, help="Only this case; may be repeated."
    )
    @click.option(
        "--json", metavar="FILE", help="Write JSON to a file as well; - prints nothing else."
    )
    @click.option("--no-fail", is_flag=True, help="Exit code 0 even if a claim did not hold.")
    @functools.wraps(command)
    def run(
        *,
        rounds: int,
        seconds: float,
        quick: bool,
        only: tuple[str, ...],
        json: str | None,
        no_fail: bool,
        **others: Any,
    ) -> None:
        plan = QUICK if quick else Plan(rounds=rounds, seconds=seconds)
        command(Options(plan, only, json, fail=not no_fail), **others)

    return run


threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 256),
    help="Threads that compute at a time.  [default: one for each core]",
)


@bench.command(
    epilog=examples(
        "gapless bench inference",
        "gapless bench inference --case one-row --json one-row.json",
    )
)
@threads_option
@measured
def inference(options: Options, *, threads: int | None) -> None:
    """What the inference engine costs one caller, and gives many.

    Against ONNX Runtime called directly on as many threads: a caller who is alone, 64 callers, 64 streams of sound with
    state; one session shared by all against one for each thread; weights of 8 bits against 32; the first call against
    the later ones. The model is a perceptron of 6.5 MB with random weights.
    """
    from gapless.bench.inference import inference_cases

    run_bench("inference", inference_cases(threads or physical_cpus()), options)


@bench.command(
    epilog=examples(
        "gapless bench pool                                       against a server that it starts",
        "gapless bench pool --url triton.lan:8001 --model ranker  against yours",
    )
)
@click.option(
    "--url",
    metavar="HOST:PORT",
    help="gRPC door of a Triton server.  [default: start the one in the package nvidia-pytriton]",
)
@click.option("--model", metavar="NAME", help="With --url: a model there; it is sent zeros.")
@measured
def pool(options: Options, *, url: str | None, model: str | None) -> None:
    """What channels from a pool cost, and what more of them give.

    Against a real Triton server over gRPC: a channel from the pool against one that is held and against a new one each
    time, each with a connection of its own; then 64 callers over 1 to 32 channels.
    """
    from gapless.bench.pool import pool_cases

    if (url is None) != (model is None):
        raise click.UsageError("--url and --model go together; name both, or neither")
    run_bench("pool", pool_cases(url, model), options)


@bench.command(epilog=examples("gapless bench batching --folder /srv/gapless"))
@click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Where databases are written, on the disk to measure.  [default: temporary files]",
)
@threads_option
@measured
def batching(options: Options, *, folder: Path | None, threads: int | None) -> None:
    """The same work one by one, and many at a time.

    Rows of the transcript store in shared transactions against one transaction a row, through the store and with the
    bare driver; rows of a small model in shared calls against one call a row, through the engine and without it.
    """
    from gapless.bench.batching import batching_cases

    run_bench("batching", batching_cases(threads or physical_cpus(), folder), options)


@bench.command(
    epilog=examples(
        "gapless bench voice",
        "gapless bench voice --case most-streams --model commands-en",
        "gapless bench voice --case most-streams --streams 64",
        "gapless bench voice --case features --quick",
    )
)
@click.option(
    "--model", metavar="NAME", help="Recogniser of the live streams.  [default: commands-en]"
)
@click.option(
    "--streams",
    type=click.IntRange(1, 2048),
    help="Only so many at a time, instead of searching for the most.",
)
@click.option(
    "--speech",
    metavar="DIR",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder with sounds.json: what is said.  [default: speech that comes with Gapless]",
)
@measured(defaults=Plan(rounds=1, seconds=20.0))
def voice(options: Options, *, model: str | None, streams: int | None, speech: Path | None) -> None:
    """How late live text is, and how many can speak at a time.

    Against a real server on loopback, from a client process that sends the audio as it would be spoken, other words in
    every stream: the lag of partial results and of finals; the most streams that are served in time, with batches and
    without. Without a server: the features that recognisers see, and every recogniser that is here by itself.
    """
    from gapless.bench.voice import voice_cases

    cases = voice_cases(model, streams, speech, trial=not options.plan.proves)
    run_bench("voice", cases, options)


@bench.command(
    epilog=examples(
        "gapless bench mic",
        "gapless bench mic --case added-latency --case recovery",
        "gapless bench mic --case gaps --seconds 3600    an hour of each mode",
    )
)
@measured(defaults=Plan(rounds=1, seconds=20.0), most_s=3600)
def mic(options: Options) -> None:
    """What a cleaned microphone adds, takes and loses.

    On a PipeWire of its own, which needs no sound card and touches nobody's sound: the latency that it adds; what a
    busy interpreter does to it, beside a callback in Python; processor and memory of the real command; gaps and clicks
    while its model is stalled; what a block takes from the heap; how soon the model is back after a stall. Without a
    server: how well noise is removed, beside RNNoise as it is.
    """
    from gapless.bench.mic import mic_cases

    run_bench("mic", mic_cases(), options)


@bench.command(
    epilog=examples(
        "gapless bench synth",
        "gapless bench synth --case block --case start",
        "gapless bench synth --case voices --signalflow other/bin/python",
    )
)
@click.option(
    "--signalflow",
    metavar="PYTHON",
    help="A Python that has the package signalflow, to compare with.  [default: this one, if it has]",
)
@measured(defaults=Plan(rounds=3, seconds=5.0))
def synth(options: Options, *, signalflow: str | None) -> None:
    """What playing a program costs, and how many voices there can be.

    How long a block of a program takes that has some 72 voices, at block sizes from 64 to 1024; the most full voices
    within 70 % of a block's time, in the bare bank and started by patterns, beside NumPy, SignalFlow, SuperCollider's
    server and the same steps in C++; what a voice costs among few and many; events of patterns; the time from the start
    of a process to the first sound.
    """
    from gapless.bench.synth import synth_cases

    run_bench("synth", synth_cases(signalflow, trial=not options.plan.proves), options)


@bench.command(
    epilog=examples(
        "gapless bench database",
        "gapless bench database --case search-common --scratch /srv/gapless",
        "gapless bench database --postgres postgresql://bench@db.lan/bench",
    )
)
@click.option(
    "--scratch",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for SQLite files, on the disk to measure; the filled one (1 GB) stays.  "
    "[default: temporary files]",
)
@click.option(
    "--postgres",
    metavar="URL",
    help="An empty database, or one that this bench filled, whose owner may make others; or none.  "
    "[default: start a server with the programs that are here]",
)
@measured
def database(options: Options, *, scratch: Path | None, postgres: str | None) -> None:
    """What the store answers, and takes, when it holds a million utterances.

    SQLite and PostgreSQL, through the store and with the bare driver: a session, a page of the list, searches for rare
    and common words and for beginnings, newest first and best first; rows by their id from eight threads over the pool;
    utterances kept one by one and a thousand at a time. What was said is made of invented words with the frequencies of
    a language. Filling a database takes some minutes.
    """
    from gapless.bench.database import database_cases

    def tell(name: str, there: int, wanted: int) -> None:
        if sys.stderr.isatty():
            click.echo(
                f"\r{name}: {there:,} of {wanted:,} utterances", err=True, nl=there >= wanted
            )

    cases = database_cases(scratch, postgres, trial=not options.plan.proves, tell=tell)
    run_bench("database", cases, options)


@bench.command(
    epilog=examples(
        "gapless tune && gapless bench autoconfig",
        "gapless bench autoconfig --rounds 5 --json autoconfig.json",
    )
)
@click.option(
    "--model",
    metavar="NAME",
    help="Recogniser of streams and recordings.  [default: commands-en]",
)
@measured(defaults=Plan(rounds=3, seconds=20.0))
def autoconfig(options: Options, *, model: str | None) -> None:
    """What settings that fit this machine give.

    A real server under live streams, calls of a model and uploaded recordings at the same time: with the settings that
    are the same on all machines, with those that the plan makes of this machine, and with those that gapless tune found
    here. The load is the same for all, and grows with the cores.
    """
    from gapless.bench.autoconfig import autoconfig_cases

    run_bench("autoconfig", autoconfig_cases(model), options)


@bench.command(
    epilog=examples(
        "gapless bench cache",
        "gapless bench cache --case zipf-10 --json zipf.json",
    )
)
@measured
def cache(options: Options) -> None:
    """How quick a hit in memory is, and how many hits there are.

    A hit beside a plain dictionary. Then hits of the same requests in as many entries: with our policy, least recently
    used, the best fixed set, and one that knows the future; requests by Zipf's law, the same with scans, and in the
    shape of everyday use with repeats and drift. The requests are made from a seed; none was recorded.
    """
    from gapless.bench.cache import cache_cases

    run_bench("cache", cache_cases(), options)


def run_bench(name: str, cases: AbstractContextManager[Cases], options: Options) -> None:
    """Run the cases that are wanted, say what came out, and end with the exit code that says so too.

    Raises:
        BrokenMessage: the cases cannot be set up.
    """
    # Looked at before anything runs: the load is that of others.
    facts, began = machine(), datetime.now(UTC)
    try:
        with cases as known:
            results = _run(_wanted(known, options.only), options.plan)
    except GaplessError as error:
        raise BrokenMessage(str(error)) from error
    report = Report(
        bench=name,
        began_at=began.isoformat(timespec="seconds"),
        machine=facts,
        plan=options.plan,
        results=results,
    )
    _publish(report, options.json)
    if results.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    if report.broken:
        raise click.exceptions.Exit(BROKEN)
    if report.red and options.fail:
        raise click.exceptions.Exit(1)


def _wanted(cases: Cases, only: tuple[str, ...]) -> list[Case]:
    for name in only:
        if name not in cases:
            raise click.UsageError(f"there is no case {name!r}; those known are {', '.join(cases)}")
    return [cases[name]() for name in only or cases]


def _run(cases: list[Case], plan: Plan) -> Results:
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        redirect_stdout=False,
        transient=True,
    )
    with progress:
        bar = progress.add_task("", total=plan.rounds * sum(len(case.contenders) for case in cases))

        def tell(case: Case, number: int, contender: Contender) -> None:
            text = f"{case.name}: {contender.name} ({number + 1}/{plan.rounds})"
            progress.update(bar, description=text)
            progress.advance(bar)

        return run_cases(cases, plan, tell)


def _publish(report: Report, file: str | None) -> None:
    from rich.console import Console

    text = msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"
    if file == STDOUT:
        click.echo(text, nl=False)
        return
    if file is not None:
        write_output(text, Path(file))
    terminal = sys.stdout.isatty()
    print_report(report, Console(width=None if terminal else PIPE_COLUMNS))
