"""Baselines: ONNX Runtime called directly, without queue, batcher or engine.

In: a model file. Out: work. Invariants: sessions are opened as the engine opens them, so that what differs is
what is around the calls. Thread: one for each caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gapless.bench.drive import Samples, Work, alone, first_apart, in_tasks, in_threads
from gapless.bench.inputs import rows, voice_window
from gapless.bench.memory import MIB, resident_bytes

if TYPE_CHECKING:
    import onnxruntime


@contextmanager
def one_caller(path: str) -> Iterator[Work]:
    """One thread, one row a call."""
    yield alone(partial(_session(path).run, None, rows(1)))


@contextmanager
def callers(
    path: str, *, threads: int, batch: int, figures: dict[str, float] | None = None
) -> Iterator[Work]:
    """Threads that share one session, so many rows a call.

    Args:
        path: the model's file.
        threads: how many call.
        batch: rows of a call.
        figures: what else is known of the model, passed on with the round.
    """
    session = _session(path)
    work = in_threads([partial(session.run, None, rows(batch))] * threads, units=batch)

    def with_figures(seconds: float) -> Samples:
        return msgspec.structs.replace(work(seconds), figures=figures or {})

    yield with_figures


@contextmanager
def pooled_threads(path: str, *, threads: int, callers: int) -> Iterator[Work]:
    """Threads that hand a row at a time to a pool of threads, and wait: serving many without batches."""
    run = partial(_session(path).run, None, rows(1))
    with ThreadPoolExecutor(threads) as pool:
        yield in_threads([lambda: pool.submit(run).result()] * callers)


@contextmanager
def pooled_tasks(path: str, *, threads: int, callers: int) -> Iterator[Work]:
    """Tasks that hand a row at a time to a pool of threads, and wait: serving many without batches."""
    run = partial(_session(path).run, None, rows(1))
    with ThreadPoolExecutor(threads) as pool:

        async def ask() -> None:
            await asyncio.get_running_loop().run_in_executor(pool, run)

        yield in_tasks([ask] * callers)


@contextmanager
def sessions(path: str, *, threads: int, count: int) -> Iterator[Work]:
    """Threads spread over so many sessions of one file, one row a call; ``sessions_mib`` is what those hold."""
    from gapless.infer.onnx.session import load_runtime

    # The library itself is not what is compared.
    load_runtime()
    before = resident_bytes()
    opened = [_session(path) for _ in range(count)]
    feeds = rows(1)
    work = in_threads([partial(opened[i % count].run, None, feeds) for i in range(threads)])

    def with_memory(seconds: float) -> Samples:
        # Before the round and its notes, but after the warm-up, in which the sessions take what they need.
        after = resident_bytes()
        figures = (
            {} if before is None or after is None else {"sessions_mib": (after - before) / MIB}
        )
        return msgspec.structs.replace(work(seconds), figures=figures)

    yield with_memory


@contextmanager
def first_call(path: str) -> Iterator[Work]:
    """The first call of a session that nobody warmed up, and those that follow."""
    yield first_apart(partial(_session(path).run, None, rows(1)))


@contextmanager
def voice(path: str, *, threads: int) -> Iterator[Work]:
    """Threads that judge windows of sound one by one, each those of its own stream."""
    import numpy as np

    session = _session(path)
    outputs = ("speech_probs", "hn", "cn")

    def stream() -> Callable[[], None]:
        window = voice_window()
        state = [np.zeros((1, 1, 128), np.float32)] * 2

        def judge() -> None:
            _, *state[:] = session.run(outputs, {**window, "h": state[0], "c": state[1]})

        return judge

    yield in_threads([stream() for _ in range(threads)])


def _session(path: str) -> onnxruntime.InferenceSession:
    from gapless.infer.onnx.session import SessionOptions, open_session

    return open_session(Path(path), SessionOptions()).session
