"""The JSON face of the inference engine: ``/v1/infer``, and ``/api/infer`` for those who know it by that name.

In: JSON with tensors, a text or a recording. Out: JSON with tensors, and how long they took. Invariants: the same
engine, queue and sequences as KServe's; the event loop neither computes nor loads. Thread: the event loop's.
"""

from __future__ import annotations

from typing import Any, Final, final
from uuid import uuid4

import msgspec
import numpy as np
from msgspec import UNSET
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.cache.contract import Cache
from gapless.cache.key import digest
from gapless.errors import ProtocolError
from gapless.infer.accepts import audio_steps, text_inputs
from gapless.infer.contract import Array, ModelInfo, TensorInfo
from gapless.infer.flux import digital_root, doubling, flux_positions, read_seed
from gapless.infer.inference import Result
from gapless.serve.infer_messages import (
    INFER_PATHS,
    FluxAnswer,
    InferAnswer,
    InferQuestion,
    ModelDescription,
    TensorDescription,
    TimingMs,
)
from gapless.serve.kserve.ask import Asker
from gapless.serve.kserve.codec import Question
from gapless.serve.kserve.elements import check_json_size, read_elements, write_elements
from gapless.serve.offload import in_executor, in_proportion
from gapless.serve.quick.answers import WireAnswers
from gapless.serve.services import Services

NS_PER_MS: Final = 1_000_000

_QUESTION: Final = msgspec.json.Decoder(InferQuestion)


class Work(msgspec.Struct, frozen=True):
    """What a question asks of the engine."""

    steps: list[dict[str, Array]]
    """Run one after the other."""
    is_row: bool = False
    """The inputs came as one row, without the axis of rows; so do the outputs."""
    is_stream: bool = False
    """The steps are windows of one recording; the outputs are joined along a first axis."""


@final
class JsonFace:
    """Answers questions in JSON.

    Args:
        services: the engine.
        asker: puts questions to it, for all dialects.
        wire_answers: is told of answers that may be asked for again.
    """

    def __init__(self, services: Services, asker: Asker, wire_answers: WireAnswers) -> None:
        self._services: Final = services
        self._default: Final = services.settings.tensor_model
        self._asker: Final = asker
        self._wire_answers: Final = wire_answers

    async def answer(self, body: bytes) -> bytes:
        """The JSON that answers a question.

        Raises:
            GaplessError: the question cannot be read, or not be answered.
        """
        services = self._services
        question = await in_proportion(services, lambda: read_question(body), len(body))
        model = question.model or self._default
        info = await self._asker.info_of(model, question.version)
        work = await self._plan(info, question, len(body))
        results = await _run(self._asker, info, question, work)
        size = sum(array.nbytes for result in results for array in result.outputs.values())
        payload = await in_proportion(services, lambda: write_answer(info, work, results), size)
        if all(result.cached for result in results):
            await self._wire_answers.keep(body, model, question.version, info, payload)
        return payload

    async def describe(self) -> bytes:
        """The JSON that describes the model that answers where none is named.

        Raises:
            GaplessError: it cannot be loaded.
        """
        return msgspec.json.encode(description_of(await self._asker.info_of(self._default, None)))

    async def _plan(self, info: ModelInfo, question: InferQuestion, size_bytes: int) -> Work:
        if question.audio is not None:
            # A filter for its rate may have to be designed first.
            return await in_executor(self._services, lambda: work_of(info, question))
        return await in_proportion(self._services, lambda: work_of(info, question), size_bytes)


def routes(services: Services, face: JsonFace) -> list[Route]:
    """The routes of the JSON face.

    Args:
        services: the engine.
        face: answers questions.
    """

    async def answer(request: Request) -> Response:
        if request.method == "POST":
            return _json(await face.answer(await request.body()))
        return _json(await face.describe())

    async def flux(request: Request) -> Response:
        seed = request.path_params["seed"]
        key = digest(seed.encode())

        async def compute() -> bytes:
            return flux_answer(seed)

        return _json((await services.cache.get("flux", key, compute)).value)

    return [
        *(Route(path, answer, methods=["GET", "POST"]) for path in INFER_PATHS),
        Route("/v1/flux/{seed}", flux),
    ]


def read_question(body: bytes) -> InferQuestion:
    """Read a request.

    Raises:
        ProtocolError: it is no question, or more than one.
    """
    try:
        question = _QUESTION.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the JSON cannot be used: {error}; see /docs") from error
    given = (question.inputs, question.text, question.audio)
    if sum(each is not None for each in given) != 1:
        raise ProtocolError("a question has one of inputs, text and audio; send one of them")
    return question


def work_of(info: ModelInfo, question: InferQuestion) -> Work:
    """What a question asks of this model.

    Raises:
        ProtocolError: the tensors cannot be read, or the model does not accept what was sent.
        TooLargeError: too many elements for JSON.
        AudioError: the recording cannot be used.
    """
    if question.text is not None:
        return Work([text_inputs(info, question.text)], is_row=info.batched)
    if question.audio is not None:
        rate_hz = question.sample_rate or info.audio_rate_hz or 0
        return Work(audio_steps(info, question.audio, rate_hz), is_stream=True)
    given = question.inputs or {}
    check_json_size(sum(len(memoryview(data)) for data in given.values()))
    takes = {tensor.name: tensor for tensor in info.inputs}
    inputs: dict[str, Array] = {}
    for name, data in given.items():
        if name not in takes:
            raise ProtocolError(
                f"the model {info.name} takes no input {name!r}; send {', '.join(takes)}",
                param=name,
            )
        inputs[name] = read_elements(data, takes[name].datatype, name)
    is_row = info.batched and all(
        array.ndim == len(takes[name].shape) for name, array in inputs.items()
    )
    if is_row:
        inputs = {name: array[np.newaxis] for name, array in inputs.items()}
    return Work([inputs], is_row=is_row)


def write_answer(info: ModelInfo, work: Work, results: list[Result]) -> bytes:
    """The JSON that answers.

    Raises:
        ProtocolError: an output cannot be written in JSON.
        ModelError: the manifest asks for a flux position, and the outputs have none.
    """
    outputs = _joined(info, work, results)
    positions = flux_positions(info, outputs).tolist() if info.flux else UNSET
    return msgspec.json.encode(
        InferAnswer(
            model=results[0].model,
            version=results[0].version,
            outputs={name: write_elements(array, name) for name, array in outputs.items()},
            cached=all(result.cached for result in results),
            timing_ms=TimingMs(
                queue=sum(result.queue_ns for result in results) / NS_PER_MS,
                compute=sum(result.compute_ns for result in results) / NS_PER_MS,
            ),
            flux_position=_alone(positions),
        )
    )


def flux_answer(seed: str) -> bytes:
    """The JSON that answers a question for positions.

    Raises:
        ProtocolError: ``seed`` is no whole number, or too long.
    """
    number = read_seed(seed)
    return msgspec.json.encode(FluxAnswer(seed, digital_root(number), doubling(number)))


async def prepare(cache: Cache) -> None:
    """Put the positions of the ten digits into the cache, where they stay."""
    for number in range(10):
        seed = str(number)
        await cache.put("flux", digest(seed.encode()), flux_answer(seed), pinned=True)


def description_of(info: ModelInfo) -> ModelDescription:
    """What a model takes and gives."""

    def described(tensors: tuple[TensorInfo, ...]) -> tuple[TensorDescription, ...]:
        return tuple(
            TensorDescription(
                tensor.name, tensor.datatype, tensor.shape, tensor.labels, tensor.optional
            )
            for tensor in tensors
        )

    return ModelDescription(
        model=info.name,
        version=info.version,
        kind=info.kind,
        description=info.description,
        licence=info.licence,
        inputs=described(info.inputs),
        outputs=described(info.outputs),
        batched=info.batched,
        sequences=info.sequences != "none",
        accepts=info.accepts,
        audio_rate_hz=info.audio_rate_hz,
        flux=info.flux,
    )


async def _run(asker: Asker, info: ModelInfo, question: InferQuestion, work: Work) -> list[Result]:
    """Ask the engine step by step; steps of a model with state are those of one sequence."""
    asked = question.parameters
    if work.is_stream and info.sequences != "none" and not asked.sequence_id:
        # The recording is the whole sequence.
        asked = replace(asked, sequence_id=uuid4().hex, sequence_start=True, sequence_end=True)
    results = []
    last = len(work.steps) - 1
    try:
        for number, inputs in enumerate(work.steps):
            parameters = asked
            if last:
                parameters = replace(
                    asked,
                    sequence_start=asked.sequence_start and number == 0,
                    sequence_end=asked.sequence_end and number == last,
                )
            step = Question(inputs=inputs, parameters=parameters)
            results.append(await asker.ask(info.name, question.version, step, info))
    except BaseException:
        if asked.sequence_id and asked.sequence_end:
            asker.end_sequence(info.name, asked.sequence_id)
        raise
    return results


def _joined(info: ModelInfo, work: Work, results: list[Result]) -> dict[str, Array]:
    if work.is_stream:
        join = np.concatenate if info.batched else np.stack
        return {
            name: join([result.outputs[name] for result in results]) for name in results[0].outputs
        }
    (result,) = results
    return {name: array[0, ...] if work.is_row else array for name, array in result.outputs.items()}


def _alone(positions: Any) -> Any:
    """What is inside lists of one."""
    while isinstance(positions, list) and len(positions) == 1:
        (positions,) = positions
    return positions


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
