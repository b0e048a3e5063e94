"""The kernels of the low-delay denoiser: one hop in, one hop out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from numba import float32, float64, int64

from gapless.audio.types import Samples
from gapless.clean.low_delay.analysis import analyse
from gapless.clean.low_delay.bands import BANDS, HOP_SAMPLES
from gapless.clean.low_delay.floors import set_gains
from gapless.clean.low_delay.hop import FLOOR, process_hop, synthesise
from gapless.clean.low_delay.network import WEIGHTS
from gapless.clean.low_delay.offline import NEVER, suppress_with
from gapless.clean.low_delay.state import STATE, make_state, reset
from gapless.clean.low_delay.weights import load_weights
from gapless.testing.low_delay_reference import reference_suppress
from gapless.testing.zone import forbidden_calls

# One process compiles its kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("low-delay")]

SAMPLES = float32[::1]


@pytest.fixture
def speech_like(make_noise: Callable[[str, int, int], Samples]) -> Samples:
    """1.2 s of noise, over which a buzz comes and goes."""
    seconds = np.arange(57_600) / 48_000
    harmonics = np.arange(1, 30)[:, None]
    buzz = (np.sin(2 * np.pi * 130 * harmonics * seconds) / harmonics).sum(axis=0)
    buzz *= 0.1 * (np.sin(2 * np.pi * 3 * seconds) > 0)
    return np.asarray(buzz + 0.02 * make_noise("pink", 57_600, 48_000), np.float32)


def drawn_gains(frames: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.random((frames, BANDS), np.float32), rng.random(frames, np.float32)


def hops_through(state: Any, samples: Samples) -> Samples:
    weights = load_weights()[0]
    out = np.empty_like(samples)
    for start in range(0, len(samples), HOP_SAMPLES):
        block = slice(start, start + HOP_SAMPLES)
        process_hop(state, weights, samples[block], out[block])
    return out


def test_unit_gains_give_the_input_back_one_hop_later(speech_like: Samples) -> None:
    state = make_state()[0]
    out = np.empty_like(speech_like)
    for start in range(0, len(speech_like), HOP_SAMPLES):
        block = slice(start, start + HOP_SAMPLES)
        analyse(state, speech_like[block])
        synthesise(state, out[block])
    error = out[HOP_SAMPLES:] - speech_like[:-HOP_SAMPLES]
    assert np.abs(out[:HOP_SAMPLES]).max() < 1e-6
    assert np.sqrt((error**2).mean()) < 1e-6 * np.sqrt((speech_like**2).mean())


@pytest.mark.parametrize("lateness", ["at-once", "late", "never", "with-holes"])
def test_the_kernels_do_what_the_slow_reference_does(lateness: str, speech_like: Samples) -> None:
    frames = len(speech_like) // 480
    rng = np.random.default_rng(7)
    late = {
        "at-once": np.zeros(frames, np.int64),
        "late": rng.integers(0, 9, frames),
        "never": np.full(frames, NEVER),
        "with-holes": np.where(np.arange(frames) // 20 % 2 == 0, 1, NEVER),
    }[lateness]
    gains, vad = drawn_gains(frames)
    weights = np.zeros(1, WEIGHTS)
    for name in WEIGHTS.names or ():
        shape = weights[name][0].shape
        weights[name][0] = rng.normal(0, 0.7 / np.sqrt(shape[0]), shape)

    cleaned = suppress_with(speech_like, gains, vad, late, weights)

    expected = reference_suppress(speech_like, gains, vad, late, weights)
    error = np.sqrt(((cleaned - expected) ** 2).mean() / (expected**2).mean())
    assert error < 1e-4


def test_reset_is_as_good_as_new(speech_like: Samples) -> None:
    state = make_state()
    gains, _ = drawn_gains(1)
    first = hops_through(state[0], speech_like)
    set_gains(state[0], gains[0], 0.5, 480)
    assert not np.array_equal(hops_through(state[0], speech_like), first), "it has a memory"
    reset(state)
    assert np.array_equal(hops_through(state[0], speech_like), first)


def test_source_and_target_may_be_the_same_memory(speech_like: Samples) -> None:
    expected = hops_through(make_state()[0], speech_like)
    state, weights, memory = make_state()[0], load_weights()[0], speech_like.copy()
    for hop in memory.reshape(-1, HOP_SAMPLES):
        process_hop(state, weights, hop, hop)
    assert np.array_equal(memory, expected)


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(48_000),
        np.full(48_000, 2.0),
        2 * np.sign(np.sin(np.arange(48_000) * 0.3)),
        np.where(np.arange(48_000) % 5000 == 7, 2.0, 0.0),
        np.full(48_000, 1e-30),
        np.where(np.arange(48_000) < 24_000, 0.0, 1.9),
    ],
    ids=["silence", "constant", "square", "clicks", "denormal", "step"],
)
def test_whatever_finite_comes_in_finite_goes_out(signal: np.ndarray) -> None:
    out = hops_through(make_state()[0], signal.astype(np.float32))
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 8.0


def test_no_frequency_falls_below_the_floor(make_noise: Callable[[str, int, int], Samples]) -> None:
    noise = make_noise("white", 96_000, 48_000) * np.float32(0.1)
    frames = len(noise) // 480
    nothing = np.zeros((frames, BANDS), np.float32), np.zeros(frames, np.float32)
    weights = np.zeros(1, WEIGHTS)
    weights["last_bias"] = -20
    out = suppress_with(noise, *nothing, np.zeros(frames, np.int64), weights)
    assert out.std() == pytest.approx(FLOOR * noise.std(), rel=1e-3)


def test_gains_from_the_future_or_the_past_are_not_taken(speech_like: Samples) -> None:
    state = make_state()
    hops_through(state[0], speech_like[:4800])
    gains, _ = drawn_gains(2)
    set_gains(state[0], gains[0], 0.5, 4320)
    taken = state.tobytes()
    for position in (4320, 3840, 5280, -480, 0):
        set_gains(state[0], gains[1], 0.5, position)
        assert state.tobytes() == taken
    set_gains(state[0], gains[1], 0.5, 4800)
    assert np.array_equal(state["gains"][0], gains[::-1])


def test_gains_out_of_range_are_clipped(speech_like: Samples) -> None:
    state = make_state()
    hops_through(state[0], speech_like[:480])
    set_gains(state[0], np.linspace(-1, 2, BANDS, dtype=np.float32), 3.0, 480)
    assert state["gains"][0, 0].min() == 0
    assert state["gains"][0, 0].max() == 1
    assert state["vad"] == 1


def test_the_kernels_call_nothing_that_may_wait() -> None:
    state, weights = numba.from_dtype(STATE), numba.from_dtype(WEIGHTS)
    assert forbidden_calls(process_hop, (state, weights, SAMPLES, SAMPLES)) == set()
    assert forbidden_calls(set_gains, (state, SAMPLES, float64, int64)) == set()
