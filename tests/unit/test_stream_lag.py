"""How late a stream is told: each chunk once, from its last sample received to all that it causes sent."""

from __future__ import annotations

from gapless.observe.histogram import Histogram
from gapless.serve.stream.lag import Lag

MS = 1_000_000


def total_ms(histogram: Histogram) -> tuple[int, float]:
    """How many lags there are, and their sum."""
    snapshot = histogram.snapshot()
    return snapshot.count, round(snapshot.sum * 1000, 6)


def test_a_chunk_that_causes_nothing_is_over_when_nothing_of_it_waits() -> None:
    lag = Lag()
    lag.received(640, 10 * MS)
    lag.heard(640, received_ms=20)
    lag.processed(19, 14 * MS, speaking=False)
    assert total_ms(lag.seen) == (0, 0)
    lag.processed(20, 17 * MS, speaking=False)
    assert total_ms(lag.seen) == (1, 7)
    lag.processed(20, 99 * MS, speaking=False)
    assert total_ms(lag.seen) == (1, 7)


def test_a_chunk_that_causes_something_is_over_when_that_was_sent() -> None:
    lag = Lag()
    lag.received(640, 10 * MS)
    lag.heard(640, received_ms=20)
    lag.processed(20, 17 * MS, speaking=True)
    assert total_ms(lag.seen) == (0, 0)
    lag.sent(30 * MS)
    lag.sent(31 * MS)
    assert total_ms(lag.seen) == (1, 20)


def test_chunks_that_share_a_job_count_each_from_its_own_arrival() -> None:
    lag = Lag()
    lag.received(640, 10 * MS)
    lag.received(1280, 30 * MS)
    lag.received(1920, 50 * MS)
    lag.heard(1280, received_ms=40)
    lag.processed(40, 60 * MS, speaking=False)
    assert total_ms(lag.seen) == (2, 50 + 30)


def test_what_waits_for_a_recogniser_is_not_over() -> None:
    lag = Lag()
    for number in (1, 2, 3):
        lag.received(640 * number, 20 * number * MS)
        lag.heard(640 * number, received_ms=20 * number)
    lag.processed(40, 100 * MS, speaking=False)
    assert total_ms(lag.seen) == (2, 80 + 60)


def test_all_streams_are_counted_together_as_well() -> None:
    total = Histogram()
    for lag in (Lag(total), Lag(total)):
        lag.received(640, 0)
        lag.heard(640, received_ms=20)
        lag.processed(20, 5 * MS, speaking=False)
        assert total_ms(lag.seen) == (1, 5)
    assert total_ms(total) == (2, 10)


def test_it_is_known_when_bytes_arrived_until_they_are_heard() -> None:
    lag = Lag()
    lag.received(640, 1)
    lag.received(1280, 2)
    assert [lag.arrived_ns(n) for n in (1, 640, 641, 1280, 1281)] == [1, 1, 2, 2, None]
    lag.heard(640, received_ms=20)
    assert lag.arrived_ns(1) == 2, "the first that is left"


def test_who_is_not_there_is_told_late_by_nobodys_fault() -> None:
    lag = Lag()
    lag.received(640, 0)
    lag.received(1280, 0)
    lag.received(1920, 0)
    lag.heard(640, received_ms=20)
    lag.processed(20, 1, speaking=True)
    lag.heard(1280, received_ms=40)
    lag.forget()
    lag.sent(10_000 * MS)
    lag.heard(1920, received_ms=60)
    lag.processed(60, 10_000 * MS, speaking=False)
    assert total_ms(lag.seen) == (0, 0)


def test_another_stream_on_the_same_connection_is_counted_from_its_beginning() -> None:
    lag = Lag()
    lag.received(640, 0)
    lag.heard(640, received_ms=5000)
    lag.begin_anew()
    lag.received(1280, 10 * MS)
    lag.heard(1280, received_ms=20)
    lag.processed(20, 14 * MS, speaking=False)
    assert total_ms(lag.seen) == (1, 4)
