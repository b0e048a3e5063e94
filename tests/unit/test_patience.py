"""Calls that may hang: what they return, what becomes of it when it comes late."""

from __future__ import annotations

import threading

import pytest

from gapless.audio.device.patience import Patience

LONG_S = 20.0


def test_what_a_call_returns_is_returned() -> None:
    late: list[int] = []
    assert Patience(lambda: 3, late.append).wait(LONG_S) == 3
    assert late == []


def test_what_comes_too_late_is_taken_care_of() -> None:
    go, done = threading.Event(), threading.Event()
    late: list[bool] = []

    def take(result: bool) -> None:
        late.append(result)
        done.set()

    with pytest.raises(TimeoutError):
        Patience(lambda: go.wait(LONG_S), take).wait(0)
    assert late == []
    go.set()
    assert done.wait(LONG_S)
    assert late == [True]
