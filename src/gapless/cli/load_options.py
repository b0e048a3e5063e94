"""What every load is told: how much comes, for how long, and what would be too bad.

In: options. Out: a frozen struct. Invariants: a server on another machine is only loaded by somebody who says that it
is theirs; the generator's own bounds are those of ``bench/load/task.py``. Thread: main.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import click
import msgspec

from gapless.bench.load.task import MOST_CONNECTIONS, MOST_PROCESSES
from gapless.errors import ConfigError, ForbiddenError

MOST_RATE_PER_S: Final = 1_000_000.0
MOST_S: Final = 86_400.0

RUNS: Final = 10**9
"""That can be told apart, by nine digits."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What every load is told."""

    duration_s: float
    warm_up_s: float
    timeout_s: float
    rate_per_s: float
    closed: int | None
    """Connections of a closed loop; None: an open one."""
    connections: int
    pattern: Literal["poisson", "constant"]
    seed: int
    processes: int
    limits: Limits


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What shows in the exit code, and how the result is told."""

    max_errors_percent: float
    p95_ms: float | None
    json: bool


def requests(command: Callable[..., None]) -> Callable[..., Any]:
    """Give a command the options of loads of requests; it gets ``Options`` as its first argument."""

    @click.option(
        "--rate",
        type=click.FloatRange(0, MOST_RATE_PER_S, min_open=True),
        default=100.0,
        show_default=True,
        help="Requests a second that come, whether or not those before were answered.",
    )
    @click.option(
        "--closed",
        type=click.IntRange(1, MOST_CONNECTIONS),
        metavar="N",
        help="Instead: N connections that ask as soon as they are answered; the most that is possible.",
    )
    @click.option(
        "--connections",
        type=click.IntRange(1, MOST_CONNECTIONS),
        default=100,
        show_default=True,
        help="Connections at most; a request that finds none free waits, and its wait counts.",
    )
    @click.option(
        "--pattern",
        type=click.Choice(["poisson", "constant"]),
        default="poisson",
        show_default=True,
        help="poisson: as callers come who do not know of each other; constant: as a metronome.",
    )
    @click.option(
        "--warm-up",
        type=click.FloatRange(0, MOST_S),
        default=1.0,
        show_default=True,
        metavar="S",
        help="Time under load before anything counts.",
    )
    @click.option(
        "--timeout",
        type=click.FloatRange(0.01, 3600),
        default=10.0,
        show_default=True,
        metavar="S",
        help="A request that is not answered by then has failed.",
    )
    @click.option(
        "--seed",
        type=click.IntRange(0, RUNS - 1),
        help="Of the times and the questions.  [default: another each time]",
    )
    @timed
    @functools.wraps(command)
    def run(
        *,
        rate: float,
        closed: int | None,
        connections: int,
        pattern: Literal["poisson", "constant"],
        warm_up: float,
        timeout: float,
        seed: int | None,
        duration: float,
        processes: int,
        limits: Limits,
        **others: Any,
    ) -> None:
        options = Options(
            duration_s=duration,
            warm_up_s=warm_up,
            timeout_s=timeout,
            rate_per_s=rate,
            closed=closed,
            connections=connections if closed is None else closed,
            pattern=pattern,
            seed=secrets.randbelow(RUNS) if seed is None else seed,
            processes=processes,
            limits=limits,
        )
        command(options, **others)

    return run


def timed(command: Callable[..., None]) -> Callable[..., Any]:
    """Give a command the options of all loads: ``duration``, ``processes``, ``limits`` and ``own``."""

    @click.option(
        "--duration",
        type=click.FloatRange(0.1, MOST_S),
        default=10.0,
        show_default=True,
        metavar="S",
        help="Time that counts.",
    )
    @click.option(
        "--processes",
        type=click.IntRange(1, MOST_PROCESSES),
        default=1,
        show_default=True,
        help="Of the load tool; more where one is busy.",
    )
    @click.option(
        "--max-errors",
        type=click.FloatRange(0, 100),
        default=0.0,
        show_default=True,
        metavar="PERCENT",
        help="More requests that fail make the exit code 1.",
    )
    @click.option(
        "--p95-ms",
        type=click.FloatRange(0, min_open=True),
        metavar="MS",
        help="A larger 95th percentile makes the exit code 1; requests that failed took for ever.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, and no bar.")
    @click.option(
        "--i-own-this-server",
        "own",
        is_flag=True,
        help="Needed for any server but those of this machine: a load on somebody else's is an attack.",
    )
    @functools.wraps(command)
    def run(*, max_errors: float, p95_ms: float | None, as_json: bool, **others: Any) -> None:
        limits = Limits(max_errors_percent=max_errors, p95_ms=p95_ms, json=as_json)
        command(limits=limits, **others)

    return run


api_key_option = click.option(
    "--api-key",
    envvar="GAPLESS_API_KEY",
    default="",
    metavar="TEXT",
    help="The server's key, where it needs one.  [or $GAPLESS_API_KEY]",
)


def check_owned(url: str, *, own: bool) -> None:
    """Refuse to load the servers of others.

    Args:
        url: with a scheme.
        own: whether somebody said that the server is theirs.

    Raises:
        ForbiddenError: it is on another machine, and nobody did.
        ConfigError: there is no host in it.
    """
    from gapless.serve.address import is_loopback

    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        raise ConfigError(
            f"{url!r} is no address of a server; write one such as http://127.0.0.1:8000",
            param="url",
        )
    if not own and not is_loopback(host):
        raise ForbiddenError(
            f"{host} is not this machine; a load on the server of somebody else is an attack. If it is yours, add "
            "--i-own-this-server"
        )
