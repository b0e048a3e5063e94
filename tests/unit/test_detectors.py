"""The detectors catch what was injected, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.realtime.splice import ALONE, fade_gain
from gapless.testing.detectors import (
    clicks,
    dc_offsets,
    dropouts,
    find_flaws,
    moving_max,
    not_finite,
    prediction_error,
)

pytestmark = pytest.mark.long

RATES: Final = [16_000, 48_000]
AT: Final = 1.2345
SPEECH: Final = sorted(
    path.name
    for path in (Path(__file__).parent.parent / "data" / "speech").iterdir()
    if path.suffix in {".flac", ".wav"} and path.stem != "tones"  # plucked: it has attacks
)


def tone(rate_hz: int, frequency_hz: float = 440, seconds: float = 3) -> Samples:
    angle = 2 * np.pi * frequency_hz * np.arange(int(seconds * rate_hz)) / rate_hz
    return np.asarray(0.5 * np.sin(angle), np.float32)


def speech_like(rate_hz: int) -> Samples:
    """Noise with the spectrum of speech: flat to 500 Hz, then -12 dB an octave; as loud as the tone."""
    n = 3 * rate_hz
    hz = np.fft.rfftfreq(n, 1 / rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(9).standard_normal(n))
    spectrum[hz < 80] = 0
    noise = np.fft.irfft(spectrum / np.maximum(hz, 500) ** 2, n)
    return np.asarray(0.1 * noise / noise.std(), np.float32)


def white(rate_hz: int) -> Samples:
    return (0.1 * np.random.default_rng(10).standard_normal(3 * rate_hz)).astype(np.float32)


def injected(sound: Samples, at: int, step: float, *, lasting: bool) -> Samples:
    sound = sound.copy()
    sound[at : None if lasting else at + 1] += np.float32(step)
    return sound


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("lasting", [False, True], ids=["impulse", "step"])
@pytest.mark.parametrize("step", [0.3, -0.03, 0.003])
@pytest.mark.parametrize("frequency_hz", [100, 440, 5_000])
def test_a_click_in_a_tone_is_found_where_it_is(
    rate_hz: int, lasting: bool, step: float, frequency_hz: int
) -> None:
    at = int(AT * rate_hz)
    found = clicks(injected(tone(rate_hz, frequency_hz), at, step, lasting=lasting), rate_hz)
    assert len(found) == 1
    assert abs(found[0] - at) <= 2
    assert found.dtype == np.int64


@pytest.mark.parametrize("lasting", [False, True], ids=["impulse", "step"])
@pytest.mark.parametrize(("rate_hz", "step"), [(48_000, 0.3), (16_000, 1.0)])
def test_a_click_in_speech_like_noise_is_found(rate_hz: int, step: float, lasting: bool) -> None:
    at = int(AT * rate_hz)
    found = clicks(injected(speech_like(rate_hz), at, step, lasting=lasting), rate_hz)
    assert len(found) == 1
    assert abs(found[0] - at) <= 2


def test_a_click_in_speech_is_found(load_speech: Callable[[str], Samples]) -> None:
    speech = load_speech("sentence.flac")
    at = int(1.8 * 16_000)
    assert np.abs(speech[at - 400 : at + 400]).max() > 0.1
    assert abs(clicks(injected(speech, at, 0.3, lasting=False), 16_000) - at).max() <= 2


def test_each_of_several_clicks_is_found_once() -> None:
    sound = tone(48_000)
    places = [20_000, 30_000, 30_700, 90_000]
    for at in places:
        sound[at:] += np.float32(0.05)
    np.testing.assert_allclose(clicks(sound, 48_000), places, atol=2)


def test_a_click_in_every_block_of_a_tone_is_found() -> None:
    sound = tone(48_000)
    sound[128::128] += np.float32(0.01)
    found = clicks(sound[:48_000], 48_000, flank_ms=2)
    np.testing.assert_allclose(found, np.arange(128, 48_000, 128), atol=2)


def test_two_ends_joined_without_a_fade_are_found_and_with_one_are_not() -> None:
    sound = tone(48_000)
    cut = 20_000, 20_050  # 0.46 of a period
    fade = 240
    joined = np.concatenate([sound[: cut[0]], sound[cut[1] :]])
    assert len(clicks(joined, 48_000)) == 1
    comes = np.array([fade_gain(n, fade, 0.0) for n in range(fade)])
    seam = sound[cut[1] :][:fade] * comes + sound[cut[0] :][:fade] * comes[::-1]
    faded = np.concatenate([sound[: cut[0]], seam, sound[cut[1] + fade :]])
    assert not find_flaws(faded.astype(np.float32), 48_000).any()


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("sound", [tone, speech_like, white])
@pytest.mark.parametrize("hole_ms", [1, 20])
def test_a_hole_is_found_where_it_begins(
    rate_hz: int, sound: Callable[[int], Samples], hole_ms: int
) -> None:
    samples = sound(rate_hz)
    at = int(AT * rate_hz)
    samples[at : at + hole_ms * rate_hz // 1_000] *= np.float32(0.0002)
    found = dropouts(samples, rate_hz)
    assert len(found) == 1
    assert abs(found[0] - at) <= 3
    samples[at : at + hole_ms * rate_hz // 1_000] = 0
    assert len(dropouts(samples, rate_hz)) == 1


def test_a_hole_with_fades_is_found_if_they_are_allowed_for() -> None:
    sound = tone(48_000)
    fade = np.array([fade_gain(n, 240, ALONE) for n in range(240)], np.float32)
    sound[50_000:50_240] *= fade[::-1]
    sound[50_240:51_200] = 0
    sound[51_200:51_440] *= fade
    assert not find_flaws(sound, 48_000).any()
    found = dropouts(sound, 48_000, edge_ms=6)
    assert len(found) == 1
    assert 50_000 <= found[0] <= 50_240


def test_the_end_of_a_sound_is_no_hole() -> None:
    sound = tone(48_000)
    sound[:48_000] = 0
    sound[96_000:] = 0
    assert not len(dropouts(sound, 48_000))


def test_numbers_that_are_none_are_found_and_hide_nothing_else() -> None:
    sound = injected(tone(48_000), 20_000, 0.1, lasting=False)
    sound[[7, 50_000]] = np.nan
    sound[60_000] = -np.inf
    assert not_finite(sound).tolist() == [7, 50_000, 60_000]
    flaws = find_flaws(sound, 48_000)
    assert flaws.not_finite.tolist() == [7, 50_000, 60_000]
    assert np.abs(flaws.clicks - 20_000).min() <= 1
    assert flaws.any()


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("offset", [0.02, -0.02])
@pytest.mark.parametrize("sound", [tone, speech_like, white])
def test_an_offset_is_found_from_where_it_lasts(
    rate_hz: int, offset: float, sound: Callable[[int], Samples]
) -> None:
    samples = sound(rate_hz)
    assert not len(dc_offsets(samples, rate_hz))
    samples[rate_hz:] += np.float32(offset)
    found = dc_offsets(samples, rate_hz)
    assert rate_hz // 2 <= found[0] <= rate_hz
    assert found[-1] == 2 * rate_hz


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("level", [0.001, 0.02, 1.9])
@pytest.mark.parametrize("frequency_hz", [20, 100, 440, 1_000, 7_000])
def test_a_clean_tone_has_no_flaws(rate_hz: int, level: float, frequency_hz: int) -> None:
    sound = np.float32(level) * tone(rate_hz, frequency_hz)
    assert not find_flaws(sound, rate_hz).any()


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("kind", ["white", "pink", "hum"])
def test_noise_has_no_flaws(
    rate_hz: int, kind: str, make_noise: Callable[[str, int, int], Samples]
) -> None:
    for level in (0.01, 0.2):
        assert not find_flaws(
            np.float32(level) * make_noise(kind, 5 * rate_hz, rate_hz), rate_hz
        ).any()


@pytest.mark.parametrize("name", SPEECH)
def test_speech_has_no_flaws(name: str, load_speech: Callable[[str], Samples]) -> None:
    assert not find_flaws(load_speech(name), 16_000).any()


def test_a_chirp_through_the_whole_band_has_no_flaws() -> None:
    seconds = np.arange(48_000 * 4) / 48_000
    chirp = 0.5 * np.sin(2 * np.pi * (50 * seconds + 2_900 * seconds**2))
    assert not find_flaws(chirp.astype(np.float32), 48_000).any()


@pytest.mark.parametrize("n", [0, 1, 5, 100, 700])
def test_short_sounds_are_judged_too(n: int) -> None:
    assert not find_flaws(tone(48_000)[:n], 48_000).any()


def test_a_prediction_foretells_a_tone() -> None:
    error = prediction_error(tone(48_000), 48_000)
    assert len(error) == 3 * 48_000
    assert np.abs(error[2_000:-2_000]).max() < 1e-4


@pytest.mark.parametrize("length", [1, 2, 7, 64, 100])
def test_the_moving_maximum_is_the_maximum(length: int) -> None:
    values = np.random.default_rng(11).standard_normal(300)
    expected = np.lib.stride_tricks.sliding_window_view(values, length).max(axis=1)
    assert moving_max(values, length).tolist() == expected.tolist()
