from __future__ import annotations

import numpy as np
import pytest

from gapless.play.drums.canvas import Canvas, Drum, square_period
from gapless.play.drums.kit import ALIASES, DRUMS, NAMES, SETS, count_of, drum_of, make_drum
from gapless.testing.detectors import find_flaws

pytestmark = pytest.mark.long

RATE_HZ = 44_100
ALL = [(drum, variant) for drum, variants in DRUMS.items() for variant in range(len(variants))]


def centroid_hz(sound: Drum, rate_hz: int = RATE_HZ) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float((power * np.fft.rfftfreq(len(sound), 1 / rate_hz)).sum() / power.sum())


def peak_hz(sound: Drum, from_hz: float, to_hz: float) -> float:
    """The strongest frequency in a range."""
    power = np.abs(np.fft.rfft(sound, 2**18)) ** 2
    hz = np.fft.rfftfreq(2**18, 1 / RATE_HZ)
    return float(hz[np.argmax(np.where((hz >= from_hz) & (hz < to_hz), power, 0))])


def duration_s(sound: Drum) -> float:
    """Until all but a thousandth of its energy is there."""
    energy = np.cumsum(sound.astype(np.float64) ** 2)
    return float(np.searchsorted(energy, 0.999 * energy[-1])) / RATE_HZ


def level_db(sound: Drum, from_s: float, to_s: float) -> float:
    part = sound[round(from_s * RATE_HZ) : round(to_s * RATE_HZ)].astype(np.float64)
    return float(10 * np.log10((part**2).mean() + 1e-20))


@pytest.mark.parametrize(("drum", "variant"), ALL, ids=[f"{d}-{v}" for d, v in ALL])
def test_a_drum_begins_and_ends_at_zero_with_its_peak_at_minus_3_dbfs_and_without_flaws(
    drum: str, variant: int
) -> None:
    sound = make_drum(drum, variant, RATE_HZ)
    assert sound.dtype == np.float32
    assert sound.ndim == 1
    assert abs(sound[0]) < 1e-6
    assert abs(sound[-1]) < 1e-6
    assert np.abs(sound).max() == pytest.approx(10 ** (-6 / 20), abs=1e-6)
    assert abs(sound.mean()) < 1e-6
    assert 3 < np.abs(sound).max() / sound.std() < 25
    assert level_db(sound, len(sound) / RATE_HZ - 0.012, 10) < -50  # before the fade, too
    assert 0.05 < len(sound) / RATE_HZ < 2.5
    around = np.zeros(RATE_HZ // 10, np.float32)
    flaws = find_flaws(np.concatenate([around, sound, around]), RATE_HZ)
    attack = len(around) + RATE_HZ // 1000
    assert not (flaws.clicks > attack).any()
    assert not any(map(len, (flaws.dropouts, flaws.not_finite, flaws.dc_offsets)))


def test_the_detector_finds_a_click_in_a_drum() -> None:
    sound = make_drum("bd", 0, RATE_HZ).copy()
    sound[6000] += 0.05
    assert 6000 in find_flaws(sound, RATE_HZ).clicks


@pytest.mark.parametrize("prefix", ["", "808"], ids=["acoustic", "808"])
def test_drums_lie_in_order_of_their_spectral_centroid(prefix: str) -> None:
    order = [prefix + name for name in ("bd", "lt", "mt", "ht", "sn", "hh")]
    centroids = [centroid_hz(make_drum(drum, 0, RATE_HZ)) for drum in order]
    assert centroids == sorted(centroids)
    assert centroids[0] < 150
    assert centroids[-1] > 7000


@pytest.mark.parametrize("prefix", ["", "808"], ids=["acoustic", "808"])
def test_an_open_hi_hat_sounds_several_times_as_long_as_a_closed_one(prefix: str) -> None:
    closed, opened = (duration_s(make_drum(prefix + name, 0, RATE_HZ)) for name in ("hh", "oh"))
    assert closed < 0.1
    assert opened > 5 * closed


@pytest.mark.parametrize(
    ("drum", "hz"),
    [("808bd", 49.5), ("808lt", 90), ("808mt", 135), ("808ht", 185), ("808cl", 2500), ("lt", 88)],
    ids=str,
)
def test_what_is_tuned_sounds_at_its_pitch(drum: str, hz: float) -> None:
    late = make_drum(drum, 0, RATE_HZ)
    late = late[len(late) // 4 :]
    assert peak_hz(late, 20, 5000) == pytest.approx(hz, rel=0.04)


def test_a_bass_drum_begins_higher_than_it_ends() -> None:
    for drum in ("bd", "808bd"):
        sound = make_drum(drum, 0, RATE_HZ)
        crossings = np.flatnonzero(np.diff(np.signbit(sound[20:])))
        half_cycles = np.diff(crossings, prepend=0)
        assert half_cycles[half_cycles > 20][0] < 0.7 * np.median(half_cycles)


def test_a_cowbell_has_the_two_tones_of_the_machine() -> None:
    sound = make_drum("808cb", 0, RATE_HZ)
    assert peak_hz(sound, 400, 650) == pytest.approx(540, abs=4)
    assert peak_hz(sound, 700, 1000) == pytest.approx(800, abs=4)


@pytest.mark.parametrize("drum", ["cp", "808cp"])
def test_a_clap_is_several_bursts_and_a_tail(drum: str) -> None:
    sound = make_drum(drum, 0, RATE_HZ).astype(np.float64)
    window = np.hanning(RATE_HZ // 250)
    envelope = np.sqrt(np.convolve(sound**2, window / window.sum(), "same"))
    early = envelope[: round(0.05 * RATE_HZ)]
    rises = [
        n
        for n in range(1, len(early) - 1)
        if early[n] == early[max(n - 150, 0) : n + 151].max() and early[n] > 0.25 * early.max()
    ]
    assert len(rises) >= 3
    assert level_db(sound.astype(np.float32), 0.08, 0.12) > -50


def test_the_snare_has_wires_above_its_heads() -> None:
    sound = make_drum("sn", 0, RATE_HZ)
    assert peak_hz(sound, 50, 1000) == pytest.approx(190, rel=0.1)
    power = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    assert 0.1 < power[hz > 1500].sum() / power.sum() < 0.9


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000, 192_000])
def test_every_drum_is_made_at_any_rate(rate_hz: int) -> None:
    for drum in ("bd", "sn", "hh", "rd", "808bd", "808cb", "808cl", "808hh"):
        sound = make_drum(drum, 0, rate_hz)
        assert np.isfinite(sound).all()
        assert len(sound) == pytest.approx(
            len(make_drum(drum, 0, RATE_HZ)) * rate_hz / RATE_HZ, abs=5
        )


def test_a_drum_is_the_same_each_time_and_its_variants_differ() -> None:
    for drum, variants in DRUMS.items():
        first = make_drum(drum, 0, RATE_HZ)
        assert first.tobytes() == make_drum(drum, 0, RATE_HZ).tobytes()
        for variant in range(1, len(variants)):
            other = make_drum(drum, variant, RATE_HZ)
            assert first.tobytes() != other.tobytes()


def test_names_stand_for_drums() -> None:
    assert drum_of("kick", 5) == ("bd", 5 % len(DRUMS["bd"]))
    assert drum_of("bd", -1) == ("bd", len(DRUMS["bd"]) - 1)
    assert drum_of("drum", 9) == ("sn", 0)
    for name in NAMES:
        for index in range(count_of(name)):
            drum, variant = drum_of(name, index)
            assert 0 <= variant < len(DRUMS[drum])
    assert not {*ALIASES, *SETS} & {*DRUMS}


def test_a_square_has_no_harmonic_above_the_one_that_is_said() -> None:
    spectrum = np.abs(np.fft.rfft(square_period(9)[:-1])) / 2048
    assert spectrum[1:10:2] == pytest.approx([4 / np.pi / n for n in (1, 3, 5, 7, 9)], rel=1e-4)
    assert spectrum[10:].max() < 1e-6
    assert spectrum[::2].max() < 1e-6


def test_squares_are_not_mirrored_at_half_the_rate() -> None:
    canvas = Canvas(1.0, RATE_HZ, 1)
    sound = canvas.squares([3000.0])
    power = np.abs(np.fft.rfft(sound * np.blackman(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    nearest = np.abs(hz - 3000 * np.round(hz / 3000))
    assert 10 * np.log10(power[nearest > 20].max() / power.max()) < -80


def test_filters_pass_what_they_should() -> None:
    canvas = Canvas(1.0, RATE_HZ, 1)
    middle = slice(RATE_HZ // 4, RATE_HZ // 2)
    for hz, low, band, high in (
        (100, 1.0, 0.1, 0.01),
        (1000, 0.707, 1.0, 0.707),
        (9000, 0.012, 0.11, 1.0),
    ):
        tone = canvas.tone(hz)
        scale = tone[middle].std()
        filtered = (
            canvas.low_pass(tone, 1000),
            canvas.band_pass(tone, 1000),
            canvas.high_pass(tone, 1000),
        )
        levels = [wave[middle].std() / scale for wave in filtered]
        assert levels == pytest.approx([low, band, high], abs=0.02)
