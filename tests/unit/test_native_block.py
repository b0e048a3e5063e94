"""Block functions of machine code, called by address."""

from __future__ import annotations

import threading
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
from numba.np.numpy_support import carray

from gapless.dsp.kernel import CACHED
from gapless.realtime.native import block_signature, call_block, samples_view
from gapless.realtime.zone import zone

STATE = np.dtype(
    [("calls", np.int64), ("history", np.float32, (4,)), ("gain", np.float32)], align=True
)


@zone
def scale(state: Any, source: Any, target: Any, frames: int) -> None:
    heard, out = samples_view(source, frames), samples_view(target, frames)
    for n in range(frames):
        out[n] = state.gain * heard[n]
    state.history[state.calls & 3] = heard[0]
    state.calls += 1


@numba.cfunc(block_signature(STATE), cache=CACHED, error_model="numpy")
def block(state: Any, source: Any, target: Any, frames: int) -> None:
    scale(carray(state, (1,))[0], source, target, frames)


@zone
def drive(
    address: int,
    state: int,
    source: npt.NDArray[np.float32],
    target: npt.NDArray[np.float32],
) -> None:
    """A device: asks for the sound block by block."""
    for start in range(0, source.shape[0], 64):
        length = min(64, source.shape[0] - start)
        heard, out = source[start : start + length], target[start : start + length]
        call_block(address, state, heard.ctypes, out.ctypes, length)


def test_a_kernel_calls_a_block_function_by_its_address() -> None:
    state = np.zeros(1, STATE)
    state["gain"] = 0.5
    source = np.arange(1000, dtype=np.float32)
    target = np.empty(1000, np.float32)
    thread = threading.Thread(target=drive, args=(block.address, state.ctypes.data, source, target))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(target, source / 2)
    assert state["calls"] == 16
    assert state["history"][0].tolist() == [768, 832, 896, 960]


def test_input_and_output_may_be_the_same_memory() -> None:
    state = np.zeros(1, STATE)
    state["gain"] = 3
    both = np.ones(100, np.float32)
    drive(block.address or 0, int(state.ctypes.data or 0), both, both)
    assert both.tolist() == [3] * 100


def test_memory_is_seen_by_its_address_too() -> None:
    samples = np.arange(8, dtype=np.float32)
    assert total(samples.ctypes.data or 0, 4) == 6


@zone
def total(address: int, count: int) -> float:
    result = 0.0
    for value in samples_view(address, count):
        result += value
    return result


def test_a_record_whose_words_could_be_torn_is_refused() -> None:
    packed = np.dtype([("on", np.int8), ("position", np.int64)])
    with pytest.raises(ValueError, match="align=True"):
        block_signature(packed)
