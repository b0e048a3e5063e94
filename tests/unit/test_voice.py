"""Voice features on signals whose answer is known, and every branch of what follows from them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.audio.types import Samples
from gapless.dsp.pitch import yin_period
from gapless.dsp.spectral import spectral_shape
from gapless.listen.voice import BLOCK_SAMPLES, Traits, Voice, VoiceFeatures, elp, flux_position

RATE_HZ = 16_000
SECONDS = np.arange(RATE_HZ) / RATE_HZ
CHANCE = np.random.default_rng(41)
NOISE = (0.1 * CHANCE.standard_normal(RATE_HZ)).astype(np.float32)


def sine(hz: float, level: float = 0.5) -> Samples:
    return (level * np.sin(2 * np.pi * hz * SECONDS + 1)).astype(np.float32)


def buzz(hz: float) -> Samples:
    """All harmonics, as vocal cords make them."""
    orders = np.arange(1, int(7000 / hz))
    tone = (1 / orders) @ np.sin(2 * np.pi * hz * np.outer(orders, SECONDS))
    buzz: Samples = (0.2 * tone).astype(np.float32)
    return buzz


STREAM = np.concatenate((buzz(150)[:4000], NOISE[:4000]))


def heard(samples: Samples) -> list[Voice]:
    return VoiceFeatures().process(samples)


# --- pitch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.002, 0.5, 1.0])
@pytest.mark.parametrize("hz", [60, 61.7, 100, 141.4, 220, 333.3, 440, 707, 950, 1000])
def test_the_pitch_of_a_sine_is_within_one_percent(hz: float, level: float) -> None:
    for voice in heard(sine(hz, level)):
        assert voice.pitch_hz == pytest.approx(hz, rel=0.01)


@pytest.mark.parametrize("hz", [70, 120, 210, 400])
def test_the_pitch_of_a_voice_is_its_fundamental_in_noise_too(hz: float) -> None:
    for voice in heard(buzz(hz) + np.float32(0.3) * NOISE):
        assert voice.pitch_hz == pytest.approx(hz, rel=0.01)


def test_noise_and_silence_have_no_pitch() -> None:
    assert [voice.pitch_hz for voice in heard(NOISE)] == [None] * 10
    assert [voice.pitch_hz for voice in heard(np.zeros(RATE_HZ, np.float32))] == [None] * 10


def test_a_tone_too_faint_to_be_a_voice_has_no_pitch() -> None:
    assert heard(sine(50, 0.0005))[0].pitch_hz is None


@pytest.mark.parametrize("hz", [20, 30, 2500, 6000])
def test_tones_outside_the_range_of_voices_have_no_pitch_outside_it(hz: float) -> None:
    for voice in heard(sine(hz)):
        assert voice.pitch_hz is None or 49 <= voice.pitch_hz <= 1200


def test_a_gliding_pitch_is_followed() -> None:
    glide = 100 + 200 * SECONDS
    tone = np.sin(2 * np.pi * np.cumsum(glide) / RATE_HZ).astype(np.float32)
    for voice in heard(tone):
        assert voice.pitch_hz == pytest.approx(100 + 0.2 * (voice.at_ms + 50), rel=0.02)


def slow_yin(
    frame: npt.NDArray[np.float64], shortest: int, longest: int, threshold: float
) -> float:
    """Steps 2 to 5 of the paper, sum by sum."""
    width = len(frame) - longest - 1
    d = np.array(
        [sum((frame[j] - frame[j + tau]) ** 2 for j in range(width)) for tau in range(longest + 2)]
    )
    normal = [1.0] + [d[tau] * tau / d[1 : tau + 1].sum() for tau in range(1, longest + 2)]
    for tau in range(shortest, longest + 1):
        if normal[tau] < threshold:
            while tau < longest and d[tau + 1] < d[tau]:
                tau += 1  # noqa: PLW2901
            bend = d[tau - 1] - 2 * d[tau] + d[tau + 1]
            return float(tau + 0.5 * (d[tau - 1] - d[tau + 1]) / bend)
    return 0.0


@pytest.mark.parametrize("hz", [150, 400, 777])
def test_the_pitch_kernel_does_what_the_paper_says(hz: float) -> None:
    frame = (buzz(hz) + np.float32(0.2) * NOISE)[:350]
    ours = yin_period(frame, 14, 120, np.float32(0.15))
    assert ours > 0
    assert ours == pytest.approx(slow_yin(frame.astype(np.float64), 14, 120, 0.15), rel=1e-4)


def test_a_dip_that_goes_on_behind_the_longest_period_is_none() -> None:
    assert yin_period(sine(100)[:600], 14, 150, np.float32(0.15)) == 0


# --- loudness and spectrum --------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "dbfs"), [(1.0, -3.01), (0.1, -23.01), (0.001, -63.01)])
def test_loudness_is_the_root_mean_square(level: float, dbfs: float) -> None:
    assert heard(sine(1000, level))[3].loudness_dbfs == pytest.approx(dbfs, abs=0.005)


def test_silence_has_a_loudness_that_can_be_written_down() -> None:
    silence = heard(np.zeros(BLOCK_SAMPLES, np.float32))[0]
    assert silence.loudness_dbfs == -120
    assert (silence.centroid_hz, silence.flux, silence.flatness) == (0, 0, 0)


@pytest.mark.parametrize("hz", [500, 1000, 3333, 6000])
def test_the_centroid_of_a_sine_is_its_frequency(hz: float) -> None:
    assert heard(sine(hz))[2].centroid_hz == pytest.approx(hz, rel=0.005)


def test_the_centroid_of_white_noise_is_in_the_middle() -> None:
    assert heard(NOISE)[2].centroid_hz == pytest.approx(4000, rel=0.05)


def test_flatness_tells_noise_from_tones() -> None:
    assert all(voice.flatness > 0.85 for voice in heard(NOISE))
    assert all(voice.flatness < 0.001 for voice in heard(sine(700)))
    assert all(0.001 < voice.flatness < 0.5 for voice in heard(buzz(120) + NOISE))


def test_flux_is_0_while_nothing_changes_and_1_when_all_does() -> None:
    steady = heard(sine(1000))
    assert all(voice.flux < 1e-3 for voice in steady)
    changed = VoiceFeatures().process(
        np.concatenate((sine(1000)[:BLOCK_SAMPLES], sine(5000)[:BLOCK_SAMPLES]))
    )
    assert changed[1].flux > 0.99


def test_flux_does_not_hear_the_level() -> None:
    quiet = sine(1000, 0.1)[:BLOCK_SAMPLES]
    assert heard(np.concatenate((quiet, quiet * np.float32(9))))[1].flux < 1e-3


def test_shape_is_that_of_the_definitions() -> None:
    power = np.random.default_rng(2).exponential(1, (257, 5)).astype(np.float32)
    before = np.random.default_rng(3).uniform(0, 1, 257).astype(np.float32)
    before /= before.sum()
    shape = np.empty(257, np.float32)

    centroid, flux, flatness = spectral_shape(power, before, shape)

    mean = power.mean(axis=1, dtype=np.float64)
    share = np.sqrt(mean) / np.sqrt(mean).sum()
    np.testing.assert_allclose(shape, share, rtol=1e-5)
    assert centroid == pytest.approx((np.arange(257) * share).sum(), rel=1e-5)
    assert flux == pytest.approx(0.5 * np.abs(share - before).sum(), rel=1e-4)
    geometric = np.exp(np.log(mean[1:]).mean())
    assert flatness == pytest.approx(geometric / mean[1:].mean(), rel=1e-5)


# --- streams ----------------------------------------------------------------------------------------


@pytest.mark.long
@given(st.lists(st.integers(0, 2000), max_size=8))
def test_the_split_of_a_stream_does_not_matter(split: list[int]) -> None:
    features, got, start = VoiceFeatures(), [], 0
    for size in [*split, len(STREAM)]:
        got += features.process(STREAM[start : start + size].copy())
        start += size
    assert got == heard(STREAM)


def test_positions_are_those_of_the_stream() -> None:
    features = VoiceFeatures(start=8000)
    assert [voice.at_ms for voice in features.process(NOISE[:5000])] == [500, 600, 700]
    assert features.process(NOISE[:1399]) == []
    assert [voice.at_ms for voice in features.process(NOISE[:1])] == [800]


def test_after_a_reset_nothing_is_left_of_before() -> None:
    features = VoiceFeatures()
    features.process(NOISE[:5000])
    features.reset(3200)
    again = features.process(sine(300))
    assert again == VoiceFeatures(start=3200).process(sine(300))


# --- traits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pitch_hz", "loudness_dbfs", "flux", "flatness", "expected"),
    [
        # loud .5, grave 1, steady .5; clear .6; tense .6
        (120.0, -30.0, 0.0, 0.0, (0.65, 0.8, 0.18)),
        # loud 1, grave .5, steady .4; clear 1; tense .4
        (220.0, 0.0, 0.2, 0.1, (0.73, 0.95, 0.22)),
        # grave, clear and tense at their bounds
        (1000.0, -60.0, 1.0, 1.0, (0.0, 0.0, 1.0)),
        # unvoiced: no term of a pitch
        (None, -20.0, 0.5, 0.75, (0.5 * 2 / 3 + 0.05, 0.125, 0.45)),
        # quieter than -60 and louder than 0 dBFS count as these
        (None, -100.0, 0.0, 0.0, (0.1, 0.5, 0.0)),
        (None, 6.0, 0.0, 0.0, (0.6, 0.5, 0.0)),
    ],
)
def test_traits_follow_from_the_features(
    pitch_hz: float | None,
    loudness_dbfs: float,
    flux: float,
    flatness: float,
    expected: tuple[float, float, float],
) -> None:
    traits = elp(pitch_hz, loudness_dbfs, flux, flatness)
    assert tuple(traits) == pytest.approx(expected)


@pytest.mark.long
@given(st.none() | st.floats(50, 1200), st.floats(-120, 6), st.floats(0, 1), st.floats(0, 1))
def test_traits_are_shares(
    pitch_hz: float | None, loudness_dbfs: float, flux: float, flatness: float
) -> None:
    traits = elp(pitch_hz, loudness_dbfs, flux, flatness)
    assert all(0 <= value <= 1 for value in traits)
    assert flux_position(traits) in range(10)


@pytest.mark.parametrize(
    ("traits", "position"),
    [
        ((0.5, 0.5, 0.5), 0),
        ((0.9, 0.9, 0.9), 0),
        ((0.54, 0.5, 0.46), 0),
        ((0.8, 0.2, 0.1), 3),
        ((0.1, 0.2, 0.8), 6),
        ((0.1, 0.8, 0.2), 9),
        ((0.7, 0.2, 0.1), 1),
        ((0.6, 0.3, 0.1), 1),
        ((0.6, 0.1, 0.3), 2),
        ((0.3, 0.1, 0.6), 4),
        ((0.1, 0.3, 0.6), 5),
        ((0.1, 0.6, 0.3), 7),
        ((0.3, 0.6, 0.1), 8),
    ],
)
def test_the_leading_trait_gives_the_position(
    traits: tuple[float, float, float], position: int
) -> None:
    assert flux_position(Traits(*traits)) == position


def test_equal_traits_have_an_order() -> None:
    assert flux_position(Traits(0.6, 0.6, 0.1)) == 1
    assert flux_position(Traits(0.6, 0.1, 0.6)) == 2
    assert flux_position(Traits(0.1, 0.6, 0.6)) == 7


def test_a_voice_is_calm_when_it_is_low_loud_and_steady() -> None:
    low = heard(buzz(120))[5]
    assert low.elp.ethos > low.elp.pathos
    assert math.isclose(low.pitch_hz or 0, 120, rel_tol=0.01)
