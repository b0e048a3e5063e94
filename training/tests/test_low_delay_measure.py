"""The measures of the report, against signals whose figures are known."""

from __future__ import annotations

import math
import random

import numpy as np
import numpy.typing as npt
import pytest

from low_delay import measure, speech, summary
from low_delay.methods import REFERENCE

Signal = npt.NDArray[np.float32]
RATE_HZ = measure.RATE_HZ


@pytest.fixture(scope="module")
def clean() -> Signal:
    """Speech with a second of silence before it, and pauses."""
    said = speech.synthetic(random.Random(5), "validation", 5 * RATE_HZ).samples
    return np.concatenate([np.zeros(RATE_HZ, np.float32), said])


def noisy(clean: Signal, level: float = 0.01) -> Signal:
    noise = np.random.default_rng(1).standard_normal(clean.size) * level
    return (clean + noise).astype(np.float32)


def test_what_is_clean_has_the_best_figures(clean: Signal) -> None:
    scores = measure.scores(clean, noisy(clean), clean)
    assert scores.si_sdr_db > 100
    assert scores.stoi == pytest.approx(1, abs=1e-6)
    assert scores.pesq == pytest.approx(4.64, abs=0.01)
    np.testing.assert_allclose(scores.onset_db, 0, atol=1e-6)


def test_noise_lowers_every_figure_and_scale_changes_none_of_two(clean: Signal) -> None:
    little, much = (noisy(clean, level) for level in (0.01, 0.1))
    better, worse = (measure.scores(clean, heard, heard) for heard in (little, much))
    for name in ("si_sdr_db", "stoi", "pesq"):
        assert getattr(better, name) > getattr(worse, name)
    assert better.attenuation_db == pytest.approx(0, abs=0.01)
    louder = measure.scores(clean, little, little * np.float32(2))
    assert louder.si_sdr_db == pytest.approx(better.si_sdr_db, abs=1e-4)
    assert louder.stoi == pytest.approx(better.stoi, abs=1e-4)
    assert louder.attenuation_db == pytest.approx(-6.02, abs=0.05)


def test_si_sdr_of_a_known_ratio() -> None:
    time = np.arange(16000) / 16000
    wanted, other = np.sin(2 * np.pi * 100 * time), np.cos(2 * np.pi * 100 * time)
    assert measure.si_sdr_db(wanted, 3 * wanted + 0.3 * other) == pytest.approx(20, abs=1e-6)


def test_the_delay_is_taken_out(clean: Signal) -> None:
    heard = noisy(clean)
    late = np.concatenate([np.zeros(960, np.float32), heard])
    here, there = (
        measure.scores(clean[:-960], heard[:-960], signal[: clean.size], delay)
        for signal, delay in ((heard, 0), (late, 960))
    )
    assert there.si_sdr_db == pytest.approx(here.si_sdr_db, abs=0.3)
    assert measure.scores(clean, heard, late).si_sdr_db < 0


def test_pauses_and_onsets_are_told_apart(clean: Signal) -> None:
    heard = noisy(clean, 0.001)
    power = np.mean(clean.reshape(-1, 480).astype(np.float64) ** 2, axis=1)
    spoken = np.convolve(power > power.max() * 1e-5, np.ones(3), "same") > 0
    quiet = heard * np.repeat(np.where(spoken, 1.0, 0.05), 480).astype(np.float32)
    assert measure.scores(clean, heard, quiet).attenuation_db == pytest.approx(26.0, abs=0.1)

    begins = np.flatnonzero(spoken & ~np.roll(spoken, 1))
    muted = clean.copy()
    for frame in begins:
        muted[frame * 480 : (frame + 4) * 480] *= np.float32(0.1)
    onset_db = measure.scores(clean, heard, muted).onset_db
    assert onset_db[0] == pytest.approx(-20, abs=3)
    assert onset_db[0] < onset_db[3] - 5


def test_silence_and_lengths_that_do_not_fit_are_told() -> None:
    assert math.isnan(measure.si_sdr_db(np.zeros(10), np.ones(10)))
    with pytest.raises(ValueError, match="equal lengths"):
        measure.scores(np.ones(480), np.ones(960), np.ones(480))


def test_an_interval_holds_the_mean_and_shrinks_with_more_mixes() -> None:
    rng = np.random.default_rng(6)
    few, many = (summary.interval(rng.normal(1, 1, count)) for count in (10, 1000))
    assert few.low < few.mean < few.high
    assert many.low > 0.9
    assert many.high < 1.1
    assert summary.interval(np.array([1.0, np.nan, 1.0])) == summary.Difference(1, 1, 1, 2)
    assert summary.interval(np.array([np.nan])).mixes == 0


def test_differences_are_of_the_same_mix() -> None:
    def row(mix: int, method: str, si_sdr_db: float, family: str) -> summary.Row:
        scores = measure.Scores(si_sdr_db, 0.5, 2.0, 20.0, (0.0,) * 4)
        return summary.Row(mix, method, "person", "who", family, 5.0, True, scores)

    rows = [
        row(0, REFERENCE, 10.0, "hum"),
        row(1, REFERENCE, 0.0, "siren"),
        row(0, "other", 9.0, "hum"),
        row(1, "other", -1.0, "siren"),
    ]
    report = summary.summarise(rows)
    everything = {(g.name, g.method): g for g in report.groups}
    assert everything["all", "other"].means["si_sdr_db"] == pytest.approx(4)
    assert everything["all", "other"].difference["si_sdr_db"] == summary.Difference(-1, -1, -1, 2)
    assert everything["held-out noise", "other"].mixes == 1
    assert everything["hum", REFERENCE].difference == {}
    assert "| siren (1) | other | -1.00 |" in summary.table(report.groups)
