from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.listen.segment import Extend, Open, SegmentAction, Shut
from gapless.listen.turns import ManualTurns

MAX_MS = 1000
MAX_SAMPLES = 16_000


def spans(actions: list[SegmentAction]) -> list[tuple[int, int]]:
    """Closed spans, checked to be opened, extended and shut in this order."""
    found: list[tuple[int, int]] = []
    start: int | None = None
    end = 0
    for action in actions:
        match action:
            case Open(at):
                assert start is None
                start = end = at
            case Extend(at):
                assert start is not None
                assert at > end
                end = at
            case Shut(at):
                assert start is not None
                assert at == end
                found.append((start, end))
                start = None
    assert start is None
    return found


def test_what_lies_between_two_flushes_is_one_turn() -> None:
    turns = ManualTurns(MAX_MS)

    actions = turns.hear(500) + turns.hear(900) + turns.flush(900)
    assert spans(actions + turns.hear(1000) + turns.flush(1000)) == [(0, 900), (900, 1000)]


def test_a_flush_with_nothing_before_it_is_no_turn() -> None:
    turns = ManualTurns(MAX_MS, start=100)

    assert turns.flush(100) == []
    assert turns.hear(100) == []


@pytest.mark.long
@given(st.lists(st.integers(0, 3 * MAX_SAMPLES), max_size=8))
def test_spans_are_bounded_and_leave_nothing_out(sizes: list[int]) -> None:
    turns = ManualTurns(MAX_MS)
    actions: list[SegmentAction] = []
    end = 0
    for size in sizes:
        end += size
        actions += turns.hear(end)
    found = spans(actions + turns.flush(end))

    assert all(0 < stop - start <= MAX_SAMPLES for start, stop in found)
    edges = [edge for span in found for edge in span]
    assert edges[::2] == [0, *edges[1:-1:2]][: len(found)]
    assert (edges[-1] if edges else 0) == end
