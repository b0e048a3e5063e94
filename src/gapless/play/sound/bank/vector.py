"""Sixteen numbers at once, for kernels: what LLVM's ``<16 x float>`` can do and Numba does not offer.

In: float32 arrays, numbers. Out: vectors, in registers. Invariants: IEEE arithmetic in the order written (no fastmath);
only ``fused`` may round once instead of twice, where the processor can; nothing looks whether an index is inside its
array. Thread: any; callable from kernels only, which may pass vectors to each other.

LLVM splits such vectors where the processor's are shorter.
Source: LLVM Language Reference, "Vector Operations".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import models, register_model

from gapless.realtime.llvm import call_named
from gapless.realtime.zone import Code, instruction

LANES: Final = 16

FLOAT: Final = ir.FloatType()
LANE_INDEX: Final = ir.IntType(32)
FLOATS: Final = ir.VectorType(FLOAT, LANES)
WORDS: Final = ir.VectorType(LANE_INDEX, LANES)
ALIGNMENT: Final = 4
"""Of float32 in memory."""

Vector: TypeAlias = Any
"""What kernels see: float32 [16], of which ``+ - * /`` are defined."""
Floats: TypeAlias = npt.NDArray[np.float32]


class VectorType(types.Type):
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="Vector16")


VECTOR: Final = VectorType()


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    """A vector is one value of LLVM."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)  # type: ignore[no-untyped-call]


def _define(operation: Callable[..., Any], name: str) -> None:
    taken = signature(VECTOR, VECTOR, VECTOR)  # type: ignore[no-untyped-call]
    template = type(f"Vector_{name}", (ConcreteTemplate,), {"cases": [taken]})
    infer_global(operation)(template)  # type: ignore[no-untyped-call]

    def lower(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return getattr(builder, name)(*arguments)

    lower_builtin(operation, VECTOR, VECTOR)(lower)  # type: ignore[no-untyped-call]


for _operation, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define(_operation, _name)


@instruction
def load(_: Any, array: Any, index: Any) -> Code[Vector]:
    """``array[index : index + 16]``."""
    del index

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        return builder.load(place, align=ALIGNMENT, typ=FLOATS)

    return Code(VECTOR(array, types.intp), generate)


@instruction
def store(_: Any, array: Any, index: Any, vector: Any) -> Code[None]:
    """``array[index : index + 16] = vector``."""
    del index, vector

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        builder.store(arguments[2], place, align=ALIGNMENT)
        return context.get_dummy_value()

    return Code(types.void(array, types.intp, VECTOR), generate)


@instruction
def splat(_: Any, number: Any) -> Code[Vector]:
    """The same in every lane."""
    del number

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return spread(builder, arguments[0], FLOATS)

    return Code(VECTOR(types.float32), generate)


@instruction
def ramp(_: Any, start: Any, step: Any) -> Code[Vector]:
    """``start + step * lane``."""
    del start, step

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        start, step = (spread(builder, argument, FLOATS) for argument in arguments)
        lanes = ir.Constant(FLOATS, [float(lane) for lane in range(LANES)])
        return builder.fadd(start, builder.fmul(step, lanes))

    return Code(VECTOR(types.float32, types.float32), generate)


@instruction
def fused(_: Any, factor: Any, other: Any, summand: Any) -> Code[Vector]:
    """``factor * other + summand``."""
    del factor, other, summand

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _call(builder, f"llvm.fmuladd.v{LANES}f32", arguments)

    return Code(VECTOR(VECTOR, VECTOR, VECTOR), generate)


@instruction
def lesser(_: Any, left: Any, right: Any) -> Code[Vector]:
    """The smaller of both; ``right`` where one is no number."""
    del left, right
    return Code(VECTOR(VECTOR, VECTOR), _choose("<"))


@instruction
def greater(_: Any, left: Any, right: Any) -> Code[Vector]:
    """The larger of both; ``right`` where one is no number."""
    del left, right
    return Code(VECTOR(VECTOR, VECTOR), _choose(">"))


@instruction
def where_less(_: Any, left: Any, right: Any, then: Any, otherwise: Any) -> Code[Vector]:
    """``then`` where ``left < right``, else ``otherwise``; so also where one is no number."""
    del left, right, then, otherwise

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        left, right, then, otherwise = arguments
        return builder.select(builder.fcmp_ordered("<", left, right), then, otherwise)

    return Code(VECTOR(VECTOR, VECTOR, VECTOR, VECTOR), generate)


@instruction
def size(_: Any, vector: Any) -> Code[Vector]:
    """Without the signs."""
    del vector

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _call(builder, f"llvm.fabs.v{LANES}f32", arguments)

    return Code(VECTOR(VECTOR), generate)


@instruction
def largest(_: Any, vector: Any) -> Code[float]:
    """The largest of all lanes, which are numbers."""
    del vector

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        vector = arguments[0]
        width = LANES
        while width > 1:
            width //= 2
            order = [(lane + width) % LANES for lane in range(LANES)]
            other = shuffle(builder, vector, vector, order)
            vector = builder.select(builder.fcmp_ordered(">", vector, other), vector, other)
        return builder.extract_element(vector, ir.Constant(LANE_INDEX, 0))

    return Code(types.float32(VECTOR), generate)


def spread(builder: Any, number: Any, kind: Any) -> Any:
    """LLVM's code for a vector of the same numbers."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(LANE_INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(WORDS, [0] * LANES))


def shuffle(builder: Any, left: Any, right: Any, order: Sequence[int]) -> Any:
    """LLVM's code for lanes of two vectors in another order; those of ``right`` count from its length on."""
    mask = ir.Constant(ir.VectorType(LANE_INDEX, len(order)), list(order))
    return builder.shuffle_vector(left, right, mask)


def _call(builder: Any, name: str, arguments: Any) -> Any:
    return call_named(builder, name, FLOATS, *arguments)


def _choose(relation: str) -> Callable[[Any, Any, Any, Any], Any]:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(relation, *arguments), *arguments)

    return generate


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), FLOATS.as_pointer())
