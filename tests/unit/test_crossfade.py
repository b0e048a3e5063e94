"""Fades between two signals."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.realtime.crossfade import crossfade, fade_in_gains


def test_the_power_of_unrelated_signals_stays() -> None:
    gains = fade_in_gains(240)
    np.testing.assert_allclose(gains**2 + gains[::-1] ** 2, 1, atol=1e-6)
    assert 0 < gains[0] < gains[-1] < 1


@pytest.mark.parametrize("block", [1, 64, 100, 240, 500])
def test_a_fade_in_blocks_is_the_same_as_in_one(block: int) -> None:
    rng = np.random.default_rng(1)
    old, new = rng.standard_normal((2, 500)).astype(np.float32)
    gains = fade_in_gains(240)
    whole = np.empty(500, np.float32)
    assert crossfade(old, new, gains, 0, whole) == 240
    out = np.empty(500, np.float32)
    done = 0
    for start in range(0, 500, block):
        part = slice(start, start + block)
        done = crossfade(old[part], new[part], gains, done, out[part])
        assert done == min(start + block, 240)
    assert out.tobytes() == whole.tobytes()
    assert out[240:].tobytes() == new[240:].tobytes()


def test_between_two_alike_there_is_no_larger_step_than_in_the_signal() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(2000) / 48_000).astype(np.float32)
    out = np.empty(2000, np.float32)
    crossfade(tone, 0.5 * tone, fade_in_gains(240), 0, out)
    assert np.abs(np.diff(out)).max() < 1.5 * np.abs(np.diff(tone)).max()
