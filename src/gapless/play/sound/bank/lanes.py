"""Instructions of the voices: sixteen phases, places in a sample, or random numbers at once; samples turned into lanes.

In: positions in whole numbers. Out: vectors. Invariants: phases and places are exact, for they are counted in 2^-32 of
a period or of a frame and wrap as whole numbers do; nothing looks whether an index is inside its array. Thread: any;
callable from kernels only.

Source: C. Wellons, "Prospecting for Hash Functions", 2018 (the hash of ``noise``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from gapless.play.sound.bank.vector import (
    ALIGNMENT,
    FLOAT,
    FLOATS,
    LANE_INDEX,
    LANES,
    VECTOR,
    WORDS,
    Vector,
    shuffle,
    spread,
)
from gapless.realtime.llvm import INT64
from gapless.realtime.zone import Code, instruction

Floats = npt.NDArray[np.float32]

QUAD = ir.VectorType(FLOAT, 4)
HALF_RANGE = 2.0**-31


@instruction
def phases(_: Any, start: Any, step: Any) -> Code[Vector]:
    """``start + step * lane`` in 2^-32 of a period, as -1 .. 1: 0 and its neighbours are in the middle."""
    del start, step

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _signed(builder, _counts(builder, *arguments))

    return Code(VECTOR(types.int64, types.int64), generate)


@instruction
def fractions(_: Any, start: Any, step: Any) -> Code[Vector]:
    """How far ``start + step * lane``, in 2^-32 of a frame, is behind the frame before it: 0 .. 1."""
    del start, step

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        # float32 holds 24 bits, and signed numbers are quicker to convert.
        bits = builder.lshr(_counts(builder, *arguments), ir.Constant(WORDS, [8] * LANES))
        scale = ir.Constant(FLOATS, [2.0**-24] * LANES)
        return builder.fmul(builder.sitofp(bits, FLOATS), scale)

    return Code(VECTOR(types.int64, types.int64), generate)


@instruction
def noise(_: Any, start: Any) -> Code[Vector]:
    """White noise, -1 .. 1: a hash of ``start + lane``."""
    del start

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        def word(number: int) -> Any:
            return ir.Constant(WORDS, [number] * LANES)

        one = ir.Constant(INT64, 1)
        value = _counts(builder, arguments[0], one)
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            value = builder.xor(value, builder.lshr(value, word(shift)))
            value = builder.mul(value, word(factor))
        value = builder.xor(value, builder.lshr(value, word(16)))
        return _signed(builder, value)

    return Code(VECTOR(types.int64), generate)


@instruction
def quads(
    _: Any, samples: Any, start: Any, step: Any, stride: Any, first: Any
) -> Code[tuple[Vector, Vector, Vector, Vector]]:
    """Four samples in a row for every lane, from the frame of ``start + step * lane`` (in 2^-32 of a frame) on.

    They begin at ``samples[frame * stride + first]``; lane by lane the first of them, the second, third and fourth.
    """
    del start, step, stride, first

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        position, step, stride, first = arguments[1:]
        rows = []
        for _lane in range(LANES):
            frame = builder.ashr(position, ir.Constant(INT64, 32))
            index = builder.add(builder.mul(frame, stride), first)
            place = builder.bitcast(builder.gep(array.data, [index]), QUAD.as_pointer())
            rows.append(builder.load(place, align=ALIGNMENT, typ=QUAD))
            position = builder.add(position, step)
        # Lanes 0, 4, 8, 12 in one vector, 1, 5, 9, 13 in the next: then quarters are turned where they are.
        parts = []
        for part in range(4):
            low = shuffle(builder, rows[part], rows[part + 4], range(8))
            high = shuffle(builder, rows[part + 8], rows[part + 12], range(8))
            parts.append(shuffle(builder, low, high, range(16)))
        pairs = [
            _interleave(builder, parts[left], parts[left + 1], low, 1)
            for left in (0, 2)
            for low in (0, 2)
        ]
        turned = [
            _interleave(builder, pairs[half], pairs[half + 2], low, 2)
            for half in (0, 1)
            for low in (0, 2)
        ]
        return context.make_tuple(builder, signature.return_type, turned)

    returned = types.UniTuple(VECTOR, 4)  # type: ignore[no-untyped-call]
    taken = (samples, types.int64, types.int64, types.int64, types.int64)
    return Code(returned(*taken), generate)


@instruction
def turn(_: Any, source: Any, at: Any, stride: Any, target: Any, to: Any) -> Code[None]:
    """Sixteen rows of sixteen, ``stride`` apart from ``source[at]``, to columns: 256 numbers from ``target[to]``."""
    del at, stride, to

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        read, wrote = (
            context.make_array(signature.args[n])(context, builder, arguments[n]).data
            for n in (0, 3)
        )
        at, stride, to = arguments[1], arguments[2], arguments[4]
        rows = []
        for _row in range(LANES):
            place = builder.bitcast(builder.gep(read, [at]), FLOATS.as_pointer())
            rows.append(builder.load(place, align=ALIGNMENT, typ=FLOATS))
            at = builder.add(at, stride)
        # Each round exchanges one bit of the row's number with one of the column's.
        width = 1
        while width < LANES:
            left = [lane if not lane & width else lane - width + LANES for lane in range(LANES)]
            right = [lane + width if not lane & width else lane + LANES for lane in range(LANES)]
            for row in range(LANES):
                if not row & width:
                    first, second = rows[row], rows[row + width]
                    rows[row] = shuffle(builder, first, second, left)
                    rows[row + width] = shuffle(builder, first, second, right)
            width *= 2
        for row in rows:
            place = builder.bitcast(builder.gep(wrote, [to]), FLOATS.as_pointer())
            builder.store(row, place, align=ALIGNMENT)
            to = builder.add(to, ir.Constant(INT64, LANES))
        return context.get_dummy_value()

    return Code(types.void(source, types.intp, types.intp, target, types.intp), generate)


def _counts(builder: Any, start: Any, step: Any) -> Any:
    """``start + step * lane``, modulo 2^32."""
    start, step = (
        spread(builder, builder.trunc(number, LANE_INDEX), WORDS) for number in (start, step)
    )
    lanes = ir.Constant(WORDS, list(range(LANES)))
    return builder.add(start, builder.mul(step, lanes))


def _signed(builder: Any, words: Any) -> Any:
    scale = ir.Constant(FLOATS, [HALF_RANGE] * LANES)
    return builder.fmul(builder.sitofp(words, FLOATS), scale)


def _interleave(builder: Any, left: Any, right: Any, low: int, width: int) -> Any:
    """Of every quarter of both vectors the half from ``low`` on, in turns of ``width``."""
    order = []
    for quarter in range(0, LANES, 4):
        for begin in range(low, low + 2, width):
            places = range(quarter + begin, quarter + begin + width)
            order += [*places, *(place + LANES for place in places)]
    return shuffle(builder, left, right, order)
