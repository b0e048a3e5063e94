"""The time inside the zone."""

from __future__ import annotations

import sys
import time

import pytest

from gapless.dsp.kernel import kernel
from gapless.realtime.clock import now_ns


@pytest.mark.skipif(sys.platform != "linux", reason="Python reads another clock there")
def test_it_is_pythons_monotonic_clock() -> None:
    now_ns()
    for _ in range(100):
        before, now, after = time.monotonic_ns(), now_ns(), time.monotonic_ns()
        assert before <= now <= after


@kernel
def steps_back(count: int) -> tuple[int, int]:
    first = before = now_ns()
    back = 0
    for _ in range(count):
        now = now_ns()
        back += now < before
        before = now
    return back, before - first


def test_it_goes_on_and_never_back() -> None:
    back, passed_ns = steps_back(100_000)
    assert back == 0
    assert passed_ns > 0
