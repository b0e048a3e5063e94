"""How questions are put to the inference engine, for every dialect alike.

In: a question as a dialect's codec has read it. Out: the engine's answer, or the cache's. Invariants: steps of one
sequence id reach the same state, whichever dialect brings them; no model is loaded on the event loop.
Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Final, final

import msgspec

from gapless.errors import GaplessError
from gapless.infer.contract import ModelInfo
from gapless.infer.engine.sequences import SequenceTable
from gapless.infer.inference import Request, Result
from gapless.serve.flags.call import CURRENT, is_on, serving
from gapless.serve.flags.flags import Flags
from gapless.serve.inferences.keeper import InferenceKeeper
from gapless.serve.inferences.notice import current_notice
from gapless.serve.inferences.records import next_us, record_of
from gapless.serve.kserve.codec import Question
from gapless.serve.kserve.messages import CallParameters
from gapless.serve.offload import in_executor
from gapless.serve.remember.models import RememberedModels
from gapless.serve.services import Services
from gapless.serve.traces import AskTimes

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
        flags: say what is on for whom, where a call does not bring that along; None: all is on for everybody.
        times: records how long questions take, for traces; None: nobody wants to know.
    """

    def __init__(
        self, services: Services, flags: Flags | None = None, times: AskTimes | None = None
    ) -> None:
        self._services = services
        self._times = times
        self._flags = flags
        settings = services.settings
        self.keeper: Final = (
            InferenceKeeper(services.store, max_waiting=settings.store_max_waiting)
            if settings.save_inferences
            else None
        )
        """Keeps a row of each call; None: nobody wants them."""
        self._inference = services.inference
        self._remembered = RememberedModels(services)
        self._sequences = SequenceTable(services.inference)

    @property
    def traced(self) -> bool:
        """Whether somebody wants to know how long questions take."""
        return self._times is not None

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

    async def ask(
        self, model: str, version: str | None, question: Question, info: ModelInfo | None = None
    ) -> Result:
        """Put a question.

        Args:
            model: its name.
            version: None is the newest that answers.
            question: what to ask.
            info: of the model, where it was looked up a moment ago.

        Raises:
            GaplessError: as ``Inference.infer``.
            ProtocolError: a step of a sequence that is not open.
        """
        flags = self._flags
        if flags is None or flags.plain or CURRENT.get() is not None:
            return await self._ask(model, version, question, info)
        # A call over gRPC. Steps of a sequence are one session.
        with serving(flags, str(question.parameters.sequence_id or "")):
            return await self._ask(model, version, question, info)

    async def _ask(
        self, model: str, version: str | None, question: Question, info: ModelInfo | None
    ) -> Result:
        asked = question.parameters
        request = Request(
            model=model,
            version=version,
            inputs=question.inputs,
            outputs=tuple(question.outputs) or None,
            live=asked.priority < BULK_PRIORITY,
            alone=not is_on("batching"),
            timeout_ms=asked.timeout / US_PER_MS if asked.timeout else None,
        )
        if self.keeper is None:
            return await self._run(request, asked, info)
        at_us = next_us()
        notice = current_notice()
        request_id = question.id or (notice.request_id if notice is not None else "")
        try:
            result = await self._run(request, asked, info)
        except GaplessError as error:
            # Nothing was promised that would have to wait for it.
            record = record_of(request, error, at_us=at_us, request_id=request_id)
            self.keeper.add(record)
            raise
        record = record_of(request, result, at_us=at_us, request_id=request_id)
        if not await self.keeper.keep(record) and notice is not None:
            notice.unsaved = True
        return result

    async def _run(self, request: Request, asked: CallParameters, info: ModelInfo | None) -> Result:
        if self._times is None:
            return await self._put(request, asked, info)
        return await self._times.timed(request.model, self._put(request, asked, info))

    async def _put(self, request: Request, asked: CallParameters, info: ModelInfo | None) -> Result:
        model, version = request.model, request.version
        if asked.sequence_id:
            request = await self._sequences.bind_async(
                request, asked.sequence_id, start=asked.sequence_start, end=asked.sequence_end
            )
        elif asked.cache and is_on("answers"):
            info = info or await self.info_of(model, version)
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
