"""A unit: one oscillator, filter, effect ... of a graph, as a native function over its own record.

In: wires to read. Out: wires to write. Invariants: all units of a graph are called for one **quantum** of samples at a
time, whatever the device's block, so what is heard does not depend on that; a unit neither waits, allocates nor fails,
and touches its record and its wires only. Thread: the callback's.

    void unit(record*)

The record begins with the same header for all units: addresses of the wires that it reads (``inputs``) and writes
(``outputs``), float32 [QUANTUM] each; the address of the position of the quantum's first sample (``clock``, int64); and
the rate. Every input is a wire, also one that never changes: nothing is decided by the kind of an argument. Units are
compiled when the first of them is made, and cached on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, final

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.np.arrayobj import populate_array

from gapless.dsp.kernel import CACHED
from gapless.realtime.native import SAMPLES_POINTER
from gapless.realtime.zone import Code, instruction

QUANTUM: Final = 64
"""Samples."""
MAX_INPUTS: Final = 16
LINE_BYTES: Final = 64
MAX_OUTPUTS: Final = 2

Record: TypeAlias = Any
"""An element of a record array, as kernels see it."""
Prepare: TypeAlias = Callable[[npt.NDArray[np.void], float], None]


class Input(NamedTuple):
    """One argument of a unit."""

    name: str
    default: float | None
    """None: it must be given."""
    doc: str
    """What it does, and its unit, in a few words for the reference."""


@final
class Unit:
    """A kind of unit.

    Args:
        name: in the language.
        run: the function, of the pointer to its record.
        fields: of its record, behind the header, as of ``np.dtype``; zero at first.
        inputs: its arguments in order; of an effect the sound comes first, as ``in``. An effect with one output is made
            twice for a stereo sound; one with two that has an input ``in2`` takes left at ``in`` and right at ``in2``
            (of a mono sound both are the same wire), and ``in2`` is no argument of the language.
        doc: what it is, in one line for the reference.
        outputs: 1, or 2 for left and right.
        prepare: fills tables of a new record, given the rate in hertz; touches all of it.
        latency_samples: by how much what it gives is late, and declared to be.
        tail_s: for how long it sounds on when nothing comes in, with the defaults; others may make it longer.
        scaled: inputs that are frequencies, which a note scales when the unit is a part of an instrument.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Any], None],
        *,
        fields: Sequence[tuple[Any, ...]],
        inputs: Sequence[Input],
        doc: str,
        outputs: int = 1,
        prepare: Prepare | None = None,
        latency_samples: int = 0,
        tail_s: float = 0.0,
        scaled: Sequence[str] = (),
    ) -> None:
        self.name: Final = name
        self.inputs: Final = tuple(inputs)
        self.doc: Final = doc
        self.outputs: Final = outputs
        self.latency_samples: Final = latency_samples
        self.tail_s: Final = tail_s
        self.scaled: Final = tuple(scaled)
        self.record: Final = np.dtype(
            [
                ("inputs", "i8", (MAX_INPUTS,)),
                ("outputs", "i8", (MAX_OUTPUTS,)),
                ("clock", "i8"),
                ("rate", "f8"),
                *fields,
            ],
            align=True,
        )
        self._run = run
        self._prepare = prepare
        self._compiled: Any = None

    @property
    def is_effect(self) -> bool:
        """Whether it changes a sound that comes in."""
        return bool(self.inputs) and self.inputs[0].name == "in"

    @property
    def compiled(self) -> Any:
        """Its machine code, as a Numba ``cfunc``, which is made now if it was not."""
        if self._compiled is None:
            pointer = types.CPointer(numba.from_dtype(self.record))  # type: ignore[no-untyped-call]
            make = numba.cfunc(types.void(pointer), cache=CACHED, error_model="numpy")
            self._compiled = make(self._run)
        return self._compiled

    @property
    def address(self) -> int:
        """Of its machine code."""
        return int(self.compiled.address)

    def make(self, rate_hz: float) -> npt.NDArray[np.void]:
        """A record without wires."""
        record = aligned(self.record.itemsize).view(self.record)
        record["rate"] = rate_hz
        if self._prepare is not None:
            self._prepare(record, rate_hz)
        return record


def unit(name: str, **description: Any) -> Callable[[Callable[[Any], None]], Unit]:
    """Make a unit of a function of the pointer to its record; see ``Unit``.

    The function begins with ``own = carray(pointer, (1,))[0]`` and calls kernels of the zone only.
    """
    return lambda run: Unit(name, run, **description)


def aligned(n_bytes: int) -> npt.NDArray[np.uint8]:
    """Memory at the begin of a line of the cache, zero, its pages touched: here, not in the callback."""
    memory = np.empty(n_bytes + LINE_BYTES, np.uint8)
    memory[:] = 0
    start = -memory.ctypes.data % LINE_BYTES
    return memory[start : start + n_bytes]


@instruction
def wire(_: Any, address: Any) -> Code[npt.NDArray[np.float32]]:
    """The wire at an address, as float32 [QUANTUM]."""
    array_type = types.Array(types.float32, 1, "C")

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        array = context.make_array(array_type)(context, builder)
        length, size = (context.get_constant(types.intp, number) for number in (QUANTUM, 4))
        pointer = builder.inttoptr(arguments[0], context.get_value_type(SAMPLES_POINTER))
        populate_array(  # type: ignore[no-untyped-call]
            array, data=pointer, shape=(length,), strides=(size,), itemsize=size, meminfo=None
        )
        return array._getvalue()  # noqa: SLF001  Numba's way

    del address
    return Code(array_type(types.int64), generate)


@instruction
def word_at(_: Any, address: Any) -> Code[int]:
    """The int64 at an address; at ``clock`` lies the position of the quantum's first sample."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

    return Code(types.int64(address), generate)


def catalogue(units: Sequence[Unit]) -> Mapping[str, Unit]:
    """Units by name.

    Raises:
        ValueError: two have the same.
    """
    found: dict[str, Unit] = {}
    for one in units:
        if one.name in found:
            raise ValueError(f"there are two units called {one.name!r}")
        found[one.name] = one
    return found
