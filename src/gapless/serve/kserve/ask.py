"""How questions are put to the inference engine, for every dialect alike.

In: a question as a dialect's codec has read it. Out: the engine's answer, or the cache's. Invariants: steps of one
sequence id reach the same state, whichever dialect brings them; no model is loaded on the event loop.
Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Final, final

import msgspec

from gapless.infer.contract import ModelInfo
from gapless.infer.engine.sequences import SequenceTable
from gapless.infer.inference import Request, Result
from gapless.serve.kserve.codec import Question
from gapless.serve.offload import in_executor
from gapless.serve.remember.models import RememberedModels
from gapless.serve.services import Services

REAP_S: Final = 1.0
"""Time between looks for sequences that nobody uses any more."""

US_PER_MS: Final = 1000

BULK_PRIORITY: Final = 2
"""The first priority that is bulk work: KServe's 0 means as usual, and 1 is the highest."""


@final
class Asker:
    """Puts questions, and keeps the sequences that clients have open between them.

    Args:
        services: the engine.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._inference = services.inference
        self._remembered = RememberedModels(services)
        self._sequences = SequenceTable(services.inference)

    async def info_of(self, model: str, version: str | None) -> ModelInfo:
        """What a model takes and gives; it is loaded if it is not.

        Raises:
            GaplessError: as ``Models.acquire``.
        """
        models = self._inference.models
        held = models.try_acquire(model, version)
        if held is None:
            held = await in_executor(self._services, lambda: models.acquire(model, version))
        try:
            return held.model.info
        finally:
            held.release()

    async def ask(self, model: str, version: str | None, question: Question) -> Result:
        """Put a question.

        Args:
            model: its name.
            version: None is the newest that answers.
            question: what to ask.

        Raises:
            GaplessError: as ``Inference.infer``.
            ProtocolError: a step of a sequence that is not open.
        """
        asked = question.parameters
        request = Request(
            model=model,
            version=version,
            inputs=question.inputs,
            outputs=tuple(question.outputs) or None,
            live=asked.priority < BULK_PRIORITY,
            timeout_ms=asked.timeout / US_PER_MS if asked.timeout else None,
        )
        if asked.sequence_id:
            request = await self._sequences.bind_async(
                request, asked.sequence_id, start=asked.sequence_start, end=asked.sequence_end
            )
        elif asked.cache:
            info = await self.info_of(model, version)
            if info.digest:
                # The version is named, so that no newer one that comes meanwhile answers for it.
                named = msgspec.structs.replace(request, version=info.version)
                return await self._remembered.infer(info, named)
        return await self._inference.infer_async(request)

    def end_sequence(self, model: str, sequence_id: int | str) -> None:
        """Give up a sequence whose client will not end it; nothing happens if it is not open."""
        self._sequences.give_up(model, sequence_id)

    async def reap(self) -> None:
        """Release sequences that nobody uses, now and then, for ever."""
        while True:
            await asyncio.sleep(REAP_S)
            self._sequences.reap()

    def close(self) -> None:
        """End all sequences."""
        self._sequences.close()
