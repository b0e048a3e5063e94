from __future__ import annotations

from gapless.infer.onnx.timing import ENOUGH_NS, MOST_CALLS, NS_PER_MS, time_calls


class SlowThenSteady:
    """A model on a clock of its own: the first call of a size takes 50 ms, later ones a millisecond a row."""

    def __init__(self, ms_per_row: float = 1) -> None:
        self.now_ns = 0
        self.calls: list[int] = []
        self._ms_per_row = ms_per_row

    def clock_ns(self) -> int:
        return self.now_ns

    def call(self, rows: int) -> None:
        first = rows not in self.calls
        self.calls.append(rows)
        self.now_ns += 50 * NS_PER_MS if first else round(rows * self._ms_per_row * NS_PER_MS)


def test_warm_up_first_call_and_steady_calls_are_told_apart() -> None:
    model = SlowThenSteady()
    timings = time_calls(model.call, (1, 2, 8), 7.5, clock_ns=model.clock_ns)
    assert timings.create_ms == 7.5
    assert timings.warm_up_ms == 150
    assert timings.first_call_ms == 1
    assert timings.steady_ms == {1: 1, 2: 2, 8: 8}
    assert model.calls[:4] == [1, 2, 8, 1], "every size is run before any is timed"


def test_a_slow_model_is_not_called_often() -> None:
    model = SlowThenSteady(ms_per_row=1000)
    time_calls(model.call, (1, 2), 0, clock_ns=model.clock_ns)
    assert model.calls == [1, 2, 1, 1, 2]


def test_a_fast_model_is_called_a_bounded_number_of_times() -> None:
    model = SlowThenSteady(ms_per_row=0)
    time_calls(model.call, (1,), 0, clock_ns=model.clock_ns)
    assert len(model.calls) == 2 + MOST_CALLS
    assert ENOUGH_NS > 0
