"""Calls to a Triton server over a channel that is held, borrowed from the pool, or new each time.

In: where the server is, and a model there. Out: work. Invariants: all send the same small request; every channel has a
connection of its own. Thread: the callers'; the pool has one that looks after it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from gapless.bench.drive import Work, alone, in_threads

if TYPE_CHECKING:
    from gapless.infer.triton.connection import Connection, Outcome
    from gapless.infer.triton.endpoint import Endpoint

METHOD: Final = "ModelInfer"

TIMEOUT_MS: Final = 10_000

WHERE: Final = "the server to measure"
"""In messages of errors."""


@contextmanager
def held(url: str, *, model: str) -> Iterator[Work]:
    """One channel for all calls."""
    with _connected(url) as connection:
        request = _request(connection, model)
        yield alone(partial(_call, connection, request))


@contextmanager
def multiplexed(url: str, *, model: str, callers: int) -> Iterator[Work]:
    """Threads that call at the same time, all over one channel."""
    with _connected(url) as connection:
        request = _request(connection, model)
        call = partial(_call, connection, request)
        yield in_threads([call] * callers)


@contextmanager
def borrowed(url: str, *, model: str) -> Iterator[Work]:
    """A channel from the pool for each call."""
    with _pool(url, model, channels=1) as (endpoint, request):
        yield alone(partial(_call_any, endpoint, request))


@contextmanager
def new(url: str, *, model: str) -> Iterator[Work]:
    """A channel that is opened for each call and closed after it."""
    with _connected(url) as connection:
        request = _request(connection, model)
    connect, numbers = _connector(url), count(1)

    def call() -> None:
        with closing(connect(next(numbers))) as fresh:
            _call(fresh, request)

    yield alone(call)


@contextmanager
def taken(url: str, *, model: str) -> Iterator[Work]:
    """A channel is taken from the pool and given back; nothing is sent."""
    with _pool(url, model, channels=1) as (endpoint, _):

        def take() -> None:
            lease = endpoint.acquire(_now_ms() + TIMEOUT_MS)
            endpoint.release(_checked(lease), None)

        yield alone(take)


@contextmanager
def shared_out(url: str, *, model: str, channels: int, callers: int) -> Iterator[Work]:
    """Threads that call at the same time, over so many channels; those that find none free wait."""
    with _pool(url, model, channels) as (endpoint, request):
        yield in_threads([partial(_call_any, endpoint, request)] * callers)


def _call(connection: Connection, request: Any) -> None:
    _checked(connection.call(METHOD, request, TIMEOUT_MS))


def _call_any(endpoint: Endpoint, request: Any) -> None:
    _checked(endpoint.call(METHOD, request, _now_ms() + TIMEOUT_MS))


@contextmanager
def _pool(url: str, model: str, channels: int) -> Iterator[tuple[Endpoint, Any]]:
    """The channels to one server as a model on it has them, all open, and a request."""
    from gapless.infer.triton.caretaker import Caretaker
    from gapless.infer.triton.endpoint import Endpoint
    from gapless.infer.triton.options import TritonOptions
    from gapless.infer.wire import messages

    options = TritonOptions(
        urls=(url,),
        min_channels=channels,
        max_channels=channels,
        acquire_timeout_ms=TIMEOUT_MS,
    )
    with _connected(url) as connection:
        request = _request(connection, model)
    caretaker = Caretaker(options, _now_ms, "gapless-bench")
    endpoint = Endpoint(
        url,
        WHERE,
        options,
        _connector(url),
        clock=_now_ms,
        random=random.random,
        wake=caretaker.wake,
    )
    caretaker.start([endpoint], messages.ModelReadyRequest(name=model))
    try:
        yield endpoint, request
    finally:
        caretaker.stop()
        endpoint.close()


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    with closing(_connector(url)(0)) as connection:
        yield connection


def _connector(url: str) -> Callable[[int], Connection]:
    from gapless.infer.triton.connection import connector
    from gapless.infer.triton.options import TritonOptions

    return connector(url, TritonOptions(urls=(url,)), WHERE)


def _request(connection: Connection, model: str) -> Any:
    """Zeros of the smallest shapes that the model takes."""
    import numpy as np

    from gapless.infer.wire import messages
    from gapless.infer.wire.tensors import dtype_of, encode

    asked = messages.ModelMetadataRequest(name=model)
    metadata = _checked(connection.call("ModelMetadata", asked, TIMEOUT_MS))
    request = messages.ModelInferRequest(model_name=model)
    for tensor in metadata.inputs:
        shape = [max(length, 1) for length in tensor.shape]
        blank: object = b"" if tensor.datatype == "BYTES" else 0
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=shape)
        zeros = np.full(shape, blank, dtype_of(tensor.datatype))
        request.raw_input_contents.append(encode(zeros))
    return request


def _checked(outcome: Outcome) -> Any:
    """What came of a call.

    Raises:
        GaplessError: nothing did.
    """
    from gapless.infer.triton.failure import Failure

    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
