"""What denoised speech is judged by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from gapless.bench.scores import onset_level_db, pause_attenuation_db, scores, sisdr_db
from gapless.bench.stoi import stoi

RATE_HZ = 48_000

Signal = npt.NDArray[np.float64]


def speech_like() -> tuple[Signal, Signal]:
    """Three seconds at 10 kHz that grow louder and softer, with a pause; and noise."""
    chance = np.random.default_rng(7)
    time_s = np.arange(30_000) / 10_000
    clean = chance.standard_normal(time_s.size) * np.sin(2 * np.pi * 1.5 * time_s) ** 2
    clean[12_000:15_000] = 0
    return clean, chance.standard_normal(time_s.size)


CLEAN, NOISE = speech_like()


@pytest.mark.parametrize(
    ("processed", "expected"),
    [
        pytest.param(CLEAN, 1.0, id="the same"),
        pytest.param(CLEAN + 0.1 * NOISE, 0.992684, id="a little noise"),
        pytest.param(CLEAN + 0.5 * NOISE, 0.853375, id="much noise"),
        pytest.param(NOISE, 0.337527, id="only noise"),
        pytest.param(np.clip(CLEAN, -0.3, 0.3), 0.817458, id="clipped"),
    ],
)
def test_stoi_is_what_pystoi_says(processed: Signal, expected: float) -> None:
    # The figures are those of pystoi 0.4.1.
    assert stoi(CLEAN, processed) == pytest.approx(expected, abs=1e-6)


def test_stoi_needs_speech() -> None:
    with pytest.raises(ValueError, match=r"at least 0\.4 s"):
        stoi(CLEAN[:3_000], CLEAN[:3_000])


def bursts() -> npt.NDArray[np.float32]:
    """Half a second of sound and half a second of silence, in turn: float32 [4 s at 48 kHz]."""
    sound = np.random.default_rng(1).standard_normal(4 * RATE_HZ).astype(np.float32)
    sound *= np.arange(4 * RATE_HZ) // (RATE_HZ // 2) % 2
    return sound


def test_si_sdr_is_that_of_the_added_noise_at_any_level() -> None:
    clean = bursts()
    noise = np.random.default_rng(2).standard_normal(len(clean)).astype(np.float32)
    noise *= np.float32(np.sqrt(np.sum(clean**2) / np.sum(noise**2) / 100))

    assert sisdr_db(clean, 0.25 * (clean + noise)) == pytest.approx(20, abs=0.1)


def test_pauses_are_as_much_quieter_as_they_were_made() -> None:
    clean = bursts()
    noisy = clean + np.float32(0.1)
    denoised = np.where(clean == 0, noisy * np.float32(0.1), noisy)

    assert pause_attenuation_db(clean, noisy, denoised) == pytest.approx(20, abs=0.1)


def test_without_a_pause_there_is_no_figure_of_it() -> None:
    steady = np.random.default_rng(1).standard_normal(RATE_HZ).astype(np.float32)

    assert np.isnan(pause_attenuation_db(steady, steady, steady))
    assert np.isnan(onset_level_db(steady, steady))


def test_lost_beginnings_of_words_are_told() -> None:
    clean = bursts()
    denoised = clean.copy()
    for start in range(RATE_HZ // 2, len(clean), RATE_HZ):
        denoised[start : start + RATE_HZ // 20] *= 0.1

    assert onset_level_db(clean, clean) == pytest.approx(0, abs=0.01)
    assert onset_level_db(clean, denoised) == pytest.approx(-20, abs=0.5)


def test_all_scores_together() -> None:
    clean = bursts()
    noisy = clean + 0.1 * np.random.default_rng(2).standard_normal(len(clean)).astype(np.float32)

    judged = scores(clean, noisy, noisy)

    # Two of the three and a half seconds that are judged are sound.
    assert judged.sisdr_db == pytest.approx(17.57, abs=0.1)
    assert 0.9 < judged.stoi_share < 1
    assert judged.pause_db == 0
    assert judged.onset_db == pytest.approx(0, abs=0.2)
