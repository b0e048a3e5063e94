"""Native block functions that measure: one plays a sound, one keeps what it hears, one runs another and watches it.

In: samples to play; a block function to run. Out: what was heard, sample by sample, and when each block came.
Invariants: no Python between the device and the arrays, which are made before; what does not fit any more is not
kept. Thread: the functions the device's; the rest any.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.np.numpy_support import carray

from gapless.audio.device.foreign import callback
from gapless.audio.types import Samples
from gapless.errors import DeviceError
from gapless.realtime.atomics import load_acquire, load_relaxed, store_release
from gapless.realtime.clock import now_ns
from gapless.realtime.native import NativeBlock, block_signature, call_block, samples_view
from gapless.realtime.zone import Code, instruction, zone

RATE_HZ: Final = 48_000
MOST_BLOCKS: Final = 2**21
"""More than come in an hour and a half at 128 frames."""
MOST_WATCHED: Final = 2
PATIENCE_S: Final = 20.0
"""For sound that is late."""
POLL_S: Final = 0.02

Times: TypeAlias = npt.NDArray[np.int64]

# Cells of the words.
_POSITION: Final = 0
_BLOCKS: Final = 1
_THROUGH: Final = 2
"""1 runs the other function, 0 copies."""

_SOUND: Final = np.dtype(
    [
        ("words", np.int64, (8,)),
        ("sound", np.int64),  # address of the samples
        ("length", np.int64),
        ("came_ns", np.int64, (MOST_BLOCKS,)),
    ],
    align=True,
)
_SWITCH: Final = np.dtype(
    [
        ("words", np.int64, (8,)),
        ("address", np.int64),
        ("state", np.int64),
        ("watched", np.int64, (MOST_WATCHED,)),  # addresses
        ("came_ns", np.int64, (MOST_BLOCKS,)),
        ("seen", np.int64, (MOST_WATCHED, MOST_BLOCKS)),
    ],
    align=True,
)


@final
class Speaker:
    """Plays a sound again and again.

    Args:
        sound: float32 [n] at 48 kHz.
    """

    def __init__(self, sound: Samples) -> None:
        self._sound = np.ascontiguousarray(sound, np.float32)
        self._state = _sound_state(self._sound)
        self.block: Final = _block(_speaker, self._state, self._sound)

    def played(self, start: int, end: int) -> Samples:
        """What it played between two of its positions."""
        chosen: Samples = self._sound[np.arange(start, end) % len(self._sound)]
        return chosen

    @property
    def came_ns(self) -> Times:
        """When each block came, so far."""
        return _came_ns(self._state)


@final
class Ear:
    """Keeps what it hears, and passes it on.

    Args:
        seconds: that it has room for.
    """

    def __init__(self, seconds: float) -> None:
        self._heard = np.zeros(round(seconds * RATE_HZ), np.float32)
        self._state = _sound_state(self._heard)
        self.block: Final = _block(_ear, self._state, self._heard)

    @property
    def position(self) -> int:
        """Samples so far."""
        return int(self._state["words"][0, _POSITION])

    def listen(self, seconds: float) -> tuple[int, int]:
        """Let so much sound pass; the positions of its begin and end.

        Raises:
            DeviceError: none comes, or there is no room for it.
        """
        start = self.position
        end = start + round(seconds * RATE_HZ)
        if end > len(self._heard):
            raise DeviceError(f"the ear keeps {len(self._heard) / RATE_HZ:.0f} s; measure less")
        give_up_s = time.monotonic() + 3 * seconds + PATIENCE_S
        while self.position < end:
            if time.monotonic() > give_up_s:
                raise DeviceError("no sound comes; is the machine too busy?")
            time.sleep(POLL_S)
        return start, end

    def heard(self, start: int, end: int) -> Samples:
        """What it heard between two of its positions, as far as there was room."""
        return self._heard[start:end]

    @property
    def came_ns(self) -> Times:
        """When each block came, so far."""
        return _came_ns(self._state)


def lead_samples(speaker: Speaker, ear: Ear, block_frames: int, span: tuple[int, int]) -> int:
    """How much larger the speaker's position is than the ear's in the same cycle of the server.

    Both are called in every cycle, one soon after the other; with which cycle each began, and which it missed on a
    busy machine, is told by the times.

    Args:
        speaker: what plays.
        ear: what hears.
        block_frames: of a cycle.
        span: the ear's positions between which it is asked.
    """
    first, last = (position // block_frames for position in span)
    half_ns = block_frames * 500_000_000 // RATE_HZ
    nearest = np.searchsorted(speaker.came_ns, ear.came_ns[first:last] - half_ns)
    return int(np.median(nearest - np.arange(first, first + len(nearest)))) * block_frames


@final
class Switch:
    """Runs a block function, or copies; and keeps when each block came.

    Args:
        inner: the function to run; None: there is only copying.
        through: whether it runs from the first block on.
        watched: addresses of int64 that are read after each block, at most ``MOST_WATCHED``.
    """

    def __init__(
        self, inner: NativeBlock | None, *, through: bool = True, watched: Sequence[int] = ()
    ) -> None:
        self._state: npt.NDArray[np.void] = np.zeros(1, _SWITCH)
        if inner is not None:
            self._state["address"], self._state["state"] = inner.address, inner.state
        self._state["watched"][0, : len(watched)] = watched
        self._can_run = inner is not None
        self.run(through=through)
        self.block: Final = _block(_switch, self._state, inner)

    def run(self, *, through: bool) -> None:
        """From the next block on: run the function, or copy."""
        self._state["words"][0, _THROUGH] = int(through and self._can_run)

    @property
    def came_ns(self) -> Times:
        """When each block came, so far."""
        return _came_ns(self._state)

    def seen(self, which: int) -> npt.NDArray[np.int64]:
        """What the watched word number ``which`` was after each block, so far."""
        return np.array(self._state["seen"][0, which, : len(self.came_ns)])


def _sound_state(sound: Samples) -> npt.NDArray[np.void]:
    state: npt.NDArray[np.void] = np.zeros(1, _SOUND)
    state["sound"], state["length"] = sound.ctypes.data, len(sound)
    return state


def _block(function: Any, state: npt.NDArray[np.void], *owned: object) -> NativeBlock:
    return NativeBlock(int(function.address), state.ctypes.data, (state, *owned))


def _came_ns(state: npt.NDArray[np.void]) -> Times:
    count = min(int(state["words"][0, _BLOCKS]), MOST_BLOCKS)
    return np.array(state["came_ns"][0, :count])


@instruction
def _word_at(_: Any, address: Any) -> Code[int]:
    """The int64 at an address."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

    return Code(types.int64(address), generate)


@zone
def _note(state: Any, came_ns: int) -> None:
    """Keep when a block came. Behind all else that is kept of it: whoever counts blocks finds them whole."""
    count = load_relaxed(state.words, _BLOCKS)
    if count < MOST_BLOCKS:
        state.came_ns[count] = came_ns
    store_release(state.words, _BLOCKS, count + 1)


@callback(block_signature(_SOUND))
def _speaker(state: Any, _source: Any, target: Any, frames: int) -> None:
    own = carray(state, (1,))[0]
    _note(own, now_ns())
    out, sound = carray(target, (frames,)), samples_view(own.sound, own.length)
    position = load_relaxed(own.words, _POSITION)
    for n in range(frames):
        out[n] = sound[(position + n) % own.length]
    store_release(own.words, _POSITION, position + frames)


@callback(block_signature(_SOUND))
def _ear(state: Any, source: Any, target: Any, frames: int) -> None:
    own = carray(state, (1,))[0]
    _note(own, now_ns())
    samples, out = carray(source, (frames,)), carray(target, (frames,))
    heard = samples_view(own.sound, own.length)
    position = load_relaxed(own.words, _POSITION)
    for n in range(frames):
        if position + n < own.length:
            heard[position + n] = samples[n]
        out[n] = samples[n]
    store_release(own.words, _POSITION, position + frames)


@callback(block_signature(_SWITCH))
def _switch(state: Any, source: Any, target: Any, frames: int) -> None:
    own = carray(state, (1,))[0]
    began_ns = now_ns()
    if load_acquire(own.words, _THROUGH) != 0:
        call_block(own.address, own.state, source, target, frames)
    else:
        samples, out = carray(source, (frames,)), carray(target, (frames,))
        for n in range(frames):
            out[n] = samples[n]
    count = load_relaxed(own.words, _BLOCKS)
    for which in range(MOST_WATCHED):
        if own.watched[which] != 0 and count < MOST_BLOCKS:
            own.seen[which, count] = _word_at(own.watched[which])
    _note(own, began_ns)
