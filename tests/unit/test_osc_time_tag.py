"""Time tags: NTP time of moments of the monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.parsing import ntp

from gapless.play.osc.time_tag import NTP_OF_1970_S, TimeTags, ntp_of

NS_PER_S = 1_000_000_000


class Clocks:
    """Two clocks that go on by so much at each look."""

    def __init__(self, ahead_ns: int, look_ns: list[int]) -> None:
        self.ahead_ns = ahead_ns
        self.now_ns = 0
        self._looks: Iterator[int] = iter(look_ns)

    def monotonic_ns(self) -> int:
        self.now_ns += next(self._looks, 0)
        return self.now_ns

    def system_ns(self) -> int:
        return self.now_ns + self.ahead_ns

    def tags(self) -> TimeTags:
        return TimeTags(self.monotonic_ns, self.system_ns)


def test_seconds_are_counted_since_1900() -> None:
    begin = datetime(1900, 1, 1, tzinfo=UTC)
    assert (datetime(1970, 1, 1, tzinfo=UTC) - begin).total_seconds() == NTP_OF_1970_S
    assert ntp_of(0) == NTP_OF_1970_S << 32
    assert ntp_of(NS_PER_S // 2) == (NTP_OF_1970_S << 32) + 2**31


@given(st.integers(0, 2_000_000_000 * NS_PER_S))
def test_another_implementation_reads_the_same_time(unix_ns: int) -> None:
    seen_s = ntp.ntp_to_system_time(ntp_of(unix_ns).to_bytes(8, "big"))
    assert seen_s == pytest.approx(unix_ns / NS_PER_S, abs=2e-6)


def test_after_2036_seconds_begin_again() -> None:
    end_s = 2**32 - NTP_OF_1970_S
    assert datetime.fromtimestamp(end_s, UTC).year == 2036
    assert ntp_of((end_s - 1) * NS_PER_S) == (2**32 - 1) << 32
    assert ntp_of((end_s + 3) * NS_PER_S) == 3 << 32


def test_it_is_the_system_s_time() -> None:
    tags = TimeTags()
    before = ntp_of(time.time_ns())
    tag = tags.of(time.monotonic_ns())
    after = ntp_of(time.time_ns())
    # The two clocks may be seen wrongly by what a look takes; a thousandth is more than that.
    assert before - (1 << 22) < tag < after + (1 << 22)


def test_even_times_stay_even_however_the_clocks_are_seen() -> None:
    jitter = [0, 3000, 40_000, 100, 0, 900_000, 0, 15_000] * 20
    tags = Clocks(5 * NS_PER_S, jitter).tags()
    seen = [tags.of(n * NS_PER_S) for n in range(20)]
    assert {after - before for before, after in pairwise(seen)} == {1 << 32}


def test_a_clock_that_is_set_is_followed_at_once() -> None:
    clocks = Clocks(5 * NS_PER_S, [])
    tags = clocks.tags()
    assert tags.of(0) == ntp_of(5 * NS_PER_S)
    clocks.ahead_ns += 3600 * NS_PER_S
    assert tags.of(0) == ntp_of(3605 * NS_PER_S)
    clocks.ahead_ns -= 7200 * NS_PER_S
    assert tags.of(0) == ntp_of(-3595 * NS_PER_S)


def test_the_quickest_look_counts() -> None:
    # The first looks are interrupted between the two clocks; what they say is 0.2 and 0.1 s wrong.
    clocks = Clocks(NS_PER_S, [0, 400_000_000, 0, 200_000_000, 0, 10])
    assert clocks.tags().of(0) == pytest.approx(ntp_of(NS_PER_S), abs=2**32 * 1e-6)
