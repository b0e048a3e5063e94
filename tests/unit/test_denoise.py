from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import soxr

from gapless.audio.finite import PEAK
from gapless.audio.types import DENOISE_RATE_HZ, LISTEN_RATE_HZ, Samples
from gapless.clean.denoise import Denoiser
from gapless.errors import ConfigError, ModelError

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def speech(load_speech: Callable[[str], Samples]) -> Samples:
    """Four seconds of clean speech at 48 kHz."""
    clean = load_speech("utterances.flac")[: 4 * LISTEN_RATE_HZ]
    resampled: Samples = soxr.resample(clean, LISTEN_RATE_HZ, DENOISE_RATE_HZ)
    return resampled


@pytest.fixture
def denoiser() -> Iterator[Denoiser]:
    denoiser = Denoiser()
    yield denoiser
    denoiser.close()


def denoise(samples: Samples, amount: float = 1.0) -> Samples:
    denoiser = Denoiser(amount)
    cleaned = np.concatenate((denoiser.process(samples), denoiser.flush()))
    denoiser.close()
    return cleaned


def si_sdr_db(clean: Samples, estimate: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio. Source: Le Roux et al., "SDR - half-baked or well done?", 2019."""
    clean, estimate = clean.astype(np.float64), estimate.astype(np.float64)
    target = clean * (clean @ estimate) / (clean @ clean)
    return float(10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2)))


def lag_samples(reference: Samples, delayed: Samples) -> int:
    """How much later ``delayed`` is, from the peak of the cross-correlation."""
    size = len(reference) + len(delayed)
    spectrum = np.fft.rfft(delayed, size) * np.conj(np.fft.rfft(reference, size))
    peak = int(np.argmax(np.fft.irfft(spectrum, size)))
    return peak if peak < size // 2 else peak - size


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_what_is_said_stays_where_it_was(speech: Samples, amount: float) -> None:
    cleaned = denoise(speech, amount)
    assert len(cleaned) == len(speech)
    assert lag_samples(speech, cleaned) == 0


@pytest.mark.parametrize(
    ("kind", "snr_db", "gain_db"),
    # Measured: 9.4, 6.0, 7.1 and 4.7 dB. At 20 dB and better RNNoise takes more from the speech than from the noise.
    [("white", 5, 8.0), ("white", 10, 5.0), ("pink", 5, 6.0), ("pink", 10, 3.5)],
)
def test_speech_comes_out_of_noise_closer_to_what_it_was(
    speech: Samples,
    make_noise: Callable[[str, int, int], Samples],
    kind: str,
    snr_db: float,
    gain_db: float,
) -> None:
    noise = make_noise(kind, len(speech), DENOISE_RATE_HZ)
    noisy = speech + noise * np.float32(np.std(speech) * 10 ** (-snr_db / 20))
    assert si_sdr_db(speech, denoise(noisy)) - si_sdr_db(speech, noisy) > gain_db


@pytest.mark.parametrize("kind", ["white", "pink"])
def test_noise_alone_is_muted(make_noise: Callable[[str, int, int], Samples], kind: str) -> None:
    noise = make_noise(kind, 2 * DENOISE_RATE_HZ, DENOISE_RATE_HZ) * np.float32(0.01)
    settled = slice(DENOISE_RATE_HZ, None)
    left = np.std(denoise(noise)[settled]) / np.std(noise[settled])
    assert 20 * np.log10(left) < -20


def test_amount_0_gives_back_every_bit(speech: Samples) -> None:
    with_zeros = np.where(np.abs(speech) < 1e-4, np.float32(-0.0), speech)
    assert denoise(with_zeros, 0.0).tobytes() == with_zeros.tobytes()


def test_amount_is_the_part_of_the_way_from_the_original_to_the_cleaned(
    speech: Samples, make_noise: Callable[[str, int, int], Samples]
) -> None:
    noisy = speech + make_noise("pink", len(speech), DENOISE_RATE_HZ) * np.float32(0.02)
    expected = noisy + 0.25 * (denoise(noisy, 1.0) - noisy)
    assert np.allclose(denoise(noisy, 0.25), expected, atol=1e-6)


def test_a_change_of_amount_fades_over_10_ms(
    denoiser: Denoiser, make_noise: Callable[[str, int, int], Samples]
) -> None:
    noise = make_noise("white", 2 * DENOISE_RATE_HZ, DENOISE_RATE_HZ) * np.float32(0.05)
    cleaned = denoise(noise)
    outputs = [denoiser.process(noise[:DENOISE_RATE_HZ])]
    denoiser.amount = 0.0
    outputs += [denoiser.process(noise[DENOISE_RATE_HZ:]), denoiser.flush()]
    mixed = np.concatenate(outputs)

    start = len(outputs[0])
    assert np.allclose(mixed[:start], cleaned[:start], atol=1e-6)
    assert np.array_equal(mixed[start + 480 :], noise[start + 480 :])
    fading = slice(start, start + 480)
    share = (mixed[fading] - noise[fading]) / (cleaned[fading] - noise[fading])
    sure = np.abs(cleaned[fading] - noise[fading]) > 0.01
    assert np.allclose(share[sure], 1 - np.arange(1, 481)[sure] / 480, atol=1e-3)


def test_raising_the_amount_finds_the_noise_already_known(
    denoiser: Denoiser, make_noise: Callable[[str, int, int], Samples]
) -> None:
    noise = make_noise("pink", 2 * DENOISE_RATE_HZ, DENOISE_RATE_HZ) * np.float32(0.01)
    denoiser.amount = 0.0
    denoiser.reset()
    untouched = denoiser.process(noise[:DENOISE_RATE_HZ])
    denoiser.amount = 1.0
    raised = np.concatenate(
        (untouched, denoiser.process(noise[DENOISE_RATE_HZ:]), denoiser.flush())
    )
    faded = len(untouched) + 480
    assert np.array_equal(raised[: len(untouched)], noise[: len(untouched)])
    assert np.allclose(raised[faded:], denoise(noise)[faded:], atol=1e-6)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 3e38])
def test_samples_that_are_no_sound_do_no_lasting_harm(
    denoiser: Denoiser, speech: Samples, poison: float
) -> None:
    spoilt = speech.copy()
    spoilt[DENOISE_RATE_HZ : DENOISE_RATE_HZ + 100] = poison
    cleaned = np.concatenate((denoiser.process(spoilt), denoiser.flush()))
    assert np.all(np.abs(cleaned) < 2 * PEAK)
    later = slice(3 * DENOISE_RATE_HZ, None)
    assert si_sdr_db(speech[later], cleaned[later]) > 10


@pytest.mark.parametrize("length", [0, 1, 479, 480, 481, 960, 1439, 1440])
def test_the_shortest_streams_come_out_whole(length: int) -> None:
    samples = np.linspace(-0.5, 0.5, length, dtype=np.float32)
    assert np.array_equal(denoise(samples, 0.0), samples)
    assert len(denoise(samples)) == length


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_an_amount_out_of_its_range_is_refused(denoiser: Denoiser, amount: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to 1") as caught:
        denoiser.amount = amount
    assert caught.value.param == "denoise"
    assert denoiser.amount == 1.0
    with pytest.raises(ConfigError, match="from 0 to 1"):
        Denoiser(amount)


def test_a_closed_denoiser_refuses_to_work(denoiser: Denoiser) -> None:
    denoiser.close()
    denoiser.close()
    with pytest.raises(ModelError, match="closed"):
        denoiser.process(np.zeros(480, np.float32))
