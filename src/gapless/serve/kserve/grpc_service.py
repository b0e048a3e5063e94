"""``GRPCInferenceService``, all of it that is a question and an answer.

In: request messages. Out: response messages. Invariants: nothing here is computed on the event loop, and no model is
loaded on it; what HTTP says of models (``facts``), this says too. Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gapless.errors import ModelNotFoundError, ProtocolError
from gapless.infer.contract import ModelInfo
from gapless.infer.repository.config_pbtxt import model_config
from gapless.infer.wire import messages
from gapless.serve.kserve import facts
from gapless.serve.kserve.ask import Asker
from gapless.serve.kserve.codec import Question
from gapless.serve.kserve.grpc_call import Context, serialised
from gapless.serve.kserve.grpc_codec import (
    fill_answer,
    read_question,
    read_request,
    size_of,
)
from gapless.serve.offload import in_executor, in_proportion
from gapless.serve.services import Services
from gapless.serve.workers.everywhere import load_everywhere, unload_everywhere
from gapless.serve.workers.siblings import Siblings


class KServeService:
    """All methods but ``ModelStreamInfer``.

    Args:
        services: the engine.
        asker: puts questions to it, for all dialects.
        is_ready: whether the server welcomes work.
        siblings: the other workers, which have models of their own; None: there are none.
    """

    def __init__(
        self,
        services: Services,
        asker: Asker,
        is_ready: Callable[[], bool],
        siblings: Siblings | None = None,
    ) -> None:
        self._siblings = siblings
        self._services = services
        self._models = services.inference.models
        self._asker = asker
        self._is_ready = is_ready

    async def server_live(self, context: Context) -> None:
        """Whether the process answers: it does. The request, which is empty, is not read."""
        await context.write(serialised(messages.ServerLiveResponse(live=True)))

    async def server_ready(self, context: Context) -> None:
        """Whether work may be sent here. The request, which is empty, is not read."""
        await context.write(serialised(messages.ServerReadyResponse(ready=self._is_ready())))

    async def model_ready(self, request: Any) -> Any:
        """Whether a model answers; a model that is not here does not."""
        try:
            status = facts.find_model(self._models, request.name, request.version or None)
        except ModelNotFoundError:
            return messages.ModelReadyResponse(ready=False)
        return messages.ModelReadyResponse(ready=status.state == "READY")

    async def server_metadata(self, _: Any) -> Any:
        """What this server is, and can."""
        return _filled(messages.ServerMetadataResponse, facts.server_metadata())

    async def model_metadata(self, request: Any) -> Any:
        """What a model takes and gives."""
        info = await self._info_of(request)
        return _filled(messages.ModelMetadataResponse, facts.model_metadata(self._models, info))

    async def model_config(self, request: Any) -> Any:
        """The same, as Triton's configuration says it."""
        info = await self._info_of(request)
        return messages.ModelConfigResponse(config=model_config(info))

    async def model_statistics(self, request: Any) -> Any:
        """What was counted and timed, of one model or of all."""
        counted = self._services.inference.statistics()
        found = facts.model_statistics(
            self._models, counted, request.name or None, request.version or None
        )
        return messages.ModelStatisticsResponse(
            model_stats=[msgspec.to_builtins(each) for each in found]
        )

    async def repository_index(self, request: Any) -> Any:
        """Everything that is here."""
        _require_the_repository(request)
        found = facts.index_entries(self._models, only_ready=request.ready)
        return messages.RepositoryIndexResponse(
            models=[msgspec.to_builtins(each) for each in found]
        )

    async def load_model(self, request: Any) -> Any:
        """Load or reload a model."""
        _require_the_repository(request)
        facts.refuse_overrides(request.parameters)
        await in_executor(self._services, lambda: self._models.load(request.model_name))
        await load_everywhere(self._siblings, request.model_name)
        return messages.RepositoryModelLoadResponse()

    async def unload_model(self, request: Any) -> Any:
        """Take a model out until it is loaded again."""
        _require_the_repository(request)
        await in_executor(self._services, lambda: self._models.unload(request.model_name))
        await unload_everywhere(self._siblings, request.model_name)
        return messages.RepositoryModelUnloadResponse()

    async def infer(self, data: bytes, remaining_s: float | None) -> Any:
        """Ask a model.

        Args:
            data: a ``ModelInferRequest``, not read yet.
            remaining_s: when the caller gives up; None: never.
        """
        request = await in_proportion(self._services, lambda: read_request(data), len(data))
        question = await in_proportion(self._services, lambda: read_question(request), len(data))
        result = await self._asker.ask(
            request.model_name, request.model_version or None, within(question, remaining_s)
        )
        response = messages.ModelInferResponse()
        await in_proportion(
            self._services, lambda: fill_answer(response, result, question), size_of(result)
        )
        return response

    async def _info_of(self, request: Any) -> ModelInfo:
        return await in_executor(
            self._services,
            lambda: facts.info_of(self._models, request.name, request.version or None),
        )


def within(question: Question, remaining_s: float | None) -> Question:
    """The question, to be answered before its caller gives up."""
    if remaining_s is None:
        return question
    left_us = max(1, int(remaining_s * 1_000_000))
    asked = question.parameters
    timeout = min(asked.timeout, left_us) if asked.timeout else left_us
    return msgspec.structs.replace(
        question, parameters=msgspec.structs.replace(asked, timeout=timeout)
    )


def _filled(kind: Any, fact: msgspec.Struct) -> Any:
    """A message from a struct whose fields have the same names."""
    return kind(**msgspec.to_builtins(fact))


def _require_the_repository(request: Any) -> None:
    if request.repository_name:
        raise ProtocolError(
            f"there is one repository here, without a name, and not {request.repository_name!r}; leave the name out",
            param="repository_name",
        )
