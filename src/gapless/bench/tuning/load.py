"""The load that splits and batches are tried with: live streams at the pace of the clock, and bulk work beside them.

In: settings to try, models. Out: work whose operations are the live steps, each counted from when it was due, not from
when it was asked for, so that a server that falls behind shows it. The rate of bulk work is told by model.
Invariants: live streams ask as often whatever the settings; bulk callers have one request under way at a time. All ask
from one event loop, as the requests of a server do. Thread: the caller's.

The pace of the live streams is that of sound: a window of the voice detector every 32 ms, a step of the recogniser's
encoder every 40 ms. Chunks of the streams are spread evenly over that time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from gapless.bench.drive import Samples, Work
from gapless.errors import GaplessError, ModelError

if TYPE_CHECKING:
    from gapless.infer.inference import Inference, Request

VAD_MODEL: Final = "silero_vad"
ENCODER_MODEL: Final = "commands-en.encoder"

LIVE_MS: Final = {VAD_MODEL: 32, ENCODER_MODEL: 40}
"""How often a stream asks each model."""

RATE: Final = "bulk_"
"""Begins the names of the figures that tell how many rows of each model were answered in a second."""


class Runnable(Struct, frozen=True):
    """A model that runs on this machine."""

    version: str
    largest_batch: int


@contextmanager
def engine_load(
    *,
    values: dict[str, int],
    models_dir: str,
    provider: str,
    bulk: tuple[str, ...],
    streams: int,
    callers: int,
) -> Iterator[Work]:
    """Live streams and bulk callers on an engine of its own.

    Args:
        values: settings to try, by name.
        models_dir: folder of the user's models.
        provider: what computes.
        bulk: models of the bulk callers.
        streams: live streams.
        callers: bulk callers of each model.
    """
    from gapless.infer.open import open_inference
    from gapless.listen.recogniser.shelf.folders import CARRIED
    from gapless.settings import load_settings

    settings = load_settings(
        env={}, flags={"models_dir": models_dir, "provider": provider, **values}
    ).settings
    with (
        open_inference(settings, carried=(CARRIED,)) as inference,
        ExitStack() as stack,
    ):
        live: list[tuple[int, Request]] = []
        for model, every_ms in LIVE_MS.items():
            live += [
                (every_ms, request)
                for request in _requests(inference, model, streams, stack, live=True)
            ]
        others = {model: _requests(inference, model, callers, stack, live=False) for model in bulk}
        yield _Load(inference, live, others).work


def runnable(models_dir: str, provider: str, names: Sequence[str]) -> dict[str, Runnable]:
    """Models by name; those that do not run here are left out.

    Args:
        models_dir: folder of the user's models.
        provider: what computes.
        names: of models.
    """
    from gapless.infer.open import open_inference
    from gapless.listen.recogniser.shelf.folders import CARRIED
    from gapless.settings import load_settings

    settings = load_settings(
        env={}, flags={"models_dir": models_dir, "provider": provider}
    ).settings
    found = {}
    with open_inference(settings, carried=(CARRIED,)) as inference:
        for name in names:
            try:
                with ExitStack() as stack:
                    _requests(inference, name, 1, stack, live=False)
                held = inference.models.acquire(name)
            except GaplessError:
                continue
            info = held.model.info
            held.release()
            # What computes elsewhere is no question of this machine.
            if info.platform != "triton":
                found[name] = Runnable(info.version, info.limits.buckets[-1])
    return found


def tensor_models(models_dir: str, provider: str) -> list[str]:
    """Names of the user's models that this process would run; parts of recognisers are left out."""
    from gapless.infer.open import open_inference
    from gapless.settings import load_settings

    settings = load_settings(
        env={}, flags={"models_dir": models_dir, "provider": provider}
    ).settings
    with open_inference(settings) as inference:
        names = {status.name for status in inference.models.index() if status.state == "READY"}
    return sorted(name for name in names if name != VAD_MODEL and "." not in name)


def _requests(
    inference: Inference, model: str, count: int, stack: ExitStack, *, live: bool
) -> list[Request]:
    """A request for each of so many callers, tried once.

    Raises:
        GaplessError: the model cannot be run.
    """
    import msgspec

    from gapless.infer.inference import Request
    from gapless.infer.sample_inputs import FREE_LENGTHS, has_free_lengths, random_inputs

    held = inference.models.acquire(model)
    info = held.model.info
    held.release()
    failure: GaplessError = ModelError(f"the model {model} takes no inputs; choose another --model")
    for free in FREE_LENGTHS if has_free_lengths(info) else FREE_LENGTHS[:1]:
        arrays = random_inputs(info, 1, free, seed=1)
        inputs = {tensor.name: arrays[tensor.name] for tensor in info.inputs}
        request = Request(model=model, inputs=inputs, live=live)
        try:
            with ExitStack() as trial:
                sequence = None
                if info.sequences != "none":
                    sequence = trial.enter_context(inference.open_sequence(model))
                inference.infer(msgspec.structs.replace(request, sequence=sequence))
        except GaplessError as error:
            failure = error
            continue
        if info.sequences == "none":
            return [request] * count
        return [
            msgspec.structs.replace(
                request, sequence=stack.enter_context(inference.open_sequence(model))
            )
            for _ in range(count)
        ]
    raise failure


@final
class _Load:
    """What is asked, round after round.

    Args:
        inference: the engine.
        live: milliseconds from step to step, and the request.
        bulk: requests by model, one for each caller.
    """

    def __init__(
        self,
        inference: Inference,
        live: list[tuple[int, Request]],
        bulk: dict[str, list[Request]],
    ) -> None:
        self._inference = inference
        self._live = live
        self._bulk = bulk

    def work(self, seconds: float) -> Samples:
        """One round."""
        try:
            import uvloop
        except ImportError:  # there is none for Windows
            return asyncio.run(self._round(seconds))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._round(seconds))

    async def _round(self, seconds: float) -> Samples:
        took_ns: list[int] = []
        rows = dict.fromkeys(self._bulk, 0)
        began = time.monotonic()
        ends = began + seconds

        async def speak(number: int, every_s: float, request: Request) -> None:
            due = began + number / len(self._live) * every_s
            while due < ends:
                await asyncio.sleep(due - time.monotonic())
                await self._inference.infer_async(request)
                took_ns.append(round((time.monotonic() - due) * 1e9))
                due += every_s

        async def call(model: str, request: Request) -> None:
            while time.monotonic() < ends:
                await self._inference.infer_async(request)
                rows[model] += 1

        async with asyncio.TaskGroup() as group:
            for number, (every_ms, request) in enumerate(self._live):
                group.create_task(speak(number, every_ms / 1000, request))
            for model, requests in self._bulk.items():
                for request in requests:
                    group.create_task(call(model, request))
        elapsed_s = time.monotonic() - began
        return Samples(
            took_ns=took_ns,
            elapsed_ns=round(elapsed_s * 1e9),
            units=sum(rows.values()),
            figures={RATE + model: count / elapsed_s for model, count in rows.items()},
        )
