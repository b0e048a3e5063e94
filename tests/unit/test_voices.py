"""The voices that read a ring: where they change, the sound goes on."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.realtime.interpolate import AHEAD, BEFORE, make_table
from gapless.realtime.voices import VOICES, fading, jump, leave, oldest_needed, render, start

RING = 8_192
FADE = 240


def make(at: int) -> np.ndarray:
    voices = np.zeros(1, VOICES)
    voices["table"] = make_table()
    voices["fade_samples"] = FADE
    start(voices[0], at)
    return voices


def play(voices: np.ndarray, ring: np.ndarray, written: int, n: int) -> tuple[np.ndarray, int]:
    out = np.empty(n, np.float32)
    missing = render(voices[0], ring, 0, written, 1.0, out)
    return out, missing


def test_a_voice_fades_in_and_is_then_the_sound_itself() -> None:
    ring = np.random.default_rng(12).uniform(0.5, 1, RING).astype(np.float32)
    out, missing = play(make(1_000), ring, RING, 1_000)
    assert missing == 0
    assert out[FADE:].tolist() == ring[1_000 + FADE : 2_000].tolist()
    assert (out[:FADE] < ring[1_000 : 1_000 + FADE]).all()


@pytest.mark.parametrize("slope", [1e-4, -1e-4])
def test_what_runs_out_goes_on_from_its_last_value_and_fades(slope: float) -> None:
    # A ramp is never like itself: what is repeated begins elsewhere.
    ring = (0.5 + slope * np.arange(RING)).astype(np.float32)
    voices = make(1_000)
    out, missing = play(voices, ring, 3_000, 3_000)
    there = 2_000 - AHEAD
    assert missing == 3_000 - there
    assert out[FADE:there].tolist() == ring[1_000 + FADE : 3_000 - AHEAD].tolist()
    assert abs(out[there] - out[there - 1]) < 2 * abs(slope)
    assert np.abs(np.diff(out[there - 1 :])).max() < 2 * np.pi / 2 / FADE * np.abs(out).max()
    assert not out[there + FADE :].any()
    assert not voices["playing"][0]
    assert not fading(voices[0])


def test_a_tone_that_runs_out_goes_on_as_a_tone() -> None:
    period = 109.3
    ring = np.sin(2 * np.pi * np.arange(RING) / period).astype(np.float32)
    out, missing = play(make(1_000), ring, 4_000, 4_000)
    there = 4_000 - missing
    fade = 0.5 + 0.5 * np.cos(np.pi * (np.arange(FADE) + 0.5) / FADE)
    wished = np.sin(2 * np.pi * (1_000 + there + np.arange(FADE)) / period) * fade
    np.testing.assert_allclose(out[there : there + FADE], wished, atol=0.005)


def test_running_out_while_it_fades_in_makes_it_no_louder() -> None:
    ring = np.ones(RING, np.float32)
    out, _ = play(make(2_000), ring, 2_000 + FADE // 2 + AHEAD, 600)
    assert np.abs(np.diff(out)).max() < 2 / FADE
    assert out.max() < 1
    assert not out[-100:].any()


@pytest.mark.parametrize(("low", "high", "wanted"), [(150, 500, 170), (-500, -150, -160)])
def test_a_jump_in_a_voice_is_whole_periods_and_cannot_be_heard(
    low: int, high: int, wanted: int
) -> None:
    angle = 2 * np.pi * np.arange(RING) / 200
    ring = (np.sin(angle) + 0.5 * np.sin(3 * angle + 1)).astype(np.float32)
    voices = make(2_000)
    before, _ = play(voices, ring, RING, 1_000)
    distance = jump(voices[0], ring, wanted, low, high, FADE)
    assert distance % 200 == 0
    assert low <= distance <= high
    assert fading(voices[0])
    assert oldest_needed(voices[0]) == 3_000 + min(distance, 0) - BEFORE
    after, _ = play(voices, ring, RING, 1_000)
    np.testing.assert_allclose(after, ring[3_000:4_000], atol=1e-5)
    assert voices["at"][0] == 4_000 + distance
    assert not fading(voices[0])
    assert before[FADE:].tolist() == ring[2_000 + FADE : 3_000].tolist()


def test_nothing_leaves_where_nothing_plays() -> None:
    voices = np.zeros(1, VOICES)
    leave(voices[0], np.ones(RING, np.float32), 0)
    assert not fading(voices[0])
    assert oldest_needed(voices[0]) == -BEFORE
