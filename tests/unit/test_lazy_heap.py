from __future__ import annotations

from random import Random

from gapless.batching.lazy_heap import SLACK, LazyHeap


class Numbers(set[int]):
    """The rows that wait; counts how often somebody asks."""

    asked = 0

    def __contains__(self, number: object) -> bool:
        self.asked += 1
        return super().__contains__(number)


class Line:
    """As much of a line as the heap looks at."""

    def __init__(self) -> None:
        self.waiting = Numbers()


def test_what_waits_comes_out_in_order_whatever_left_meanwhile() -> None:
    random = Random(7)
    heap, line = LazyHeap(), Line()
    due = {number: random.randrange(100) for number in range(1000)}
    for number, due_ns in due.items():
        line.waiting.add(number)
        heap.push((due_ns, number, line))
        if random.random() < 0.8:
            line.waiting.discard(random.randrange(number + 1))
    expected = sorted((due[number], number) for number in line.waiting)
    assert 100 < len(expected) < 900
    found = []
    while (place := heap.head()) is not None:
        found.append(place[:2])
        heap.pop()
    assert found == expected


def test_a_place_that_was_put_in_twice_is_no_more_than_passed_over() -> None:
    heap, line = LazyHeap(), Line()
    line.waiting.add(1)
    for _ in range(1000):
        heap.push((0, 1, line))
    assert len(heap._places) <= SLACK + 2
    line.waiting.discard(1)
    assert heap.head() is None


def test_it_grows_with_what_waits_and_sweeping_stays_cheap() -> None:
    heap, line = LazyHeap(), Line()
    for number in range(20_000):
        line.waiting.add(number)
        heap.push((number, number, line))
        line.waiting.discard(number - 500)
        assert len(heap._places) <= 2 * 501 + SLACK
    assert line.waiting.asked < 3 * 20_000
