"""What the engine keeps of each loaded model: its checks, its slots, its counters, and the kinds of rows it gets.

In: a loaded model. Out: what its rows need on their way. Invariants: rows of one kind can be put into one array; a
buffer is lent to one batch at a time. Thread: any.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

import msgspec
import numpy as np

from gapless.batching.batcher import Policy
from gapless.infer.contract import Array, Model, ModelInfo
from gapless.infer.engine.checks import Checks, Signature
from gapless.infer.engine.slots import SlotArena
from gapless.infer.engine.statistics import Counters, ModelStatistics
from gapless.infer.wire.tensors import DATATYPES

if TYPE_CHECKING:
    from gapless.infer.engine.streams import Stream
    from gapless.infer.engine.worker import Worker

LARGEST_REQUEST: Final = 64
"""A request may bring this many times the largest batch; more belongs into several requests."""

MOST_KINDS: Final = 64
"""Shapes that are remembered of one model; more are forgotten, the least recently used first."""

KEPT_BYTES: Final = 32 * 1024 * 1024
"""Buffers of one model that are kept for the next batch; more are made anew each time."""

FLOATS: Final = ("FP16", "FP32", "FP64")

NS_PER_MS: Final = 1_000_000


@final
class Served:
    """A loaded model as the engine runs it."""

    def __init__(
        self, model: Model, worker: Worker, counters: Counters, *, max_batch: int = 0
    ) -> None:
        self.model = model
        self.remote = is_remote(model.info)
        self.info = info = model.info
        self.worker = worker
        self.counters = counters
        # A server that keeps states is asked row by row: each call belongs to one sequence.
        single = info.sequences == "server" or not info.batched
        limits = info.limits
        buckets = (1,) if single else limits.buckets
        self.policy = Policy(
            buckets=_up_to(max_batch, buckets),
            max_waiting=limits.max_waiting_rows,
            max_delay_ns=round(limits.max_delay_ms * NS_PER_MS),
            live_budget_ns=_ns(limits.latency_budget_ms),
        )
        self._only_kind = Kind(self, (), self.policy)
        """Where all shapes are fixed."""
        self._only_alone = Kind(self, (), _one_by_one(self.policy))
        """The same, for rows that are run alone."""
        self._kinds: OrderedDict[tuple[Signature, bool], Kind] = OrderedDict()
        # Half of the room at most, so that there are times when it can be had.
        most_rows = min(LARGEST_REQUEST * buckets[-1], self.policy.max_waiting // 2)
        self.checks = Checks(info, max(self._only_kind.largest, most_rows))
        self.timeout_ns = _ns(limits.timeout_ms)
        self.answers = (
            *((tensor.name, 0) for tensor in info.outputs),
            *((state.output, state.axis) for state in info.states),
        )
        """What the model gives, and where its batch axis is."""
        floats = {tensor.name for tensor in info.outputs if tensor.datatype in FLOATS}
        floats |= {state.output for state in info.states if state.datatype in FLOATS}
        self.floats = tuple(answer for answer in self.answers if answer[0] in floats)
        """Those that may hold values that are no numbers."""
        self.waiting_rows = 0
        """Guarded by the worker's lock."""
        self.lock = threading.Lock()
        """Guards everything below."""
        self.arena = SlotArena(info.name, info.states, limits.max_sequences)
        self.streams: set[Stream] = set()
        """Open now."""
        self.kept_bytes = 0
        """Of buffers that wait for their next batch."""

    def kind(self, signature: Signature, *, alone: bool = False) -> Kind:
        """The kind of rows with these shapes.

        Args:
            signature: the shapes that are not fixed.
            alone: for rows that share their call with none.
        """
        if not signature:
            return self._only_alone if alone else self._only_kind
        key = (signature, alone)
        with self.lock:
            kind = self._kinds.get(key)
            if kind is None:
                policy = _one_by_one(self.policy) if alone else self.policy
                kind = self._kinds[key] = Kind(self, signature, policy)
                if len(self._kinds) > MOST_KINDS:
                    _, forgotten = self._kinds.popitem(last=False)
                    forgotten.drop_buffers(for_good=True)
            self._kinds.move_to_end(key)
            return kind

    @property
    def kinds(self) -> list[Kind]:
        """The kinds that are remembered."""
        with self.lock:
            return [self._only_kind, self._only_alone, *self._kinds.values()]

    def drop_buffers(self) -> None:
        """Give memory back; the next batches make new buffers."""
        with self.lock:
            for kind in (self._only_kind, self._only_alone, *self._kinds.values()):
                kind.drop_buffers()

    def statistics(self) -> ModelStatistics:
        """What was counted, and how things are now."""
        return self.counters.snapshot(
            waiting_rows=self.waiting_rows,
            sequences=len(self.streams),
            max_sequences=0 if self.info.sequences == "none" else self.info.limits.max_sequences,
        )


class Buffers:
    """The arrays of one call."""

    def __init__(self, inputs: dict[str, Array], states: list[Array]) -> None:
        self.inputs = inputs
        """Everything the model takes, states included."""
        self.states = states
        """As ``ModelInfo.states`` has them."""
        self.nbytes = sum(array.nbytes for array in inputs.values())


@final
class Kind:
    """Rows of one model and signature that are batched in one way."""

    def __init__(self, served: Served, signature: Signature, policy: Policy) -> None:
        self.served = served
        self.policy = policy
        self.largest = min(policy.buckets[-1], policy.max_waiting)
        """Rows that one entry of the queue may bring."""
        shapes = dict(signature)
        self.inputs = tuple(
            (tensor.name, DATATYPES[tensor.datatype], shapes.get(tensor.name, tensor.shape))
            for tensor in served.info.inputs
            if tensor.name in shapes or not tensor.optional
        )
        self.names = tuple(name for name, _, _ in self.inputs)
        self.floats = tuple(name for name, dtype, _ in self.inputs if dtype.kind == "f")
        """Inputs that may hold values that are no numbers."""
        # Texts are left to the garbage collector: a buffer would hold on to the last ones.
        self._keeps = not any(dtype.hasobject for _, dtype, _ in self.inputs)
        self._buffers: dict[int, list[Buffers]] = {}

    def borrow(self, bucket: int) -> Buffers:
        """Buffers for a batch; bring them back with ``give_back``."""
        with self.served.lock:
            kept = self._buffers.get(bucket)
            if kept:
                buffers = kept.pop()
                self.served.kept_bytes -= buffers.nbytes
                return buffers
        inputs = {name: np.empty((bucket, *shape), dtype) for name, dtype, shape in self.inputs}
        states = self.states(bucket)
        inputs.update(
            (info.input, state) for info, state in zip(self.served.info.states, states, strict=True)
        )
        return Buffers(inputs, states)

    def states(self, bucket: int) -> list[Array]:
        """Room for the states of a batch."""
        return [
            np.empty(
                (*state.shape[: state.axis], bucket, *state.shape[state.axis :]),
                DATATYPES[state.datatype],
            )
            for state in self.served.info.states
        ]

    def give_back(self, bucket: int, buffers: Buffers) -> None:
        """The batch is over."""
        served = self.served
        with served.lock:
            if self._keeps and served.kept_bytes + buffers.nbytes <= KEPT_BYTES:
                self._buffers.setdefault(bucket, []).append(buffers)
                served.kept_bytes += buffers.nbytes

    def drop_buffers(self, *, for_good: bool = False) -> None:
        """Drop the buffers that nobody uses; called under the model's lock.

        Args:
            for_good: keep none from now on, not even those that are lent.
        """
        self._keeps = self._keeps and not for_good
        self.served.kept_bytes -= sum(
            buffers.nbytes for kept in self._buffers.values() for buffers in kept
        )
        self._buffers.clear()


def is_remote(info: ModelInfo) -> bool:
    """Whether the model runs on another server."""
    return info.platform == "triton"


def _up_to(max_batch: int, buckets: tuple[int, ...]) -> tuple[int, ...]:
    """The buckets of at most so many rows; the smallest, if none is; all, if ``max_batch`` is 0."""
    if max_batch == 0:
        return buckets
    return tuple(bucket for bucket in buckets if bucket <= max_batch) or buckets[:1]


def _one_by_one(policy: Policy) -> Policy:
    """Calls of the smallest bucket, one row nearly always, that wait for no company."""
    return msgspec.structs.replace(policy, buckets=policy.buckets[:1], max_delay_ns=0)


def _ns(ms: float | None) -> int | None:
    return None if ms is None else round(ms * NS_PER_MS)
