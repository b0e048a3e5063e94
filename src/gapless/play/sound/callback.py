"""What a device calls to hear a program: quanta of the image that is in place, in blocks of any length.

In: orders to change the image, in a mailbox. Out: blocks, left and right one behind the other. Invariants: images
change between two quanta, at the sample that was said or, if that is over, at once; the address of what was replaced
goes into the other mailbox, and is not touched any more; no sample is beyond full scale. Thread: the device's.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.np.numpy_support import carray

from gapless.dsp.kernel import CACHED
from gapless.play.sound.image import call_unit
from gapless.play.sound.unit import QUANTUM, Record, wire, word_at
from gapless.realtime.clock import now_ns
from gapless.realtime.counters import BUCKETS, record
from gapless.realtime.denormals import flush_denormals, restore_denormals
from gapless.realtime.mailbox import MESSAGES, post, take
from gapless.realtime.native import block_signature
from gapless.realtime.zone import Code, instruction, zone

WAITING: Final = 8
"""Changes that may be under way, a power of two."""
SWAP: Final = 1

# Words of a change, int64.
AT: Final = 0
"""The sample from which on it holds."""
CALLS: Final = 1
"""Address of the image."""
N_CALLS: Final = 2
PATCHES: Final = 3
N_PATCHES: Final = 4
CHANGE_WORDS: Final = 5

STATE: Final = np.dtype(
    [
        ("clock", "i8"),  # address of the position
        ("left", "i8"),  # addresses of the mixer's wires
        ("right", "i8"),
        ("calls", "i8"),
        ("n_calls", "i8"),
        ("change", "i8"),  # address of the one that waits for its sample; 0: none does
        ("current", "i8"),  # and of the one that is in place
        ("used", "i8"),  # samples of the quantum that have been given
        ("orders", "i8", (MESSAGES + 2 * WAITING,)),
        ("garbage", "i8", (MESSAGES + 2 * WAITING,)),
        ("message", "i8", (2,)),
        ("blocks", "i8"),
        ("took", "i8", (BUCKETS + 1,)),
        ("quanta", "i8"),
        ("clipped", "i8"),  # samples beyond full scale
    ],
    align=True,
)


@instruction
def set_word(_: Any, address: Any, value: Any) -> Code[None]:
    """Put an int64 at an address."""
    del address, value

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        target = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store(arguments[1], target)
        return context.get_dummy_value()

    return Code(types.void(types.int64, types.int64), generate)


@zone
def _next_quantum(own: Record) -> None:
    if own.change == 0 and take(own.orders, own.message):
        own.change = own.message[1]
    if own.change != 0 and word_at(own.clock) >= word_at(own.change + 8 * AT):
        _put_in(own)
    for call in range(own.n_calls):
        at = own.calls + 16 * call
        call_unit(word_at(at), word_at(at + 8))
    set_word(own.clock, word_at(own.clock) + QUANTUM)
    own.quanta += 1


@zone
def _put_in(own: Record) -> None:
    change = own.change
    patches = word_at(change + 8 * PATCHES)
    for number in range(word_at(change + 8 * N_PATCHES)):
        set_word(word_at(patches + 16 * number), word_at(patches + 16 * number + 8))
    own.calls, own.n_calls = word_at(change + 8 * CALLS), word_at(change + 8 * N_CALLS)
    if own.current != 0:
        post(own.garbage, SWAP, own.current)
    own.current, own.change = change, 0


@zone
def _within_scale(own: Record, sample: np.float32) -> np.float32:
    """What a device could not give is cut here, and counted: nobody knows what it or what is behind it would do."""
    if abs(sample) <= np.float32(1.0):
        return sample
    own.clipped += 1
    return np.float32(1.0) if sample > 0 else np.float32(-1.0)


@numba.cfunc(block_signature(STATE), error_model="numpy", cache=CACHED)
def block(state: Any, _source: Any, target: Any, frames: int) -> None:
    """Give a block: [left, right], one behind the other."""
    own = carray(state, (1,))[0]
    began_ns = now_ns()
    mode = flush_denormals()
    out = carray(target, (2 * frames,))
    for n in range(frames):
        if own.used == QUANTUM:
            _next_quantum(own)
            own.used = 0
        out[n] = _within_scale(own, wire(own.left)[own.used])
        out[frames + n] = _within_scale(own, wire(own.right)[own.used])
        own.used += 1
    restore_denormals(mode)
    own.blocks += 1
    record(own.took, now_ns() - began_ns)
