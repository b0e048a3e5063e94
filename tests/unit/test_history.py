from __future__ import annotations

import numpy as np
import pytest

from gapless.listen.history import History


def ramp(start: int, end: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.arange(start, end, dtype=np.float32)


def test_slices_are_addressed_by_position_in_the_stream() -> None:
    history = History()
    history.append(ramp(0, 100))
    history.drop_before(40)
    history.append(ramp(100, 150))

    assert history.end == 150
    np.testing.assert_array_equal(history.slice(90, 110), ramp(90, 110))


def test_what_was_dropped_cannot_be_had() -> None:
    history = History()
    history.append(ramp(0, 100))
    history.drop_before(40)

    with pytest.raises(IndexError, match="oldest kept is 40"):
        history.slice(39, 50)


def test_dropping_beyond_the_end_drops_everything_and_moves_on_from_there() -> None:
    history = History()
    history.append(ramp(0, 100))
    history.drop_before(500)
    history.append(ramp(100, 120))

    assert history.end == 120
    np.testing.assert_array_equal(history.slice(100, 120), ramp(100, 120))


def test_slices_are_copies() -> None:
    history = History()
    history.append(ramp(0, 10))
    history.slice(0, 10)[:] = -1

    np.testing.assert_array_equal(history.slice(0, 10), ramp(0, 10))
