"""``gapless load``: put a load on a server, and say how it answers.

In: an address, how much is asked of it. Out: a table for people, or JSON; exit code 1 if more failed, or it took
longer, than was allowed; 130 after Ctrl-C. Invariants: servers of other machines are only loaded by who says that they
are theirs; Ctrl-C prints what there is. Thread: main.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click
import msgspec

from gapless.cli.load_options import (
    Limits,
    Options,
    api_key_option,
    check_owned,
    requests,
    timed,
)
from gapless.cli.load_shows import LoadBar, print_result, print_streams
from gapless.cli.main import INTERRUPTED
from gapless.cli.options import examples
from gapless.errors import ConfigError

if TYPE_CHECKING:
    from gapless.bench.load.result import Result
    from gapless.bench.load.stream_result import StreamResult
    from gapless.bench.load.task import Question

HERE: Final = "http://127.0.0.1:8000"
MOST_STREAMS: Final = 2048

MOST_AUDIO_S: Final = 36_000.0
"""All streams together: it is made beforehand, 32 kB for each second."""

KINDS: Final = {"http": "http", "https": "http", "ws": "stream", "wss": "stream", "grpc": "grpc"}
"""What ``gapless load URL`` means, by the scheme of the address."""


class Kinds(click.Group):
    """A group whose command may be left out where an address says it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is asked for."""
        scheme, separator, _ = args[0].partition("://")
        if separator and scheme in KINDS:
            args = [KINDS[scheme], *args]
        return super().resolve_command(ctx, args)


@click.group(
    cls=Kinds,
    epilog=examples(
        "gapless load infer --rate 200                    new questions to a model of this machine's server",
        "gapless load infer --bodies 100 --closed 100     the same ones again and again, as fast as it answers",
        "gapless load stream --streams 20 --duration 60   people who speak",
        "gapless load http://127.0.0.1:9000/any/page      any server over HTTP",
    ),
)
def load() -> None:
    """Put a load on a server, and say how it answers.

    Requests come when they are due, not when the server is ready for them (an open loop), and their time counts from
    then: what waits behind a slow answer is not left out. Use it on servers of your own.
    """


@load.command(
    epilog=examples(
        "gapless load http http://127.0.0.1:8000/health/ready --rate 500",
        "gapless load http http://127.0.0.1:8000/v1/infer --method POST --body question.json --closed 32",
        "gapless load http http://127.0.0.1:9000/items/{number} --p95-ms 20 --max-errors 0.1",
    )
)
@click.argument("url")
@click.option(
    "--method",
    type=click.Choice(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    help="[default: GET, or POST where there is a body]",
)
@click.option(
    "--header", "-H", "headers", metavar="NAME:VALUE", multiple=True, help="May be repeated."
)
@click.option("--data", metavar="TEXT", help="The body; as JSON unless a header says otherwise.")
@click.option("--body", "file", metavar="FILE", help="The body, from a file.")
@click.option(
    "--bodies",
    type=click.IntRange(0),
    default=0,
    help="Different values of {number}, which may be in the address and the body; 0: each has its own.",
)
@requests
def http(
    options: Options,
    *,
    url: str,
    method: str | None,
    headers: tuple[str, ...],
    data: str | None,
    file: str | None,
    bodies: int,
    own: bool,
) -> None:
    """Any address over HTTP.

    {number} in the address and the body becomes nine digits that no two requests share, so that 0.{number} is a number
    in JSON; {run} becomes nine digits that no two runs share. The server's key, where it needs one, goes into a header.
    """
    from gapless.bench.load.task import HttpQuestion

    check_owned(url, own=own)
    if data is not None and file is not None:
        raise click.UsageError("--data and --body are two bodies; give one of them")
    has_body = data is not None or file is not None
    pairs = [_header(header) for header in headers]
    if has_body and not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("content-type", "application/json"))
    question = HttpQuestion(
        url=url,
        method=method or ("POST" if has_body else "GET"),
        headers=tuple(pairs),
        body=data or "",
        body_file=file or "",
    )
    _ask(question, options, bodies)


@load.command(
    epilog=examples(
        "gapless load infer --rate 200 --p95-ms 50",
        "gapless load infer --model ranker --closed 32",
        "gapless load infer --bodies 1000 --closed 100    after the first round, all from memory",
    )
)
@click.argument("url", default=HERE)
@click.option(
    "--model", metavar="NAME", help="[default: the one that the server describes by itself]"
)
@click.option(
    "--bodies",
    type=click.IntRange(0),
    default=0,
    help="Different questions; 0: all, so that none is answered from memory.",
)
@api_key_option
@requests
def infer(
    options: Options, *, url: str, model: str | None, bodies: int, api_key: str, own: bool
) -> None:
    """Questions to a model, at POST /v1/infer.

    The question is made of what the model says it takes: one row of random numbers, of which two differ each time.
    """
    from gapless.bench.load.describe import describe
    from gapless.bench.load.infer import infer_body
    from gapless.bench.load.task import HttpQuestion

    check_owned(url, own=own)
    place = urlsplit(url)
    if place.scheme not in ("http", "https"):
        raise ConfigError(f"{url!r} is no address over HTTP; write one such as {HERE}", param="url")
    server = f"{place.scheme}://{place.netloc}"
    keys = {"authorization": f"Bearer {api_key}"} if api_key else {}
    question = HttpQuestion(
        url=f"{server}/v1/infer",
        method="POST",
        headers=(("content-type", "application/json"), *keys.items()),
        body=infer_body(describe(server, model, keys)),
    )
    _ask(question, options, bodies)


@load.command(
    epilog=examples("gapless load grpc 127.0.0.1:8001 --model silero_vad --rate 100"),
)
@click.argument("address")
@click.option("--model", metavar="NAME", required=True, help="A model of the server.")
@click.option("--bodies", type=click.IntRange(0), default=0, help="Different questions; 0: all.")
@api_key_option
@requests
def grpc(
    options: Options, *, address: str, model: str, bodies: int, api_key: str, own: bool
) -> None:
    """Questions to a model over gRPC (KServe, Triton).

    ADDRESS is HOST:PORT. Each connection is a channel of its own with one call at a time.
    """
    from gapless.bench.load.grpc import describe, infer_request
    from gapless.bench.load.task import GrpcQuestion

    address = address.removeprefix("grpc://").rstrip("/")
    check_owned(f"grpc://{address}", own=own)
    described = describe(address, model, api_key)
    question = GrpcQuestion(
        address=address, model=model, request=infer_request(described), api_key=api_key
    )
    _ask(question, options, bodies)


@load.command(
    epilog=examples(
        "gapless load stream --streams 20 --duration 60",
        "gapless load stream ws://127.0.0.1:8000 --model commands-en --streams 100 --p95-ms 45",
    )
)
@click.argument("url", default=HERE)
@click.option(
    "--streams",
    type=click.IntRange(1, MOST_STREAMS),
    default=10,
    show_default=True,
    help="That speak at a time.",
)
@click.option("--model", metavar="NAME", help="[default: the one that the server chooses]")
@api_key_option
@timed
def stream(
    *,
    url: str,
    streams: int,
    model: str | None,
    api_key: str,
    duration: float,
    processes: int,
    limits: Limits,
    own: bool,
) -> None:
    """Live streams of speech, over the native WebSocket.

    Audio is sent at the pace of speech, other words in every stream; nothing of it is kept by the server. What counts
    is how late partial results and finals are; --p95-ms is about partial results.
    """
    from gapless.bench.load.run import run_streams
    from gapless.bench.load.task import StreamTask

    check_owned(url, own=own)
    if streams * duration > MOST_AUDIO_S:
        raise ConfigError(
            f"{streams} streams of {duration:.0f} s are more audio than is made beforehand "
            f"({MOST_AUDIO_S:,.0f} s); take fewer of them, or less time",
            param="streams",
        )
    task = StreamTask(
        url=_stream_url(url),
        streams=tuple(range(streams)),
        seconds=duration,
        model=model or "",
        api_key=api_key,
    )
    with LoadBar(duration, "utterances", quiet=limits.json) as bar:
        result = run_streams(task, processes, bar.tell)
    _conclude(result, limits)


def _ask(question: Question, options: Options, bodies: int) -> None:
    from gapless.bench.load.arrivals import Arrivals
    from gapless.bench.load.run import run_load
    from gapless.bench.load.task import Task

    arrivals = Arrivals(rate_per_s=options.rate_per_s, pattern=options.pattern, seed=options.seed)
    task = Task(
        question=question,
        arrivals=arrivals if options.closed is None else None,
        connections=options.connections,
        warm_up_s=options.warm_up_s,
        seconds=options.duration_s,
        timeout_s=options.timeout_s,
        bodies=bodies,
        run=options.seed,
    )
    with LoadBar(options.duration_s, "answers", quiet=options.limits.json) as bar:
        result = run_load(task, options.processes, bar.tell)
    _conclude(result, options.limits)


def _conclude(result: Result | StreamResult, limits: Limits) -> None:
    """Say what came out, and end with the exit code that says so too."""
    from gapless.bench.load.result import Result

    if limits.json:
        click.echo(msgspec.json.format(msgspec.json.encode(result)).decode())
    elif isinstance(result, Result):
        print_result(result)
    else:
        print_streams(result)
    if result.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    broken = broken_limits(result, limits)
    for sentence in broken:
        click.secho(f"gapless: {sentence}", fg="red", err=True)
    if broken:
        raise click.exceptions.Exit(1)


def broken_limits(result: Result | StreamResult, limits: Limits) -> list[str]:
    """What was worse than allowed, a sentence each."""
    sentences = []
    if 100 * result.error_share > limits.max_errors_percent:
        sentences.append(
            f"{100 * result.error_share:.3g} % failed, {limits.max_errors_percent:g} % are allowed"
        )
    if limits.p95_ms is not None and (
        result.p95_us is None or result.p95_us > limits.p95_ms * 1000
    ):
        took = "longer than was waited" if result.p95_us is None else f"{result.p95_us / 1000:g} ms"
        sentences.append(f"p95 is {took}, {limits.p95_ms:g} ms are allowed")
    return sentences


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator or not name.strip():
        raise click.UsageError(f"{text!r} is no header; write NAME:VALUE")
    return name.strip(), value.strip()


def _stream_url(url: str) -> str:
    place = urlsplit(url)
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if place.scheme not in schemes:
        raise ConfigError(
            f"{url!r} is no address of a server; write one such as ws://127.0.0.1:8000", param="url"
        )
    return f"{schemes[place.scheme]}://{place.netloc}/v1/stream"
