"""The commands ``gapless bench FAMILY``: each family with the options of its own.

In: options. Out: what ``bench_run.py`` makes of the cases. Invariants: nothing of a family is imported before it runs.
Thread: main.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gapless.bench.families import FAMILIES
from gapless.bench.harness import Plan
from gapless.cli.bench_options import Options, measured, threads_option
from gapless.cli.bench_run import run_bench
from gapless.cli.options import examples
from gapless.tune.probe import physical_cpus


@click.command(epilog=examples("gapless bench api", "gapless bench api --json api.json"))
@measured(defaults=FAMILIES["api"].plan)
def api(options: Options) -> None:
    """What a server answers a second, and what it takes for that.

    Against the same HTTP stack with a constant answer: models asked over HTTP, from the cache and through the whole
    pipeline, in a closed loop and at a fixed pace; memory and processor of all its processes.
    """
    run_bench("api", FAMILIES["api"].open(options.plan), options)


@click.command(
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


@click.command(
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


@click.command(epilog=examples("gapless bench batching --folder /srv/gapless"))
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


@click.command(
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
@measured(defaults=FAMILIES["voice"].plan)
def voice(options: Options, *, model: str | None, streams: int | None, speech: Path | None) -> None:
    """How late live text is, and how many can speak at a time.

    Against a real server on loopback, from a client process that sends the audio as it would be spoken, other words in
    every stream: the lag of partial results and of finals; the most streams that are served in time, with batches and
    without. Without a server: the features that recognisers see, and every recogniser that is here by itself.
    """
    from gapless.bench.voice import voice_cases

    cases = voice_cases(model, streams, speech, trial=not options.plan.proves)
    run_bench("voice", cases, options)


@click.command(
    epilog=examples(
        "gapless bench mic",
        "gapless bench mic --case added-latency --case recovery",
        "gapless bench mic --case gaps --seconds 3600    an hour of each mode",
    )
)
@measured(defaults=FAMILIES["mic"].plan, most_s=3600)
def mic(options: Options) -> None:
    """What a cleaned microphone adds, takes and loses.

    On a PipeWire of its own, which needs no sound card and touches nobody's sound: the latency that it adds; what a
    busy interpreter does to it, beside a callback in Python; processor and memory of the real command; gaps and clicks
    while its model is stalled; what a block takes from the heap; how soon the model is back after a stall. Without a
    server: how well noise is removed, beside RNNoise as it is.
    """
    from gapless.bench.mic import mic_cases

    run_bench("mic", mic_cases(), options)


@click.command(
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
@measured(defaults=FAMILIES["synth"].plan)
def synth(options: Options, *, signalflow: str | None) -> None:
    """What playing a program costs, and how many voices there can be.

    How long a block of a program takes that has some 72 voices, at block sizes from 64 to 1024; the most full voices
    within 70 % of a block's time, in the bare bank and started by patterns, beside NumPy, SignalFlow, SuperCollider's
    server and the same steps in C++; what a voice costs among few and many; events of patterns; the time from the start
    of a process to the first sound.
    """
    from gapless.bench.synth import synth_cases

    run_bench("synth", synth_cases(signalflow, trial=not options.plan.proves), options)


@click.command(
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


@click.command(
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
@measured(defaults=FAMILIES["autoconfig"].plan)
def autoconfig(options: Options, *, model: str | None) -> None:
    """What settings that fit this machine give.

    A real server under live streams, calls of a model and uploaded recordings at the same time: with the settings that
    are the same on all machines, with those that the plan makes of this machine, and with those that gapless tune found
    here. The load is the same for all, and grows with the cores.
    """
    from gapless.bench.autoconfig import autoconfig_cases

    run_bench("autoconfig", autoconfig_cases(model), options)


@click.command(
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


@click.command(epilog=examples("gapless bench startup", "gapless bench startup --case server"))
@measured(defaults=FAMILIES["startup"].plan)
def startup(options: Options) -> None:
    """How soon a command answers, and a server its first request.

    From the start of the process, beside a bare Python, one that imports the same libraries, and a bare server with a
    constant answer; with compiled code at hand and without. The time to the first sound is in gapless bench synth.
    """
    run_bench("startup", FAMILIES["startup"].open(options.plan), options)


@click.command(epilog=examples("gapless bench memory", "gapless bench memory --case server"))
@measured(defaults=FAMILIES["memory"].plan)
def memory(options: Options) -> None:
    """What the server, the engine and the microphone hold in memory.

    Beside a Python that has imported the same libraries: the server idle and with live streams, the engine in a process
    of one's own, the virtual microphone. The proportional share (PSS) counts what processes share once.
    """
    run_bench("memory", FAMILIES["memory"].open(options.plan), options)


@click.command(epilog=examples("gapless bench console"))
@measured(defaults=FAMILIES["console"].plan)
def console(options: Options) -> None:
    """How long a frame of the console takes in a real browser.

    What scripts and rendering take of each frame while a stream is live, in a Chromium without a window.
    """
    run_bench("console", FAMILIES["console"].open(options.plan), options)


@click.command(epilog=examples("gapless bench ablate", "gapless bench ablate --case cache"))
@measured(defaults=Plan(rounds=3, seconds=5.0))
def ablate(options: Options) -> None:
    """What each optimisation gains: with it, and without it by its setting.

    The same work on the same machine in turn; the factor stands beside it, also where an optimisation does not pay.
    """
    from gapless.bench.ablate import ablate_cases

    run_bench("ablate", ablate_cases(trial=not options.plan.proves), options)


COMMANDS = (
    *(api, inference, pool, voice, mic, synth, database, cache, batching, autoconfig),
    *(startup, memory, console, ablate),
)
"""In the order of the help page."""
