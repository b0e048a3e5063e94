"""The engine over a real network with state: streams that share calls get what they would get alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gapless.infer.contract import Array
from gapless.infer.inference import Inference, Request, Result
from gapless.infer.onnx.model import OnnxLoader, OnnxModel
from gapless.infer.repository.manifest import Manifest, StateEntry
from gapless.testing.by_hand import ByHand
from gapless.testing.models import FixedModels
from gapless.testing.onnx_models import write_gru

STEPS = 12


@pytest.fixture
def gru(tmp_path: Path) -> Iterator[OnnxModel]:
    states = (StateEntry(input="h", output="h_next", axis=1),)
    path = write_gru(tmp_path / "model.onnx")
    model = OnnxLoader(1)("gru", "1", Manifest(states=states, max_batch=8), path)
    yield model
    model.close()


def sound(seed: int) -> Array:
    return np.random.default_rng(seed).normal(0, 1, (STEPS, 1, 8)).astype(np.float32)


def alone(model: OnnxModel, steps: Array) -> Array:
    """What one stream gives, carried by hand."""
    hidden = np.zeros((1, 1, 16), np.float32)
    answers = []
    for x in steps:
        given = model.run({"x": x, "h": hidden})
        hidden = given["h_next"]
        answers.append(given["y"])
    return np.stack(answers)


def together(model: OnnxModel, streams: list[Array]) -> list[Array]:
    """What streams give that share every call."""
    engine = ByHand(model)
    opened = [engine.stream() for _ in streams]
    answers: list[list[Array]] = [[] for _ in streams]
    for step in range(STEPS):
        asked = [
            engine.offer({"x": steps[step]}, stream)
            for steps, stream in zip(streams, opened, strict=True)
        ]
        engine.run_all()
        for question, given in zip(asked, answers, strict=True):
            (outcome,) = question.outcomes
            assert isinstance(outcome, Result)
            assert outcome.rows == len(streams)
            given.append(outcome.outputs["y"])
    for stream in opened:
        stream.close()
    return [np.stack(given) for given in answers]


@pytest.mark.parametrize("streams", [2, 5, 8])
def test_in_the_same_bucket_the_bits_do_not_depend_on_the_others(
    gru: OnnxModel, streams: int
) -> None:
    for place in range(streams):
        one = [sound(7) if at == place else sound(100 + at) for at in range(streams)]
        two = [sound(7) if at == place else sound(200 + at) for at in range(streams)]
        first, second = together(gru, one)[place], together(gru, two)[place]
        assert first.tobytes() == second.tobytes()
        assert np.allclose(first, alone(gru, sound(7)), rtol=1e-5, atol=1e-6)


def test_threads_and_tasks_that_stream_together_get_what_they_would_get_alone(
    gru: OnnxModel,
) -> None:
    shared: list[int] = []

    def in_a_thread(seed: int) -> Array:
        answers = []
        with inference.open_sequence("gru") as stream:
            for x in sound(seed):
                answer = inference.infer(Request(model="gru", inputs={"x": x}, sequence=stream))
                shared.append(answer.rows)
                answers.append(answer.outputs["y"])
        return np.stack(answers)

    async def in_a_task(seed: int) -> Array:
        answers = []
        with await inference.open_sequence_async("gru") as stream:
            for x in sound(seed):
                request = Request(model="gru", inputs={"x": x}, sequence=stream)
                answer = await inference.infer_async(request)
                shared.append(answer.rows)
                answers.append(answer.outputs["y"])
        return np.stack(answers)

    async def all_tasks() -> list[Array]:
        return await asyncio.gather(*(in_a_task(seed) for seed in range(8, 16)))

    with Inference(FixedModels(gru)) as inference, ThreadPoolExecutor(9) as threads:
        tasks = threads.submit(asyncio.run, all_tasks())
        answers = list(threads.map(in_a_thread, range(8)))
        answers += tasks.result(20)
        for seed, given in enumerate(answers):
            assert np.allclose(given, alone(gru, sound(seed)), rtol=1e-5, atol=1e-6)
        assert inference.statistics()[0].sequences == 0
    assert max(shared) > 1
