"""The inference engine: everybody's rows, few calls.

In: requests from any thread or event loop. Out: each its own tensors. The story of a row:

    request -> checked against the model's info -> offered to the batcher -> taken with others -> gathered into one
    buffer (with its state from the slots) -> one call of the model -> scattered: state to the slots, copies to callers

(``checks``, ``worker``, ``step``, ``slots``, ``rows`` in this order.)

Invariants: a row that fails fails alone; what comes out is the caller's own; a row that was accepted is settled exactly
once: with its result, its error, its expiry or its cancellation; state is adopted only from steps that succeeded.
Thread: any; models are run by the executors' threads, or by a blocked caller in an executor's place.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self, final, runtime_checkable

import msgspec
import structlog

from gapless.errors import GaplessError, ModelError, OverloadError
from gapless.infer.contract import Model
from gapless.infer.engine.parts import Parts
from gapless.infer.engine.request import Done, Outcome, Request, Result, Sequence, Ticket
from gapless.infer.engine.rows import Answer, Row, Tell
from gapless.infer.engine.served import NS_PER_MS, Served, is_remote
from gapless.infer.engine.statistics import Counters, ModelStatistics
from gapless.infer.engine.streams import Stream
from gapless.infer.engine.worker import Worker, closed_error
from gapless.infer.models import Held, Models
from gapless.infer.sample_inputs import has_free_lengths, zero_inputs

__all__ = [
    "Done",
    "Inference",
    "InferenceOptions",
    "Outcome",
    "Request",
    "Result",
    "Sequence",
    "Ticket",
]

if TYPE_CHECKING:
    from gapless.infer.triton.endpoint import EndpointStats

log = structlog.get_logger()

LOADERS: Final = 4
"""Models that load at a time for callers on event loops."""

REHEARSALS: Final = 4
"""Requests after which one is as fast as the next; the first three were 5, 1.6 and 1.2 times as slow (measured)."""


@runtime_checkable
class Remote(Protocol):
    """A model that runs on other servers."""

    def endpoints(self) -> list[EndpointStats]:
        """How these are."""
        ...


class InferenceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine runs."""

    executors: int = 1
    """Calls of models in this process at a time."""
    remote_calls: int = 32
    """Calls of models on other servers at a time."""
    max_waiting_rows: int = 4096
    """Rows that may wait in all for models here, and as many again for models on other servers."""
    watchdog_ms: int = 10_000
    """A row that was accepted and not run for this long fails, and is reported."""
    max_batch: int = 0
    """Rows of one call at most, for all models; 0: what each model says."""
    warm_up: bool = True
    """Whether a model is asked for nothing a few times before somebody asks it for something; see ``rehearse``."""


@final
class Inference:
    """See the module's head. A context manager; closing it closes the models.

    Args:
        models: where models come from; closed with the engine.
        options: how to run.
    """

    def __init__(self, models: Models, options: InferenceOptions | None = None) -> None:
        options = options or InferenceOptions()
        self._models = models
        self._max_batch = options.max_batch
        self._warm_up = options.warm_up
        self._here = Worker(
            "gapless-infer",
            permits=options.executors,
            max_waiting_rows=options.max_waiting_rows,
            watchdog_ms=options.watchdog_ms,
        )
        # Their own threads and queue, so that a server that hangs never stops a model that is here.
        self._elsewhere = Worker(
            "gapless-remote",
            permits=options.remote_calls,
            max_waiting_rows=options.max_waiting_rows,
            watchdog_ms=options.watchdog_ms,
        )
        self._loaders = ThreadPoolExecutor(LOADERS, "gapless-load")
        self._lock = threading.Lock()
        # All below is guarded by the lock.
        self._served: dict[Model, Served] = {}
        self._counters: dict[tuple[str, str], tuple[Counters, Served]] = {}
        self._loading: dict[tuple[str, str | None], Future[None]] = {}
        self._closed = False

    @property
    def models(self) -> Models:
        """The library."""
        return self._models

    def infer(self, request: Request) -> Result:
        """Ask and wait. The calling thread computes itself where an executor's place is free.

        Raises:
            ModelNotFoundError: no such model or version here.
            ModelError: the inputs do not fit the model (``param`` names the input), or the model failed on this row.
            TooLargeError: more rows than one request may bring.
            OverloadError: too many rows wait.
            DeadlineError: the request's deadline passed before it ran, or the watchdog gave it up.
            ConnectionLostError: the server it runs on cannot be reached.
        """
        waiter = _Waiter()
        rows = self._rows(request, self._hold(request), waiter.tell, None)
        try:
            self._offer(rows, request, waiter)
            outcome = waiter.wait()()
        except KeyboardInterrupt:
            for row in rows:
                row.cancel()
            raise
        return _result(outcome)

    async def infer_async(self, request: Request) -> Result:
        """Ask from an event loop; cancelling the task takes the request back. Raises as ``infer``."""
        held = None
        if request.sequence is None:
            held = self._models.try_acquire(request.model, request.version)
            if held is None:
                held = await self._acquire_async(request.model, request.version)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()

        def tell(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        rows = self._rows(request, held, tell, loop)
        self._offer(rows, request)
        try:
            return _result((await future)())
        except asyncio.CancelledError:
            for row in rows:
                row.cancel()
            raise

    def submit(self, request: Request, done: Done) -> Ticket:
        """Ask, and be told later; blocks only while the model loads.

        Raises:
            GaplessError: as ``infer``, for what is known before the row waits.
        """

        def tell(answer: Answer) -> None:
            done(answer())

        rows = self._rows(request, self._hold(request), tell, None)
        self._offer(rows, request)
        return rows[0] if len(rows) == 1 else _Tickets(rows)

    def open_sequence(self, model: str, version: str | None = None) -> Sequence:
        """A new stream through a model with state; blocks while the model loads.

        Raises:
            ModelNotFoundError, ModelError: as ``infer``; also ModelError if the model keeps no state.
            OverloadError: all slots are taken.
        """
        return self._open(self._acquire(model, version))

    async def open_sequence_async(self, model: str, version: str | None = None) -> Sequence:
        """As ``open_sequence``, from an event loop."""
        held = self._models.try_acquire(model, version)
        return self._open(held or await self._acquire_async(model, version))

    def preload(self) -> None:
        """Load and rehearse all models that there is memory for; blocks meanwhile."""
        self._models.preload()
        for status in self._models.index():
            if status.resident:
                self.rehearse(status.name)

    def rehearse(self, model: str) -> None:
        """Load a model and ask it for nothing a few times, so that who asks first waits no longer than who asks later.

        Loading runs the model alone; this walks the whole way, through queue and buffers, and counts as any request.
        Without ``warm_up`` it is loaded, and no more.

        Raises:
            ModelNotFoundError, ModelError, OverloadError: as ``infer``, for loading; what the model makes of zeros is
                its own affair.
        """
        held = self._acquire(model, None)
        info = held.model.info
        held.release()
        if not self._warm_up or info.sequences == "server" or has_free_lengths(info):
            return
        zeros = zero_inputs(info, rows=1, free=1)
        request = Request(
            model=model, inputs={tensor.name: zeros[tensor.name] for tensor in info.inputs}
        )
        with suppress(GaplessError):
            for _ in range(REHEARSALS):
                self.infer(request)

    def statistics(self) -> list[ModelStatistics]:
        """What was measured, by model and version."""
        with self._lock:
            counted = [served for _, served in self._counters.values()]
        counted.sort(key=lambda served: (served.info.name, int(served.info.version)))
        return [served.statistics() for served in counted]

    def endpoints(self) -> dict[tuple[str, str], EndpointStats]:
        """The servers that remote models run on, as seen from here, by model and address."""
        with self._lock:
            served = list(self._served.values())
        return {
            (one.info.name, stats.url): stats
            for one in served
            if isinstance(one.model, Remote)
            for stats in one.model.endpoints()
        }

    def close(self) -> None:
        """Fail what waits, let what runs finish, stop the threads, close the models. Idempotent."""
        with self._lock:
            self._closed = True
        self._loaders.shutdown()
        quiet = [worker.close() for worker in (self._here, self._elsewhere)]
        if all(quiet):
            for served in list(self._served.values()):
                for stream in list(served.streams):
                    stream.close()
            self._models.close()
        else:
            log.error("a model hangs: it is left to itself, and no model is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _hold(self, request: Request) -> Held | None:
        """The model, loaded; None where the request's sequence holds it."""
        if request.sequence is not None:
            return None
        return self._acquire(request.model, request.version)

    def _acquire(self, name: str, version: str | None) -> Held:
        held = self._models.try_acquire(name, version)
        return self._models.acquire(name, version) if held is None else held

    async def _acquire_async(self, name: str, version: str | None) -> Held:
        """Load in a thread, once for all tasks that ask, and without losing hold if one of them is cancelled."""
        while True:
            await asyncio.shield(asyncio.wrap_future(self._load(name, version)))
            # It may have had to make room again already; then it is loaded again.
            held = self._models.try_acquire(name, version)
            if held is not None:
                return held

    def _load(self, name: str, version: str | None) -> Future[None]:
        key = (name, version)
        with self._lock:
            if self._closed:
                raise closed_error()
            loading = self._loading.get(key)
            if loading is None:
                loading = self._loading[key] = self._loaders.submit(self._load_now, key)
            return loading

    def _load_now(self, key: tuple[str, str | None]) -> None:
        try:
            if self._closed:
                raise closed_error()
            self._models.acquire(*key).release()
        finally:
            with self._lock:
                del self._loading[key]

    def _open(self, held: Held) -> Stream:
        served = self._served_of(held.model)
        try:
            return Stream(served, held)
        except GaplessError as error:
            held.release()
            if isinstance(error, OverloadError):
                served.counters.refuse()
            raise

    def _rows(
        self,
        request: Request,
        held: Held | None,
        tell: Tell,
        loop: asyncio.AbstractEventLoop | None,
    ) -> list[Row]:
        """Check a request, and make rows of it: one, or several where it is larger than a batch."""
        stream = None
        if held is None:
            stream = _stream_of(request)
            served = stream.served
        else:
            served = self._served_of(held.model)
        try:
            size, signature = served.checks.inputs(request.inputs)
            wanted = served.checks.outputs(request.outputs)
            _check_sequence(served, stream, size)
        except GaplessError:
            if held is not None:
                held.release()
            if stream is not None and request.end:
                stream.close(drain=True)
            raise
        kind = served.kind(signature, alone=request.alone)
        if held is None or size <= kind.largest:
            row = Row(
                kind=kind,
                inputs=request.inputs,
                size=size,
                wanted=wanted,
                held=held,
                tell=tell,
                loop=loop,
                stream=stream,
                end=request.end,
            )
            return [row]
        parts = Parts(
            request.inputs, size=size, largest=kind.largest, held=held, tell=tell, loop=loop
        )
        return [
            Row(kind=kind, inputs=inputs, size=rows, wanted=wanted, held=parts, tell=part)
            for inputs, rows, part in parts
        ]

    def _offer(self, rows: list[Row], request: Request, waiter: _Waiter | None = None) -> None:
        """Offer all rows of a request, or none."""
        served = rows[0].kind.served
        timeout_ns = served.timeout_ns
        if request.timeout_ms is not None:
            timeout_ns = round(request.timeout_ms * NS_PER_MS)
        deadline_ns = None if timeout_ns is None else time.monotonic_ns() + timeout_ns
        for index, row in enumerate(rows):
            # The last row is the one that is left to wait for.
            helper = waiter if index == len(rows) - 1 else None
            try:
                if row.stream is not None:
                    row.stream.enter(row)
                served.worker.offer(row, helper, live=request.live, deadline_ns=deadline_ns)
            except GaplessError as error:
                if isinstance(error, OverloadError):
                    served.counters.refuse()
                for accepted in rows[:index]:
                    accepted.cancel()
                for refused in rows[index:]:
                    refused.let_go()
                raise

    def _served_of(self, model: Model) -> Served:
        served = self._served.get(model)
        if served is not None:
            return served
        with self._lock:
            served = self._served.get(model)
            if served is None:
                info = model.info
                key = (info.name, info.version)
                counters = Counters(*key)
                # Others may have been unloaded to make room for it: what they have here makes room too.
                for other in self._served.values():
                    other.drop_buffers()
                if key in self._counters:
                    # It was loaded anew: the counts go on. Streams of the old one still have it.
                    counters, old = self._counters[key]
                    del self._served[old.model]
                    old.worker.forget(old)
                worker = self._elsewhere if is_remote(info) else self._here
                served = Served(model, worker, counters, max_batch=self._max_batch)
                self._served[model] = served
                self._counters[key] = counters, served
            return served


@final
class _Waiter:
    """A thread that waits for its answer."""

    __slots__ = ("_answer", "_lock")

    def __init__(self) -> None:
        # A bare lock: it is the cheapest thing that a thread can wait for.
        self._lock = threading.Lock()
        self._lock.acquire()
        self._answer: Answer | None = None

    @property
    def settled(self) -> bool:
        """Whether the answer is there."""
        return self._answer is not None

    def tell(self, answer: Answer) -> None:
        """Here it is."""
        self._answer = answer
        self._lock.release()

    def wait(self) -> Answer:
        """Sleep until it is there."""
        self._lock.acquire()
        assert self._answer is not None  # noqa: S101  (for the type checker)
        return self._answer


@final
class _Tickets:
    """The tickets of a request in several parts."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def cancel(self) -> bool:
        """Take back all parts that wait; then the request as a whole is not answered."""
        cancelled = [row.cancel() for row in self._rows]
        return any(cancelled)


def _result(outcome: Outcome) -> Result:
    if isinstance(outcome, Result):
        return outcome
    raise outcome


def _stream_of(request: Request) -> Stream:
    stream = request.sequence
    if not isinstance(stream, Stream):
        raise ModelError("the sequence is not one of this engine's; open one", param="sequence")
    info = stream.info
    if request.model != info.name or request.version not in {None, info.version}:
        raise ModelError(
            f"the sequence goes through the model {info.name} version {info.version}; ask that one, or open "
            "another sequence",
            param="sequence",
        )
    return stream


def _check_sequence(served: Served, stream: Stream | None, size: int) -> None:
    name = served.info.name
    if stream is not None and size != 1:
        raise ModelError(f"a step of {name} is one row, not {size}; send them one after the other")
    if stream is None and served.info.sequences == "server":
        raise ModelError(
            f"the model {name} answers steps of sequences only; open a sequence", param="sequence"
        )
