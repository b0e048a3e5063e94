"""What JACK calls: native code between its thread and a block function.

In: the block of one port. Out: what the block function makes of it, for one port or two, and counts. Invariants: no
Python, allocation, lock or wait; a block that is longer than ``MAX_FRAMES`` is silence; JACK's other calls only leave
a mark. Thread: ``process`` JACK's audio thread, the others another one of JACK's.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np.numpy_support import carray

from gapless.audio.device.foreign import POINTER, callback, record_pointer, samples_at
from gapless.audio.device.metered import METER, arrived, lost, run_block
from gapless.realtime.atomics import load_acquire, store_relaxed
from gapless.realtime.denormals import flush_denormals
from gapless.realtime.llvm import INT32, INT64
from gapless.realtime.native import MAX_FRAMES, samples_view
from gapless.realtime.zone import Code, instruction, zone

SAMPLE_BYTES: Final = 4

Samples: TypeAlias = npt.NDArray[np.float32]

STATE: Final = np.dtype(
    [
        ("get_buffer", np.int64),  # address of the library's jack_port_get_buffer
        ("input", np.int64),
        ("output", np.int64),
        ("right", np.int64),  # a second port; 0: there is one output
        ("made_at", np.int64),  # address of ``made``
        ("block", np.int64),
        ("block_state", np.int64),
        ("rate_hz", np.int64),
        ("off", np.int64, (1,)),  # 1: the block function is not called any more
        ("server_rate_hz", np.int64, (1,)),  # what it last said; 0: nothing
        ("made", np.float32, (2 * MAX_FRAMES,)),  # a block for two ports
        ("meter", METER),
    ],
    align=True,
)
"""A stream's record; the callbacks write ``server_rate_hz``, ``made`` and ``meter``, all else is there before."""

_STATE_POINTER: Final = record_pointer(STATE)


@instruction
def _get_buffer(_: Any, function: Any, port: Any, frames: Any) -> Code[int]:
    """Address of a port's samples, by ``jack_port_get_buffer`` at the address ``function``; 0: it has none."""
    del function, port, frames

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, port, frames = arguments
        shape = ir.FunctionType(POINTER, [POINTER, INT32])
        function = builder.inttoptr(address, shape.as_pointer())
        buffer = builder.call(function, [builder.inttoptr(port, POINTER), frames])
        return builder.ptrtoint(buffer, INT64)

    return Code(types.int64(types.int64, types.int64, types.uint32), generate)


@instruction
def _silence(_: Any, address: Any, frames: Any) -> Code[None]:
    """Fill the samples at an address with zeros."""
    del address, frames

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, frames = arguments
        size = builder.mul(frames, ir.Constant(INT64, SAMPLE_BYTES))
        cgutils.memset(builder, builder.inttoptr(address, POINTER), size, 0)  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    return Code(types.void(types.int64, types.int64), generate)


@zone
def run_ports(state: Any, frames: int) -> None:
    """One block of all ports."""
    flush_denormals()
    count = int(np.int64(frames))
    arrived(state.meter, count, state.rate_hz)
    source = _get_buffer(state.get_buffer, state.input, frames)
    target = _get_buffer(state.get_buffer, state.output, frames)
    right = target
    if state.right != 0:
        right = _get_buffer(state.get_buffer, state.right, frames)
    if target == 0 or right == 0:
        return
    if source == 0 or count > MAX_FRAMES or load_acquire(state.off, 0):
        _silence(target, count)
        _silence(right, count)
        return
    made = target if state.right == 0 else state.made_at
    run_block(
        state.meter,
        state.block,
        state.block_state,
        samples_at(source),
        samples_at(made),
        count,
    )
    if state.right != 0:
        _part(state.made, samples_view(target, count), samples_view(right, count))


@zone
def _part(made: Samples, left: Samples, right: Samples) -> None:
    """Of float32 [2 * frames] the one half and the other: float32 [frames] each, written."""
    count = left.shape[0]
    for n in range(count):
        left[n] = made[n]
        right[n] = made[count + n]


@callback(types.int32(types.uint32, _STATE_POINTER))
def process(frames: int, state: Any) -> int:
    """``JackProcessCallback``."""
    run_ports(carray(state, (1,))[0], frames)
    return 0


@callback(types.int32(_STATE_POINTER))
def count_xrun(state: Any) -> int:
    """``JackXRunCallback``."""
    lost(carray(state, (1,))[0].meter)
    return 0


@callback(types.int32(types.uint32, _STATE_POINTER))
def note_rate(rate_hz: int, state: Any) -> int:
    """``JackSampleRateCallback``."""
    store_relaxed(carray(state, (1,))[0].server_rate_hz, 0, int(np.int64(rate_hz)))
    return 0


@callback(types.void(types.CPointer(types.int64)))  # type: ignore[no-untyped-call]
def note_shutdown(state: Any) -> None:
    """``JackShutdownCallback``; the state is int64 [1]."""
    store_relaxed(carray(state, (1,)), 0, 1)


@callback(types.void(types.voidptr))
def ignore_message(_message: Any) -> None:
    """What the library calls with messages for people."""
