"""Real small models without a file, and a library that holds them.

In: tensors. Out: what the docstring of each says. Invariants: they keep the contract of ``Model`` (the suite in
``model_contract`` runs over them), so what works with them works with models that are worth having. Thread: any.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, final

import numpy as np

from gapless.errors import ModelError, ModelNotFoundError
from gapless.infer.contract import (
    DYNAMIC,
    Array,
    LoadTimings,
    Model,
    ModelInfo,
    ModelLimits,
    SequenceStep,
    StateInfo,
    TensorInfo,
    Tensors,
)
from gapless.infer.models import Held, ModelStatus
from gapless.infer.wire.tensors import DATATYPES

SMALL: Final = ModelLimits(buckets=(1, 2, 4, 8), max_sequences=8)
"""What the models here are bound by, unless told otherwise."""

FAILS: Final = -999.0
"""``picky`` and ``running_sum`` fail, the whole call, when a row begins with this."""

GOES_NAN: Final = -998.0
"""``picky`` and ``running_sum`` answer NaN for a row that begins with this."""

PROVIDER: Final = "Python computes it, because it is a test model."

Function = Callable[[Tensors], dict[str, Array]]


@final
class FunctionModel:
    """A model made of a function of whole batches."""

    def __init__(self, info: ModelInfo, function: Function) -> None:
        self._info = info
        self._function = function
        self.calls: deque[int] = deque(maxlen=10_000)
        """Rows of each call, padding included; 1 each where the model does not batch."""
        self.trouble = ""
        """Set it, and the model says that it cannot answer."""
        self.closed = False

    @property
    def info(self) -> ModelInfo:
        """What it takes and gives."""
        return self._info

    @property
    def memory_bytes(self) -> int:
        """Next to nothing."""
        return 1024

    @property
    def timings(self) -> LoadTimings | None:
        """There was nothing to load."""
        return None

    @property
    def provider(self) -> str:
        """Python."""
        return PROVIDER

    def run(
        self, inputs: Tensors, *, timeout_s: float | None = None, step: SequenceStep | None = None
    ) -> dict[str, Array]:
        """Evaluate the function; see ``Model.run``."""
        del timeout_s, step
        if self.closed:
            raise ModelError(f"the model {self._info.name} is closed; load it again")
        self.calls.append(require_fit(self._info, inputs))
        return self._function(inputs)

    def close(self) -> None:
        """Refuse further calls."""
        self.closed = True


def require_fit(info: ModelInfo, inputs: Tensors) -> int:
    """Check a whole batch as any backend must; returns its rows.

    Raises:
        ModelError: a name, type or shape is not the model's.
    """
    expected = {tensor.name: (tensor.datatype, _whole(info, tensor)) for tensor in info.inputs}
    for state in info.states:
        expected[state.input] = (state.datatype, _with_rows(info, state.shape, state.axis))
    needed = expected.keys() - {tensor.name for tensor in info.inputs if tensor.optional}
    if not needed <= inputs.keys() <= expected.keys():
        raise ModelError(
            f"the model {info.name} takes {sorted(expected)}, not {sorted(inputs)}; give it these"
        )
    rows = set()
    for name, array in inputs.items():
        datatype, shape = expected[name]
        fits = len(shape) == array.ndim and all(
            want in (DYNAMIC, have) for want, have in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype != DATATYPES[datatype]:
            raise ModelError(
                f"the model {info.name} takes {datatype} {list(shape)} as {name!r}, not "
                f"{array.dtype} {list(array.shape)}; give it that",
                param=name,
            )
        axis = next((state.axis for state in info.states if state.input == name), 0)
        rows.add(array.shape[axis] if info.batched else 1)
    if len(rows) != 1:
        raise ModelError(f"the inputs of {info.name} bring {sorted(rows)} rows; bring as many each")
    return int(rows.pop())


def _whole(info: ModelInfo, tensor: TensorInfo) -> tuple[int, ...]:
    return _with_rows(info, tensor.shape, 0)


def _with_rows(info: ModelInfo, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], DYNAMIC, *shape[axis:]) if info.batched else shape


def double(
    name: str = "double", *, version: str = "1", limits: ModelLimits = SMALL
) -> FunctionModel:
    """``x`` FP32 [4] -> ``y``: twice that."""
    return FunctionModel(
        _info(name, (_tensor("x", 4),), (_tensor("y", 4),), limits, version=version),
        lambda inputs: {"y": inputs["x"] * np.float32(2)},
    )


def picky(name: str = "picky", *, limits: ModelLimits = SMALL) -> FunctionModel:
    """As ``double``, but rows that begin with ``FAILS`` or ``GOES_NAN`` do as these say."""

    def function(inputs: Tensors) -> dict[str, Array]:
        y = inputs["x"] * np.float32(2)
        _misbehave(name, inputs["x"], y)
        return {"y": y}

    return FunctionModel(_info(name, (_tensor("x", 4),), (_tensor("y", 4),), limits), function)


def running_sum(
    name: str = "running_sum",
    *,
    limits: ModelLimits = SMALL,
    initial: float = 0.0,
    rounds_by_bucket: bool = False,
) -> FunctionModel:
    """``x`` FP32 [3] -> ``sum``: of all rows of the sequence so far, and ``steps`` INT64 [1]: how many.

    The state ``before`` -> ``after`` is FP32 [2, rows, 3]: the sum, and the number of steps, three times; each of its
    elements is ``initial`` at first. Rows that begin with ``FAILS`` or ``GOES_NAN`` do as these say. With
    ``rounds_by_bucket`` it gives other last bits in other buckets and places, as real kernels do.
    """

    def function(inputs: Tensors) -> dict[str, Array]:
        x, (total, steps) = inputs["x"], inputs["before"]
        after = np.stack((total + x, steps + np.float32(1)))
        if rounds_by_bucket:
            places = np.arange(len(x), dtype=np.float32)
            after[0] += (1e-6 * len(x) + 1e-7 * places)[:, None]
        given = after[0].copy()
        _misbehave(name, x, given)
        return {"sum": given, "steps": after[1, :, :1].astype(np.int64), "after": after}

    outputs = (_tensor("sum", 3), TensorInfo(name="steps", datatype="INT64", shape=(1,)))
    states = (StateInfo("before", "after", "FP32", (2, 3), axis=1, initial=initial),)
    info = _info(name, (_tensor("x", 3),), outputs, limits, states=states)
    return FunctionModel(info, function)


def upper(name: str = "upper", *, limits: ModelLimits = SMALL) -> FunctionModel:
    """``text`` BYTES [1] -> ``shouted`` BYTES [1]: in capitals."""

    def function(inputs: Tensors) -> dict[str, Array]:
        shouted = np.empty_like(inputs["text"])
        shouted[...] = np.vectorize(bytes.upper, otypes=[np.object_])(inputs["text"])
        return {"shouted": shouted}

    text = TensorInfo(name="text", datatype="BYTES", shape=(1,))
    shouted = TensorInfo(name="shouted", datatype="BYTES", shape=(1,))
    return FunctionModel(_info(name, (text,), (shouted,), limits, accepts="text"), function)


def row_sums(name: str = "row_sums", *, limits: ModelLimits = SMALL) -> FunctionModel:
    """``x`` FP32 [any], and ``y`` like it that may be left out -> ``sum`` FP32 [1] of all elements of a row."""
    x = _tensor("x", DYNAMIC)
    y = TensorInfo(name="y", datatype="FP32", shape=(DYNAMIC,), optional=True)

    def function(inputs: Tensors) -> dict[str, Array]:
        total = inputs["x"].sum(axis=1, keepdims=True)
        if "y" in inputs:
            total += inputs["y"].sum(axis=1, keepdims=True)
        return {"sum": total}

    return FunctionModel(_info(name, (x, y), (_tensor("sum", 1),), limits), function)


def mirror(name: str = "mirror") -> FunctionModel:
    """``x`` FP32 [any], without a batch axis -> ``y``: back to front."""
    info = _info(
        name, (_tensor("x", DYNAMIC),), (_tensor("y", DYNAMIC),), ModelLimits(), batched=False
    )
    return FunctionModel(info, lambda inputs: {"y": inputs["x"][::-1].copy()})


def gated(name: str = "gated", *, limits: ModelLimits = SMALL) -> tuple[FunctionModel, Gate]:
    """As ``double``, but each call waits at the gate."""
    gate = Gate()

    def function(inputs: Tensors) -> dict[str, Array]:
        gate.pass_through()
        return {"y": inputs["x"] * np.float32(2)}

    return FunctionModel(
        _info(name, (_tensor("x", 4),), (_tensor("y", 4),), limits), function
    ), gate


@final
class Gate:
    """Where calls wait until they are told to go on."""

    PATIENCE_S: Final = 20.0
    """A test that waits for longer is broken."""

    def __init__(self) -> None:
        self._arrived = threading.Semaphore(0)
        self._may_pass = threading.Semaphore(0)
        self._open = False

    def pass_through(self) -> None:
        """Wait for ``let_pass`` or ``open``; called by the model."""
        self._arrived.release()
        if not self._open and not self._may_pass.acquire(timeout=self.PATIENCE_S):
            raise ModelError("nobody opened the gate; call let_pass or open")

    def wait_for_arrival(self) -> None:
        """Return when one more call stands at the gate."""
        if not self._arrived.acquire(timeout=self.PATIENCE_S):
            raise AssertionError("no call came to the gate")

    def let_pass(self, calls: int = 1) -> None:
        """Let so many calls go on."""
        self._may_pass.release(calls)

    def open(self) -> None:
        """Let all calls go on, those to come too."""
        self._open = True
        self._may_pass.release(1000)


@final
class ServerSum:
    """``x`` FP32 [1] -> ``sum`` FP32 [1] of its sequence so far, kept here by id, as a Triton server would."""

    def __init__(self, name: str = "server_sum", *, limits: ModelLimits = SMALL) -> None:
        self._info = _info(
            name,
            (_tensor("x", 1),),
            (_tensor("sum", 1),),
            limits,
            platform="triton",
            sequences="server",
        )
        self._lock = threading.Lock()
        self._totals: dict[int, Array] = {}
        self.steps: list[SequenceStep] = []
        """Every step, in the order they were run."""
        self.ended: list[int] = []
        """Every id that ``end`` was called with."""
        self.gate = Gate()
        self.gate.open()
        self.trouble = ""

    @property
    def info(self) -> ModelInfo:
        """What it takes and gives."""
        return self._info

    @property
    def memory_bytes(self) -> int:
        """It plays a model that runs elsewhere."""
        return 0

    @property
    def timings(self) -> LoadTimings | None:
        """It plays a model that runs elsewhere."""
        return None

    @property
    def provider(self) -> str:
        """Python."""
        return PROVIDER

    @property
    def open_ids(self) -> set[int]:
        """The sequences that have begun and not ended."""
        with self._lock:
            return set(self._totals)

    def run(
        self, inputs: Tensors, *, timeout_s: float | None = None, step: SequenceStep | None = None
    ) -> dict[str, Array]:
        """Add one row to its sequence; see ``Model.run``."""
        del timeout_s
        if step is None or require_fit(self._info, inputs) != 1:
            raise ModelError("server_sum takes one row of a sequence; open a sequence")
        self.gate.pass_through()
        with self._lock:
            self.steps.append(step)
            if inputs["x"][0, 0] == FAILS:
                raise ModelError(f"{self._info.name} does not like {FAILS}; send something else")
            if not step.start and step.id not in self._totals:
                raise ModelError(f"sequence {step.id} has not begun; send its start first")
            before = np.zeros((1, 1), np.float32) if step.start else self._totals[step.id]
            total = self._totals[step.id] = before + inputs["x"]
            if step.end:
                del self._totals[step.id]
            return {"sum": total.copy()}

    def end(self, sequence: int) -> None:
        """Forget a sequence that no step ended."""
        with self._lock:
            self.ended.append(sequence)
            self._totals.pop(sequence, None)

    def close(self) -> None:
        """Forget all sequences."""
        with self._lock:
            self._totals.clear()


@final
class FixedModels:
    """A library that holds what it was given, from the start; ``Models`` without files."""

    def __init__(self, *models: Model) -> None:
        self._lock = threading.Lock()
        self._models = sorted(models, key=lambda model: (model.info.name, int(model.info.version)))
        self._found: dict[tuple[str, str | None], Model] = {}
        for model in self._models:
            self._found[model.info.name, model.info.version] = model
            self._found[model.info.name, None] = model
        self._unloaded: set[str] = set()
        self.held = 0
        """Models that are in use now, each as often as it is used."""
        self.closed = False

    def digest_of(self, name: str, version: str | None = None) -> str | None:
        """See ``Models``."""
        model = None if name in self._unloaded else self._found.get((name, version))
        return None if model is None else model.info.digest

    def try_acquire(self, name: str, version: str | None = None) -> Held | None:
        """The model, unless it was unloaded by hand; see ``Models``."""
        model = self._found.get((name, version))
        if model is None:
            raise ModelNotFoundError(
                f"there is no model {name}{f' version {version}' if version else ''}; ask for one of "
                f"{', '.join(sorted({model.info.name for model in self._models}))}"
            )
        if name in self._unloaded:
            return None
        with self._lock:
            self.held += 1
        return _FixedHeld(self, model)

    def acquire(self, name: str, version: str | None = None) -> Held:
        """As ``try_acquire``."""
        held = self.try_acquire(name, version)
        if held is None:
            raise ModelNotFoundError(f"the model {name} was unloaded; load it again")
        return held

    def preload(self) -> None:
        """They are loaded."""

    def index(self) -> list[ModelStatus]:
        """Everything, by name and version."""
        return [self._status(model) for model in self._models]

    def load(self, name: str) -> None:
        """Undo ``unload``."""
        self._require(name)
        self._unloaded.discard(name)

    def unload(self, name: str) -> None:
        """Refuse calls until ``load``."""
        self._require(name)
        self._unloaded.add(name)

    def close(self) -> None:
        """Close the models."""
        self.closed = True
        for model in self._models:
            model.close()

    def give_back(self) -> None:
        """One use less; called by what ``acquire`` returned."""
        with self._lock:
            self.held -= 1

    def _require(self, name: str) -> None:
        if all(model.info.name != name for model in self._models):
            raise ModelNotFoundError(f"there is no model {name}; see the index", param="name")

    def _status(self, model: Model) -> ModelStatus:
        unloaded = model.info.name in self._unloaded
        trouble = "unloaded by hand" if unloaded else model.trouble
        return ModelStatus(
            name=model.info.name,
            version=model.info.version,
            state="UNLOADED" if unloaded else "UNAVAILABLE" if trouble else "READY",
            reason=trouble,
            info=model.info,
            resident=not unloaded,
            memory_bytes=model.memory_bytes,
            provider=model.provider,
        )


class _FixedHeld:
    def __init__(self, models: FixedModels, model: Model) -> None:
        self._models = models
        self.model = model

    def release(self) -> None:
        self._models.give_back()


def _tensor(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(name=name, datatype="FP32", shape=shape)


def _info(
    name: str,
    inputs: tuple[TensorInfo, ...],
    outputs: tuple[TensorInfo, ...],
    limits: ModelLimits,
    **more: Any,
) -> ModelInfo:
    rest = {"platform": "python", "batched": True, **more}
    if rest.get("states"):
        rest["sequences"] = "slots"
    return ModelInfo(name=name, inputs=inputs, outputs=outputs, limits=limits, **rest)


def _misbehave(name: str, x: Array, given: Array) -> None:
    if (x[:, 0] == np.float32(FAILS)).any():
        raise ModelError(f"{name} does not like {FAILS}; send something else")
    given[x[:, 0] == np.float32(GOES_NAN)] = np.nan
