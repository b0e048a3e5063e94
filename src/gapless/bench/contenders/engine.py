"""Gapless's own engine, put together as the server puts it together.

In: a folder of models. Out: work. Invariants: a model is loaded and warmed up before the work begins; every caller has
one request under way at a time. Thread: the callers'.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from gapless.bench.drive import Work, alone, first_apart, in_tasks, in_threads
from gapless.bench.inputs import rows, voice_window
from gapless.bench.small_model import NAME

if TYPE_CHECKING:
    from gapless.infer.inference import Inference, Request

VAD_MODEL: Final = "silero_vad"


@contextmanager
def one_thread(models: str, *, executors: int) -> Iterator[Work]:
    """A thread that is alone."""
    with _engine(models, executors, NAME) as inference:
        yield alone(partial(inference.infer, _request(NAME)))


@contextmanager
def one_task(models: str, *, executors: int) -> Iterator[Work]:
    """A task that is alone."""
    with _engine(models, executors, NAME) as inference:
        yield in_tasks([partial(inference.infer_async, _request(NAME))])


@contextmanager
def threads(models: str, *, executors: int, callers: int, model: str = NAME) -> Iterator[Work]:
    """Threads that ask at the same time."""
    with _engine(models, executors, model) as inference:
        yield in_threads([partial(inference.infer, _request(model))] * callers)


@contextmanager
def tasks(models: str, *, executors: int, callers: int, model: str = NAME) -> Iterator[Work]:
    """Tasks of one event loop that ask at the same time."""
    with _engine(models, executors, model) as inference:
        yield in_tasks([partial(inference.infer_async, _request(model))] * callers)


@contextmanager
def first_call(models: str, *, executors: int) -> Iterator[Work]:
    """The first request to a model that is loaded, and those that follow."""
    with _engine(models, executors, NAME) as inference:
        yield first_apart(partial(inference.infer, _request(NAME)))


@contextmanager
def voice_threads(models: str, *, executors: int, callers: int) -> Iterator[Work]:
    """Streams of sound, a thread each, whose windows are judged together."""
    with _engine(models, executors, VAD_MODEL) as inference, _steps(inference, callers) as steps:
        yield in_threads([partial(inference.infer, step) for step in steps])


@contextmanager
def voice_tasks(models: str, *, executors: int, callers: int) -> Iterator[Work]:
    """Streams of sound, a task each, whose windows are judged together."""
    with _engine(models, executors, VAD_MODEL) as inference, _steps(inference, callers) as steps:
        yield in_tasks([partial(inference.infer_async, step) for step in steps])


@contextmanager
def _engine(models: str, executors: int, model: str) -> Iterator[Inference]:
    from gapless.infer.open import open_inference
    from gapless.settings import Settings

    settings = Settings(models_dir=models, executors=executors, pinned_models=(model,))
    inference = open_inference(settings)
    try:
        inference.rehearse(model)
        yield inference
    finally:
        inference.close()


@contextmanager
def _steps(inference: Inference, count: int) -> Iterator[list[Request]]:
    """A request for each of so many streams; it asks for the next step each time it is used."""
    from gapless.infer.inference import Request

    window = voice_window()
    with ExitStack() as stack:
        sequences = [stack.enter_context(inference.open_sequence(VAD_MODEL)) for _ in range(count)]
        yield [Request(model=VAD_MODEL, inputs=window, sequence=one) for one in sequences]


def _request(model: str) -> Request:
    from gapless.infer.inference import Request

    return Request(model=model, inputs=rows(1))
