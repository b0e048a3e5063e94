"""Laws of the elastic buffer under any schedule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.realtime.drift import MOST
from gapless.realtime.elastic import HISTORY, elastic_counts, make_elastic
from gapless.realtime.fill import FillOptions
from gapless.testing.detectors import clicks
from gapless.testing.two_clocks import Wakeups, play, regular

pytestmark = pytest.mark.long

RATE_HZ = 48_000
SECOND = 1_000_000_000
MS = 1_000_000

blocks = st.lists(st.integers(1, 1_024), min_size=1, max_size=5)
late_ms = st.lists(st.integers(0, 40), min_size=1, max_size=7)
holes_ms = st.lists(st.tuples(st.integers(200, 1_500), st.integers(1, 900)), max_size=2)


@st.composite
def sides(draw: st.DrawFn, *, ahead: bool) -> Wakeups:
    """One side: chaos for two and a half seconds, then as its clock says."""
    wakeups = regular(
        np.array(draw(blocks)),
        seconds=5,
        ppm=draw(st.sampled_from([-50, 0, 50])),
        phase=draw(st.floats(0, 1)),
        ahead=ahead,
    )
    late_ns = np.resize(np.array(draw(late_ms)) * MS, len(wakeups.at_ns))
    at_ns = np.where(wakeups.at_ns < 2 * SECOND, wakeups.at_ns + late_ns, wakeups.at_ns)
    wakeups = Wakeups(np.maximum.accumulate(at_ns), wakeups.blocks)
    for start_ms, length_ms in draw(holes_ms):
        wakeups = wakeups.without(start_ms * MS, (start_ms + length_ms) * MS)
    return wakeups


@given(pushes=sides(ahead=False), pulls=sides(ahead=True))
@settings(max_examples=25)
def test_after_any_chaos_the_delay_is_the_target_and_nothing_was_heard_as_a_click(
    pushes: Wakeups, pulls: Wakeups
) -> None:
    elastic = make_elastic()
    angle = 2 * np.pi * 220 * np.arange(int(pushes.blocks.sum())) / RATE_HZ
    source = (0.5 * np.sin(angle)).astype(np.float32)
    heard = play(elastic, source, pushes.between(0, 4 * SECOND), pulls.between(0, 4 * SECOND))
    before = elastic_counts(elastic)
    given_so_far = int(pushes.between(0, 4 * SECOND).blocks.sum())
    end = int(min(pushes.at_ns[-1], pulls.at_ns[-1]))
    rest = (4 * SECOND, end)
    last = play(elastic, source[given_so_far:], pushes.between(*rest), pulls.between(*rest))
    after = elastic_counts(elastic)
    assert np.isfinite(heard.samples).all()
    # In the last second nothing happens any more.
    assert after[:8] == before[:8]
    assert np.abs(last.delays - last.targets).max() <= FillOptions().tolerance_samples + 2
    # The first tenth is the source's own beginning, which may be heard twice.
    sound = np.concatenate([heard.samples, last.samples])[RATE_HZ // 10 :]
    assert not len(clicks(sound, RATE_HZ))
    # Every sample was played, or dropped, or is still there; some were played twice.
    played = len(heard.samples) + len(last.samples) - after.missing
    moved = int(elastic["voices"]["at"][0]) - HISTORY - after.dropped + after.repeated
    assert abs(moved - played) <= 1 + played * MOST


@given(pushes=sides(ahead=False), pulls=sides(ahead=True), seed=st.integers(0, 9))
@settings(max_examples=15)
def test_finite_sound_stays_finite_and_as_loud_as_it_is(
    pushes: Wakeups, pulls: Wakeups, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    source = rng.uniform(-1, 1, int(pushes.blocks.sum())).astype(np.float32)
    heard = play(make_elastic(), source, pushes, pulls)
    assert np.isfinite(heard.samples).all()
    # Two voices of equal power, and what a filter makes of steps.
    assert np.abs(heard.samples).max() < 4
