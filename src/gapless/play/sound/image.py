"""A graph as it is run: the units' machine code and records, in the order in which they are called.

In: an image, a position. Out: what lies on some of its wires, quantum after quantum. Invariants: an image is never
changed once it runs; the next one takes its place between two quanta. Thread: whoever renders; the callback's.

An image is int64 [2 * n]: of each call the address of the code and that of the record.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from gapless.play.sound.unit import QUANTUM, wire
from gapless.realtime.zone import Code, instruction, zone

Image: TypeAlias = npt.NDArray[np.int64]


@instruction
def call_unit(_: Any, address: Any, record: Any) -> Code[None]:
    """Call the unit at ``address`` (int64) with the record at ``record`` (int64)."""
    del address, record

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = ir.PointerType()
        shape = ir.FunctionType(ir.VoidType(), [pointer])
        function = builder.inttoptr(arguments[0], shape.as_pointer())
        builder.call(function, [builder.inttoptr(arguments[1], pointer)])
        return context.get_dummy_value()

    return Code(types.void(types.int64, types.int64), generate)


@zone
def run(
    image: Image,
    clock: npt.NDArray[np.int64],
    taps: npt.NDArray[np.int64],
    out: Annotated[npt.NDArray[np.float32], 2],
) -> None:
    """Run quanta and keep what lies on some wires.

    Args:
        image: int64 [2 * calls].
        clock: int64 [1], the position, moved on.
        taps: int64 [t], addresses of wires.
        out: float32 [t, n], n a multiple of ``QUANTUM``, written.
    """
    for start in range(0, out.shape[1], QUANTUM):
        for call in range(0, image.shape[0], 2):
            call_unit(image[call], image[call + 1])
        for tap in range(taps.shape[0]):
            heard = wire(taps[tap])
            for n in range(QUANTUM):
                out[tap, start + n] = heard[n]
        clock[0] += QUANTUM


def image_of(calls: list[tuple[int, int]]) -> Image:
    """An image of addresses of code and of records."""
    return np.array(calls, np.int64).reshape(-1)
