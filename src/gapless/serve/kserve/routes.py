"""KServe v2 over HTTP: every address that clients of Triton know.

In: HTTP requests. Out: HTTP answers, refusals as ``{"error": "..."}``. Invariants: the event loop neither computes nor
loads: large bodies, compressed ones and models that are not in memory are the executor's. Thread: the event loop's.

Source: Open Inference Protocol, ``inference_rest.md``; Triton's extensions; the addresses of ``tritonclient``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.errors import ProtocolError
from gapless.infer.contract import ModelInfo
from gapless.infer.inference import Result
from gapless.serve.kserve import facts
from gapless.serve.kserve.ask import Asker
from gapless.serve.kserve.codec import (
    HEADER_LENGTH,
    Question,
    read_header_length,
    read_question,
    read_raw_question,
    write_answer,
)
from gapless.serve.kserve.config_json import config_as_json
from gapless.serve.kserve.encoding import (
    Encoding,
    deflate,
    encoding_of,
    inflate,
    wanted_encoding,
)
from gapless.serve.kserve.messages import (
    IndexRequest,
    LoadRequest,
    ModelReady,
    ServerLive,
    ServerReady,
    StatisticsAnswer,
)
from gapless.serve.offload import in_executor, in_proportion
from gapless.serve.services import Services
from gapless.serve.workers.everywhere import load_everywhere, unload_everywhere
from gapless.serve.workers.siblings import Siblings

Endpoint: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]
Body = TypeVar("Body", IndexRequest, LoadRequest)


def routes(
    services: Services,
    asker: Asker,
    is_ready: Callable[[], bool],
    siblings: Siblings | None = None,
) -> list[Route]:
    """The routes of KServe.

    Args:
        services: the engine.
        asker: puts questions to it, for all dialects.
        is_ready: whether the server welcomes work.
        siblings: the other workers, which have models of their own; None: there are none.
    """
    return [
        *_inference_routes(services, asker),
        *_server_routes(is_ready),
        *_model_routes(services),
        *_repository_routes(services, siblings),
    ]


def _inference_routes(services: Services, asker: Asker) -> list[Route]:
    async def infer(request: Request) -> Response:
        name, version = _model(request)
        question = await read(request, name, version)
        result = await asker.ask(name, version, question)
        return await answer(request, question, result)

    async def read(request: Request, name: str, version: str | None) -> Question:
        encoding = encoding_of(request.headers.get("content-encoding"))
        json_length = read_header_length(request.headers.get(HEADER_LENGTH))
        body = await request.body()
        if encoding is not None:
            packed, most = body, services.settings.max_body_bytes
            body = await in_executor(services, lambda: inflate(packed, encoding, most))
        if json_length == 0:
            return read_raw_question(body, await asker.info_of(name, version))
        return await in_proportion(services, lambda: read_question(body, json_length), len(body))

    async def answer(request: Request, question: Question, result: Result) -> Response:
        encoding = wanted_encoding(request.headers.get("accept-encoding"))
        size = sum(array.nbytes for array in result.outputs.values())
        return await in_proportion(services, lambda: _response(question, result, encoding), size)

    return _for_models("/infer", infer, "POST")


def _server_routes(is_ready: Callable[[], bool]) -> list[Route]:
    async def live(_: Request) -> Response:
        return _json(ServerLive())

    async def ready(_: Request) -> Response:
        is_welcome = is_ready()
        return _json(ServerReady(is_welcome), 200 if is_welcome else 503)

    async def server(_: Request) -> Response:
        return _json(facts.server_metadata())

    return [
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route("/v2", server),
    ]


def _model_routes(services: Services) -> list[Route]:
    models = services.inference.models

    async def info_of(request: Request) -> ModelInfo:
        return await in_executor(services, lambda: facts.info_of(models, *_model(request)))

    async def model(request: Request) -> Response:
        return _json(facts.model_metadata(models, await info_of(request)))

    async def ready(request: Request) -> Response:
        status = facts.find_model(models, *_model(request))
        facts.require_ready(status)
        return _json(ModelReady(status.name))

    async def config(request: Request) -> Response:
        return _json(config_as_json(await info_of(request)))

    async def statistics(request: Request) -> Response:
        counted = services.inference.statistics()
        name, version = _model(request)
        return _json(StatisticsAnswer(facts.model_statistics(models, counted, name, version)))

    async def all_statistics(_: Request) -> Response:
        counted = services.inference.statistics()
        return _json(StatisticsAnswer(facts.model_statistics(models, counted)))

    return [
        Route("/v2/models/stats", all_statistics),
        *_for_models("", model),
        *_for_models("/ready", ready),
        *_for_models("/config", config),
        *_for_models("/stats", statistics),
    ]


def _repository_routes(services: Services, siblings: Siblings | None) -> list[Route]:
    models = services.inference.models

    def others(request: Request) -> Siblings | None:
        """Whom to tell; what came from one of them is known there."""
        return None if siblings is None or siblings.is_inside(request.scope) else siblings

    async def index(request: Request) -> Response:
        asked = await _body(request, IndexRequest)
        return _json(facts.index_entries(models, only_ready=asked.ready))

    async def load(request: Request) -> Response:
        asked = await _body(request, LoadRequest)
        facts.refuse_overrides(asked.parameters)
        name, _ = _model(request)
        await in_executor(services, lambda: models.load(name))
        await load_everywhere(others(request), name)
        return Response()

    async def unload(request: Request) -> Response:
        await _body(request, LoadRequest)
        name, _ = _model(request)
        await in_executor(services, lambda: models.unload(name))
        await unload_everywhere(others(request), name)
        return Response()

    return [
        Route("/v2/repository/index", index, methods=["POST"]),
        Route("/v2/repository/models/{model}/load", load, methods=["POST"]),
        Route("/v2/repository/models/{model}/unload", unload, methods=["POST"]),
    ]


def _for_models(what: str, endpoint: Endpoint, method: str = "GET") -> list[Route]:
    """A route for the version that answers by default, and one for any."""
    return [
        Route(f"/v2/models/{{model}}{version}{what}", endpoint, methods=[method])
        for version in ("", "/versions/{version}")
    ]


def _model(request: Request) -> tuple[str, str | None]:
    return request.path_params["model"], request.path_params.get("version")


async def _body(request: Request, kind: type[Body]) -> Body:
    """The JSON of a request, which may be absent."""
    body = await request.body()
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the JSON cannot be used: {error}; leave the body empty") from error


def _response(question: Question, result: Result, encoding: Encoding | None) -> Response:
    body, json_length = write_answer(result, question)
    headers = {} if json_length is None else {HEADER_LENGTH: str(json_length)}
    if encoding is not None:
        body = deflate(body, encoding)
        headers |= {"content-encoding": encoding, "vary": "accept-encoding"}
    media_type = "application/json" if json_length is None else "application/octet-stream"
    return Response(body, headers=headers, media_type=media_type)


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
