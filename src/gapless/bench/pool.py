"""``gapless bench pool``: what channels from a pool cost, and what more of them give.

In: a Triton server, or nothing: then one is started. Out: cases. Invariants: a server that was started here is gone
when the context is left. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gapless.bench.case import Case, Cases, Check, Contender, ScalingCheck
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import channels
from gapless.errors import ConnectionLostError

CALLERS: Final = 64

CHANNELS: Final = (1, 2, 4, 8, 16, 32)

MODEL: Final = "double"
"""Of the server that is started: twice what it is given, in Triton's Python backend."""


@contextmanager
def pool_cases(url: str | None, model: str | None) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        url: ``HOST:PORT`` of a server's gRPC door; None starts the server of PyTriton's wheel on this machine.
        model: one that is there; None for the server that is started.

    Raises:
        MissingDependencyError: no server was named, and none is installed.
        ConnectionLostError: the one that is installed does not start.
    """
    if url is None or model is None:
        with _started_server() as started:
            yield _cases(started, MODEL)
    else:
        yield _cases(url, model)


@contextmanager
def _started_server() -> Iterator[str]:
    from gapless.testing.triton_models import write_double
    from gapless.testing.triton_server import TritonServer

    with TemporaryDirectory(prefix="gapless-bench-") as folder:
        models, work_dir = Path(folder, "models"), Path(folder, "server")
        models.mkdir()
        work_dir.mkdir()
        write_double(models)
        server = TritonServer(models, work_dir)
        try:
            server.start()
        except RuntimeError as error:
            raise ConnectionLostError(f"{error}\nname another server with --url") from error
        try:
            yield server.url
        finally:
            server.kill()


def _cases(url: str, model: str) -> Cases:
    return {
        "taking": partial(_taking, url, model),
        "round-trip": partial(_round_trip, url, model),
        "scaling": partial(_scaling, url, model),
    }


def _taking(url: str, model: str) -> Case:
    options = {"url": url, "model": model}
    fresh, taken = (
        Contender(
            name="new channel",
            what="opened, used for one call, and closed",
            make=channels.new,
            options=options,
        ),
        Contender(
            name="from the pool",
            what="taken and given back; nothing is sent",
            make=channels.taken,
            options=options,
        ),
    )
    return Case(
        name="taking",
        question="How long does it take to have a usable channel?",
        unit="channels",
        contenders=(fresh, taken),
        checks=(Check(claim=CLAIMS["take-channel"], contender=taken.name),),
    )


def _round_trip(url: str, model: str) -> Case:
    held, borrowed, fresh = (
        Contender(name=name, what=what, make=make, options={"url": url, "model": model})
        for name, what, make in (
            ("held", "one channel for all calls", channels.held),
            ("from the pool", "a channel from the pool for each call", channels.borrowed),
            (
                "new",
                "opened for each call and closed after it, sharing no connection",
                channels.new,
            ),
        )
    )
    return Case(
        name="round-trip",
        question="What does the pool add to a call, and what does it save? (one small inference)",
        unit="calls",
        contenders=(held, borrowed, fresh),
        checks=(
            Check(claim=CLAIMS["pool-round-trip"], contender=borrowed.name, against=held.name),
            Check(claim=CLAIMS["new-channel"], contender=fresh.name, against=borrowed.name),
        ),
    )


def _scaling(url: str, model: str) -> Case:
    options = {"url": url, "model": model, "callers": CALLERS}
    multiplexed = Contender(
        name="1 for all",
        what="no pool: one channel carries all calls at the same time",
        make=channels.multiplexed,
        options=options,
    )
    steps = {
        number: Contender(
            name=f"pool of {number}",
            what="each channel carries one call at a time",
            make=channels.shared_out,
            options=options | {"channels": number},
        )
        for number in CHANNELS
    }
    return Case(
        name="scaling",
        question=f"What do more channels give {CALLERS} threads that call at the same time?",
        unit="calls",
        contenders=(multiplexed, *steps.values()),
        checks=(
            ScalingCheck(
                claim=CLAIMS["pool-scaling"],
                steps={number: contender.name for number, contender in steps.items()},
            ),
        ),
    )
