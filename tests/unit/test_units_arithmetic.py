"""Sums, products, limits."""

from __future__ import annotations

import numpy as np
import pytest

from gapless.play.sound import arithmetic
from gapless.play.sound.unit import QUANTUM, Unit
from gapless.testing.units import Bench

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-control")]

UNITS: dict[str, Unit] = {unit.name: unit for unit in arithmetic.UNITS}
ANY = np.linspace(-3, 3, QUANTUM).astype(np.float32)
OTHER = np.linspace(2, -1.47, QUANTUM).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", ANY + OTHER),
        ("sub", ANY - OTHER),
        ("mul", ANY * OTHER),
        ("div", ANY / OTHER),
        ("mod", np.mod(ANY, OTHER)),
        ("pow", np.copysign(np.abs(ANY) ** OTHER, ANY)),
        ("min", np.minimum(ANY, OTHER)),
        ("max", np.maximum(ANY, OTHER)),
    ],
)
def test_two_signals(name: str, expected: np.ndarray) -> None:
    assert Bench(UNITS[name]).run(QUANTUM, a=ANY, b=OTHER) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("neg", {}, -ANY),
        ("abs", {}, np.abs(ANY)),
        ("floor", {}, np.floor(ANY)),
        ("clip", {"low": -0.5, "high": 2.0}, np.clip(ANY, -0.5, 2.0)),
        ("wrap", {"low": -0.5, "high": 1.5}, (ANY + 0.5) % 2.0 - 0.5),
        ("range", {"low": 100.0, "high": 300.0}, 100 + 200 * ANY),
    ],
)
def test_one_signal(name: str, settings: dict[str, float], expected: np.ndarray) -> None:
    found = Bench(UNITS[name]).run(QUANTUM, in_=ANY, **settings)
    assert found == pytest.approx(expected, abs=1e-5, rel=1e-5)


@pytest.mark.parametrize("name", ["div", "mod"])
@pytest.mark.parametrize("below", [0.0, -0.0, 1e-13])
def test_a_division_by_nothing_gives_0(name: str, below: float) -> None:
    assert not Bench(UNITS[name]).run(QUANTUM, a=ANY, b=below).any()


@pytest.mark.parametrize("name", ["div", "mod", "pow"])
def test_what_two_finite_numbers_give_is_finite(name: str) -> None:
    values = np.array([0, 1, -1, 1e-30, -1e-11, 1e30, -3e38, 0.5], np.float32)
    first, second = (grid.ravel() for grid in np.meshgrid(values, values))
    assert np.isfinite(Bench(UNITS[name]).run(QUANTUM, a=first, b=second)).all()


def test_what_wraps_never_reaches_the_upper_limit() -> None:
    values = np.array([1.0, 0.99999999, -1e-9, 7.0, 1e6], np.float32)
    found = Bench(UNITS["wrap"]).run(QUANTUM, in_=values)
    assert (found >= 0).all()
    assert (found < 1).all()


def test_notes_are_frequencies() -> None:
    notes = np.array([69, 81, 60, 0, 69.5], np.float32)
    found = Bench(UNITS["mtof"]).run(QUANTUM, note=notes)[:5]
    assert found == pytest.approx([440, 880, 261.62558, 8.1757989, 452.8929841], rel=1e-6)
