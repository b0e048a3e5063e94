"""What libpulse calls when a sink wants something to play, with functions of ours in the library's place."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gapless.audio.device.foreign import address_of, offset
from gapless.audio.device.pulse_player import LOST, PLAYER, WANTED, on_room, on_underflow
from gapless.realtime.clock import now_ns
from gapless.realtime.elastic import ElasticOptions, prepare_elastic, push
from gapless.realtime.native import MAX_FRAMES

pytestmark = pytest.mark.long

STREAM = 7
BLOCK = 64
LEAST, STEP, MOST = 6 * 256, 256, 8 * 256
CALM_FRAMES = 4_800


class Library:
    """Stands in for libpulse: keeps what is written, and the sizes that are asked for."""

    def __init__(self) -> None:
        self.written: list[list[float]] = []
        self.wanted: list[int] = []
        self.released: list[int] = []
        self.player = np.zeros(1, PLAYER)
        self.at = int(self.player.ctypes.data)
        player = self.player[0]
        integer = ctypes.c_int64
        self._kept = [
            ctypes.CFUNCTYPE(ctypes.c_int, *[integer] * 6)(self._write),
            ctypes.CFUNCTYPE(integer, *[integer] * 4)(self._resize),
            ctypes.CFUNCTYPE(None, integer)(self.released.append),
        ]
        player["write"], player["resize"], player["release"] = map(address_of, self._kept)
        for name in ("sizes", "samples"):
            player[f"{name}_at"] = self.at + offset(PLAYER, name)
        player["sizes"] = (0, LEAST, STEP, STEP, 0)
        player["least"], player["most"], player["calm_frames"] = LEAST, MOST, CALM_FRAMES
        prepare_elastic(self.player["elastic"], ElasticOptions())

    def _write(self, stream: int, address: int, size: int, *_rest: int) -> int:
        assert stream == STREAM
        samples = (ctypes.c_float * (size // 4)).from_address(address)
        self.written.append(list(samples))
        return 0

    def _resize(self, stream: int, address: int, *_rest: int) -> int:
        assert stream == STREAM
        self.wanted.append((ctypes.c_uint32 * 5).from_address(address)[WANTED])
        return 1234

    def room(self, frames: int) -> None:
        native(on_room, 3)(STREAM, 4 * frames, self.at)

    def underflow(self) -> None:
        native(on_underflow, 2)(STREAM, self.at)


def native(function: Any, arguments: int) -> Callable[..., None]:
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * arguments)(function.address)


@pytest.fixture
def library() -> Library:
    return Library()


def test_before_anything_was_heard_the_room_is_filled_with_silence(library: Library) -> None:
    library.room(2 * MAX_FRAMES + 5)
    assert [len(part) for part in library.written] == [MAX_FRAMES, MAX_FRAMES, 5]
    assert not np.any(np.concatenate(library.written))
    # And the buffer takes nothing of it for the length of a block.
    assert library.player[0]["elastic"]["fill"]["pulled"] == 0


def test_what_was_pushed_is_played(library: Library) -> None:
    tone = np.sin(np.arange(BLOCK * 40) / 5).astype(np.float32)
    for n in range(40):
        push(library.player[0]["elastic"], tone[BLOCK * n : BLOCK * (n + 1)], now_ns())
        library.room(BLOCK)
    played = np.concatenate(library.written)
    assert played.size == tone.size
    assert np.abs(played).max() > 0.9


def test_a_sink_that_runs_empty_is_to_hold_more_up_to_a_bound(library: Library) -> None:
    for _ in range(5):
        library.underflow()
    assert library.wanted == [LEAST + STEP, MOST]
    assert library.released == [1234, 1234]
    assert library.player[0]["words"][LOST] == 5


def test_after_a_calm_time_it_is_to_hold_less_again(library: Library) -> None:
    library.underflow()
    library.underflow()
    library.room(CALM_FRAMES - 1)
    assert library.wanted[2:] == []
    library.room(1)
    library.room(CALM_FRAMES)
    library.room(CALM_FRAMES)
    assert library.wanted[2:] == [LEAST + STEP, LEAST]


def test_the_calm_time_begins_anew_when_it_runs_empty(library: Library) -> None:
    library.underflow()
    library.room(CALM_FRAMES - 1)
    library.underflow()
    library.room(CALM_FRAMES - 1)
    assert library.wanted == [LEAST + STEP, MOST]
