"""Noises: their spectra, and that they are the same each time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from gapless.audio.types import Samples
from gapless.play.sound import noises
from gapless.play.sound.noises import (
    brown_noise,
    lfnoise0,
    lfnoise1,
    noise,
    pink_noise,
    white_noise,
)
from gapless.play.sound.unit import Unit
from gapless.testing.units import Bench

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-noises")]

RATE_HZ = 44_100
BLOCK = 1 << 13


def slopes_db(sound: Samples) -> npt.NDArray[np.float64]:
    """By how much the power density falls from each octave to the next, from 80 Hz to 20.48 kHz."""
    blocks = sound[: len(sound) // BLOCK * BLOCK].astype(np.float64).reshape(-1, BLOCK)
    power = (np.abs(np.fft.rfft(blocks * np.hanning(BLOCK))) ** 2).mean(axis=0)
    hz = np.fft.rfftfreq(BLOCK, 1 / RATE_HZ)
    edges = 80 * 2.0 ** np.arange(9)
    levels = [
        10 * np.log10(power[(hz >= low) & (hz < 2 * low)].mean()) for low in edges[:-1].tolist()
    ]
    return np.diff(levels)


@pytest.mark.parametrize(
    ("unit", "slope_db", "tolerance_db"),
    [(noise, 0.0, 0.3), (pink_noise, -3.01, 0.5), (brown_noise, -6.02, 1.5)],
)
def test_noise_falls_as_its_colour_does(unit: Unit, slope_db: float, tolerance_db: float) -> None:
    found = slopes_db(Bench(unit).run(1 << 21))
    assert found == pytest.approx(np.full(len(found), slope_db), abs=tolerance_db)


@pytest.mark.parametrize(
    ("unit", "rms"), [(noise, 3**-0.5), (pink_noise, 0.25), (brown_noise, 0.25)]
)
def test_noise_is_as_loud_as_told(unit: Unit, rms: float) -> None:
    sound = Bench(unit).run(1 << 20)
    assert np.std(sound) == pytest.approx(rms, rel=0.03)
    assert abs(np.mean(sound)) < 0.05 * rms + 0.02


@pytest.mark.parametrize("unit", noises.UNITS, ids=lambda unit: unit.name)
def test_the_same_seed_gives_the_same_and_another_something_else(unit: Unit) -> None:
    settings = {"hz": 3000.0} if unit.inputs else {}
    first, again, other = Bench(unit), Bench(unit), Bench(unit)
    other.record["seed"] = 2
    sound = first.run(1 << 14, **settings)
    assert sound.tobytes() == again.run(1 << 14, **settings).tobytes()
    unlike = other.run(1 << 14, **settings)
    # Brown noise changes so slowly that in this time it has few values of its own.
    most = 0.4 if unit is brown_noise else 0.1
    assert abs(np.corrcoef(sound, unlike)[0, 1]) < most


def test_noise_and_white_noise_are_one() -> None:
    assert Bench(noise).run(640).tobytes() == Bench(white_noise).run(640).tobytes()


def test_white_noise_does_not_resemble_itself_later() -> None:
    sound = Bench(noise).run(1 << 18).astype(np.float64)
    spectrum = np.fft.rfft(sound, 1 << 19)
    alike = np.fft.irfft(np.abs(spectrum) ** 2)[: 1 << 17]
    assert np.abs(alike[1:]).max() < 0.02 * alike[0]


def test_held_noise_changes_as_often_as_told() -> None:
    sound = Bench(lfnoise0).run(RATE_HZ, hz=10.0)[:RATE_HZ]
    assert np.flatnonzero(np.diff(sound)).size == 9
    assert np.ptp(sound) > 0.5


def test_straight_noise_goes_through_random_points_without_steps() -> None:
    sound = Bench(lfnoise1).run(RATE_HZ, hz=10.0)
    assert np.abs(np.diff(sound)).max() <= 2.0 / 4410 + 1e-6
    assert np.ptp(sound) > 0.5
