"""The inference engine, put together from settings.

In: ``Settings``. Out: an ``Inference`` over the models that Gapless carries and those in the user's folder.
Invariants: nothing is loaded before somebody asks for it, except models on other servers and what is new in the folder
later on. Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from gapless.infer.inference import Inference, InferenceOptions
from gapless.infer.onnx.model import OnnxLoader
from gapless.infer.repository.library import Library
from gapless.infer.triton.model import TritonLoader
from gapless.observe.logs import keep_quiet
from gapless.settings import Settings
from gapless.tune.fit import fitted
from gapless.tune.probe import physical_cpus

log = structlog.get_logger()

BUILTIN: Final = Path(__file__).with_name("builtin")
"""Models that come with Gapless."""


def open_inference(settings: Settings, *, carried: Iterable[Path] = ()) -> Inference:
    """The engine; close it. What happens to models is logged.

    Args:
        settings: how to run; what is left to the plan is planned.
        carried: folders of models that other parts of Gapless carry; the user's own go before theirs.
    """
    keep_quiet()
    settings = fitted(settings)
    cores = physical_cpus()
    if settings.executors * settings.executor_threads > cores:
        # They take the processor from each other, and every one of them is late.
        log.warning(
            "more threads than physical cores: they will wait for each other",
            executors=settings.executors,
            executor_threads=settings.executor_threads,
            physical_cores=cores,
        )
    library = Library(
        (BUILTIN, *carried, settings.models_path),
        {
            "onnxruntime_onnx": OnnxLoader(settings.executor_threads, settings.provider),
            "triton": TritonLoader(),
        },
        budget_bytes=settings.model_memory_bytes,
        pinned=frozenset(settings.pinned_models),
        poll_ms=settings.repository_poll_ms,
    )
    return Inference(
        library,
        InferenceOptions(
            executors=settings.executors,
            remote_calls=settings.remote_calls,
            max_waiting_rows=settings.max_waiting_rows,
            watchdog_ms=settings.watchdog_ms,
            max_batch=settings.max_batch,
            warm_up=settings.warm_up,
        ),
    )
