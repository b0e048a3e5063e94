"""What the engine keeps of a model is bounded, and its counts are true."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from gapless.infer.contract import ModelLimits, Tensors
from gapless.infer.engine import served as served_module
from gapless.infer.engine.request import Result
from gapless.infer.engine.served import MOST_KINDS
from gapless.infer.engine.statistics import BatchRun, Counters, Duration
from gapless.infer.inference import Inference, Request
from gapless.testing.by_hand import ByHand
from gapless.testing.models import FAILS, FixedModels, FunctionModel, picky, row_sums, upper


def ask_lengths(engine: ByHand, lengths: range, rows: int = 3) -> None:
    for length in lengths:
        question = engine.offer({"x": np.ones((rows, length), np.float32)})
        engine.run_all()
        (outcome,) = question.outcomes
        assert isinstance(outcome, Result)
        assert outcome.outputs["sum"].tolist() == [[length]] * rows


def test_buffers_are_used_again() -> None:
    seen: set[int] = set()
    inner = row_sums()

    def function(inputs: Tensors) -> dict[str, np.ndarray]:
        seen.add(inputs["x"].ctypes.data)
        return inner.run(inputs)

    engine = ByHand(FunctionModel(inner.info, function))
    for _ in range(20):
        ask_lengths(engine, range(5, 6))
    assert len(seen) == 1
    assert engine.served.kept_bytes == 4 * 5 * 4


def test_shapes_are_forgotten_the_least_recently_used_first_with_their_buffers() -> None:
    engine = ByHand(row_sums())
    ask_lengths(engine, range(1, MOST_KINDS + 1))
    kept = engine.served.kept_bytes
    first = engine.served.kind((("x", (1,)),))
    ask_lengths(engine, range(1000, 1010))
    assert engine.served.kind((("x", (1,)),)) is first
    ten_oldest = sum(4 * length * 4 for length in range(2, 12))
    ten_newest = sum(4 * length * 4 for length in range(1000, 1010))
    assert engine.served.kept_bytes == kept - ten_oldest + ten_newest


def test_a_shape_that_is_forgotten_while_it_runs_keeps_no_buffers_afterwards() -> None:
    engine = ByHand(row_sums())
    engine.offer({"x": np.ones((3, 5000), np.float32)})
    batch = engine.take()
    assert batch is not None
    ask_lengths(engine, range(1, MOST_KINDS + 1))
    kept = engine.served.kept_bytes
    engine.run(batch)
    assert engine.served.kept_bytes == kept


def test_only_steps_that_went_well_say_how_long_the_next_one_takes() -> None:
    engine = ByHand(picky())
    for values, well in (([1.0, 2.0], True), ([1.0, FAILS], False), ([1.0, np.nan], False)):
        for value in values:
            engine.offer({"x": np.full((1, 4), value, np.float32)})
        batch = engine.take()
        assert batch is not None
        lesson_ns = engine.run(batch).lesson_ns
        assert (lesson_ns is not None and lesson_ns > 0) if well else lesson_ns is None


def test_buffers_above_the_bound_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_module, "KEPT_BYTES", 1000)
    engine = ByHand(row_sums())
    ask_lengths(engine, range(10, 60))
    assert 0 < engine.served.kept_bytes <= 1000


def test_texts_are_not_kept() -> None:
    engine = ByHand(upper())
    texts = np.array([[b"one"], [b"two"], [b"three"]], np.object_)
    question = engine.offer({"text": texts})
    engine.run_all()
    (outcome,) = question.outcomes
    assert isinstance(outcome, Result)
    assert outcome.outputs["shouted"].tolist() == [[b"ONE"], [b"TWO"], [b"THREE"]]
    assert engine.served.kept_bytes == 0


def test_counts_add_up() -> None:
    counters = Counters("model", "3")
    good = BatchRun(
        requests=2,
        failed=0,
        rows=5,
        answered_rows=5,
        calls=1,
        waits_ns=[60, 40],
        failed_queue_ns=0,
        gather_ns=1,
        compute_ns=10,
        scatter_ns=2,
    )
    half = BatchRun(
        requests=2,
        failed=1,
        rows=5,
        answered_rows=2,
        calls=3,
        waits_ns=[40, 30],
        failed_queue_ns=40,
        gather_ns=3,
        compute_ns=20,
        scatter_ns=4,
    )
    threads = [threading.Thread(target=counters.add, args=(run,)) for run in (good, half) * 50]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counters.refuse()
    counters.expire()
    counters.cancel()
    stats = counters.snapshot(waiting_rows=1, sequences=2, max_sequences=3)
    assert (stats.name, stats.version, stats.rows, stats.calls) == ("model", "3", 350, 200)
    assert stats.success == Duration(150, 50 * (100 + 2 * 13 + 30 + 27))
    assert stats.fail == Duration(50, 50 * (40 + 27))
    assert stats.queue == Duration(200, 50 * 170)
    assert stats.gather == Duration(200, 50 * 2 * (1 + 3))
    assert stats.compute == Duration(200, 50 * 2 * (10 + 20))
    assert stats.scatter == Duration(200, 50 * 2 * (2 + 4))
    (batch,) = stats.batches
    assert (batch.rows, batch.compute) == (5, Duration(100, 50 * 30))
    assert (stats.refused, stats.expired, stats.cancelled) == (1, 1, 1)
    assert (stats.waiting_rows, stats.sequences, stats.max_sequences) == (1, 2, 3)


def test_the_engine_counts_what_it_does() -> None:
    before_ms = time.time_ns() // 1_000_000
    begin_ns = time.monotonic_ns()
    with Inference(FixedModels(picky(limits=ModelLimits(buckets=(1, 4))))) as inference:
        assert inference.statistics() == []
        for value in (1.0, 2.0, FAILS):
            x = np.full((3, 4), value, np.float32)
            request = Request(model="picky", inputs={"x": x})
            try:
                inference.infer(request)
            except Exception:  # noqa: BLE001  (the one that fails is counted below)
                assert value == FAILS
        (stats,) = inference.statistics()
    took_ns = time.monotonic_ns() - begin_ns
    assert (stats.rows, stats.calls, stats.success.count, stats.fail.count) == (6, 3, 2, 1)
    assert stats.last_inference_ms >= before_ms
    (batch,) = stats.batches
    assert (batch.rows, batch.compute.count) == (3, 3)
    parts_ns = (stats.queue.ns, stats.gather.ns, stats.compute.ns, stats.scatter.ns)
    assert min(parts_ns) > 0
    assert sum(parts_ns) == stats.success.ns + stats.fail.ns
    assert sum(parts_ns) <= took_ns
