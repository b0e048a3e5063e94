"""``ModelStreamInfer``: many requests and their answers on one call.

In: requests, as fast as they are answered. Out: an answer to each, in the order in which they come to be. Invariants:

- One request that fails is answered with its error and its id, and the stream goes on.
- Steps of one sequence run in the order they came in; others at the same time, as many as ``MAX_IN_FLIGHT``. Behind
  that many nothing is read, so a client that sends faster than it reads is held back by its own connection.
- A stream that is broken off takes back what waits, and ends its sequences; one that its client closes finishes what
  came, and leaves its sequences open, for they belong to no stream.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

import grpc.aio
import structlog

from gapless.errors import GaplessError, OverloadError
from gapless.infer.wire import messages
from gapless.serve.inferences.notice import NOT_SAVED, WARNING_HEADER, Noticed
from gapless.serve.kserve.ask import Asker
from gapless.serve.kserve.codec import Question
from gapless.serve.kserve.grpc_call import Context, serialised
from gapless.serve.kserve.grpc_codec import (
    fill_answer,
    mark_final,
    read_question,
    read_request,
    size_of,
    wants_final_mark,
)
from gapless.serve.kserve.grpc_service import within
from gapless.serve.kserve.grpc_status import status_of
from gapless.serve.offload import in_proportion
from gapless.serve.services import Services

MAX_IN_FLIGHT: Final = 64

SequenceKey: TypeAlias = tuple[str, int | str]
"""The model and the client's id of a sequence."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class InferStream:
    """One call of ``ModelStreamInfer``; ``run`` it once.

    Args:
        context: the call.
        services: whose executor reads and writes what is large.
        asker: puts questions to the engine, for all dialects.
    """

    def __init__(self, context: Context, services: Services, asker: Asker) -> None:
        self._context = context
        self._services = services
        self._asker = asker
        self._places = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._writing = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._stopping = False
        self._last_step: dict[SequenceKey, asyncio.Task[None]] = {}
        """The step that the next one of a sequence waits for, while it is under way."""
        self._open: set[SequenceKey] = set()
        """Sequences that took a step here and did not end."""

    async def run(self) -> None:
        """Serve until the client has sent everything and has every answer.

        Raises:
            OverloadError: the server stops, and the client may have had more to send.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reader = tasks.create_task(self._read(tasks))
                if self._stopping:
                    self._reader.cancel()
        except asyncio.CancelledError:
            self._end_sequences()
            raise
        if self._stopping:
            raise OverloadError("the server is stopping; open another stream in a moment")

    def shut_down(self) -> None:
        """Read no more; what came is answered."""
        self._stopping = True
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        while (data := await self._context.read()) is not grpc.aio.EOF:
            await self._places.acquire()
            await self._begin(data, tasks)

    async def _begin(self, data: bytes, tasks: asyncio.TaskGroup) -> None:
        request_id = ""
        try:
            request = await self._offload(lambda: read_request(data), len(data))
            request_id = request.id
            question = await self._offload(lambda: read_question(request), len(data))
        except Exception as error:  # noqa: BLE001 - one request broke, and the stream goes on
            tasks.create_task(self._refuse(request_id, error))
            return
        sequence = question.parameters.sequence_id
        key = (request.model_name, sequence)
        before = self._last_step.get(key) if sequence else None
        step = tasks.create_task(self._answer(request, question, before))
        if not sequence:
            return
        self._last_step[key] = step
        self._open.add(key)
        step.add_done_callback(lambda _: self._settle(key, step, question))

    def _settle(self, key: SequenceKey, step: asyncio.Task[None], question: Question) -> None:
        if self._last_step.get(key) is not step:
            return
        del self._last_step[key]
        if question.parameters.sequence_end and not step.cancelled():
            self._open.discard(key)

    async def _answer(
        self, request: Any, question: Question, before: asyncio.Task[None] | None
    ) -> None:
        try:
            if before is not None:
                await asyncio.wait({before})
            await self._write(await self._outcome(request, question))
        finally:
            self._places.release()

    async def _outcome(self, request: Any, question: Question) -> bytes:
        try:
            with Noticed() as notice:
                result = await self._asker.ask(
                    request.model_name,
                    request.model_version or None,
                    within(question, self._context.time_remaining()),
                )
            answer = messages.ModelStreamInferResponse()
            response = answer.infer_response
            if notice.unsaved:
                response.parameters[WARNING_HEADER].string_param = NOT_SAVED
            await self._offload(lambda: fill_answer(response, result, question), size_of(result))
            if wants_final_mark(request):
                mark_final(response)
            return serialised(answer)
        except Exception as error:  # noqa: BLE001 - one request broke, and the stream goes on
            return _failure(question.id, error)

    async def _refuse(self, request_id: str, error: Exception) -> None:
        try:
            await self._write(_failure(request_id, error))
        finally:
            self._places.release()

    async def _write(self, data: bytes) -> None:
        async with self._writing:
            try:
                await self._context.write(data)
            except grpc.aio.BaseError:
                # The client is gone, and gRPC is about to cancel this call.
                log.debug("nobody reads this stream any more")

    async def _offload(self, work: Callable[[], T], size_bytes: int) -> T:
        return await in_proportion(self._services, work, size_bytes)

    def _end_sequences(self) -> None:
        for model, sequence in self._open:
            self._asker.end_sequence(model, sequence)


def _failure(request_id: str, error: Exception) -> bytes:
    """An error within the stream."""
    if not isinstance(error, GaplessError):
        log.error("request of a stream broke", exc_info=error)
    status = status_of(error)
    answer = messages.ModelStreamInferResponse(error_message=status.sentence)
    answer.infer_response.id = request_id
    for name, value in status.metadata:
        answer.infer_response.parameters[name].string_param = value
    return serialised(answer)
