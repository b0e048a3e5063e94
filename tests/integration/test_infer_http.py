"""The JSON face of the inference engine: numbers, texts and sound in, answers out."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import numpy as np
import pytest
from msgspec.structs import replace

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.errors import ModelError
from gapless.infer.contract import Array, ModelInfo, TensorInfo, Tensors
from gapless.infer.inference import Inference
from gapless.listen.vad import VAD_MODEL, Vad
from gapless.serve.kserve.elements import MAX_JSON_BYTES
from gapless.settings import Settings
from gapless.testing.models import (
    FixedModels,
    FunctionModel,
    double,
    mirror,
    picky,
    running_sum,
    upper,
)
from gapless.testing.server import running_server
from gapless.testing.services import ScriptedServices

ANSWER = {"model", "version", "outputs", "cached", "timing_ms"}


def classifier() -> FunctionModel:
    """``x`` FP32 [30] -> the same, with labels; its answers carry a flux position."""
    scores = TensorInfo(
        name="scores", datatype="FP32", shape=(30,), labels=tuple(f"label {n}" for n in range(30))
    )
    info = ModelInfo(
        name="classifier",
        platform="python",
        inputs=(TensorInfo(name="x", datatype="FP32", shape=(30,)),),
        outputs=(scores,),
        batched=True,
        flux=True,
    )
    return FunctionModel(info, lambda inputs: {"scores": inputs["x"].copy()})


def listening(model: FunctionModel, name: str, hop: int | None = None) -> FunctionModel:
    """The same model under another name, as one that takes sound."""
    info = replace(
        model.info,
        name=name,
        accepts="audio",
        audio_rate_hz=LISTEN_RATE_HZ,
        audio_hop_samples=hop,
    )
    return FunctionModel(info, model.run)


def in_base64(samples: list[int] | Samples) -> str:
    array = np.asarray(samples)
    if array.dtype == np.float32:
        array = np.round(array * 2**15).clip(-(2**15), 2**15 - 1)
    return base64.b64encode(array.astype("<i2").tobytes()).decode()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    models = FixedModels(
        double(),
        upper(),
        mirror(),
        picky(),
        running_sum(),
        classifier(),
        listening(double(), "hears"),
        listening(running_sum(), "hears_on"),
    )
    with (
        Inference(models) as inference,
        ScriptedServices(
            Settings(port=0, save=False, tensor_model="double"), inference=inference
        ) as services,
        running_server(services) as running,
        httpx.Client(base_url=running.url) as client,
    ):
        yield client


def ask(client: httpx.Client, **question: Any) -> dict[str, Any]:
    response = client.post("/v1/infer", json=question)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("path", ["/v1/infer", "/api/infer"])
def test_a_question_is_answered_at_both_addresses(client: httpx.Client, path: str) -> None:
    response = client.post(path, json={"model": "double", "inputs": {"x": [[1, 2, 3, 4]]}})

    answer = response.json()
    assert response.status_code == 200
    assert set(answer) == ANSWER
    assert (answer["model"], answer["version"], answer["cached"]) == ("double", "1", False)
    assert answer["outputs"] == {"y": [[2, 4, 6, 8]]}
    assert set(answer["timing_ms"]) == {"queue", "compute"}
    assert all(value > 0 for value in answer["timing_ms"].values())


def test_a_plain_get_describes_the_default_model(client: httpx.Client) -> None:
    for path in ("/v1/infer", "/api/infer"):
        described = client.get(path).json()
        assert (described["model"], described["batched"]) == ("double", True)
        assert described["inputs"][0]["name"] == "x"
        assert described["inputs"][0]["shape"] == [4]
        assert client.head(path).status_code == 200


def test_one_row_is_answered_as_one_row_and_several_as_several(client: httpx.Client) -> None:
    assert ask(client, inputs={"x": [1, 2, 3, 4]})["outputs"] == {"y": [2, 4, 6, 8]}
    rows = [[1, 0, 0, 0], [2, 0, 0, 0]]
    assert ask(client, inputs={"x": rows})["outputs"] == {"y": [[2, 0, 0, 0], [4, 0, 0, 0]]}
    assert ask(client, model="mirror", inputs={"x": [1, 2]})["outputs"] == {"y": [2, 1]}


def test_a_text_is_answered(client: httpx.Client) -> None:
    assert ask(client, model="upper", text="abc")["outputs"] == {"shouted": ["ABC"]}
    assert ask(client, model="upper", inputs={"text": [["a"], ["b"]]})["outputs"] == {
        "shouted": [["A"], ["B"]]
    }


def test_sound_is_cut_into_windows(client: httpx.Client) -> None:
    answer = ask(client, model="hears", audio=in_base64([2**14] * 9), sample_rate=LISTEN_RATE_HZ)

    assert answer["outputs"] == {"y": [[1.0] * 4] * 2}


def test_windows_for_a_model_that_remembers_are_steps_of_one_sequence(client: httpx.Client) -> None:
    sound = in_base64([2**14] * 9)

    first, second = (ask(client, model="hears_on", audio=sound) for _ in range(2))

    assert [row[0] for row in first["outputs"]["sum"]] == [0.5, 1.0, 1.5]
    assert first["outputs"]["steps"] == [[1], [2], [3]]
    assert second["outputs"] == first["outputs"]


def test_a_recording_may_come_in_parts(client: httpx.Client) -> None:
    sound = in_base64([2**14] * 6)
    steps = []
    for where in ({"sequence_start": True}, {}, {"sequence_end": True}):
        answer = ask(
            client, model="hears_on", audio=sound, parameters={"sequence_id": "talk", **where}
        )
        steps += [row[0] for row in answer["outputs"]["steps"]]

    assert steps == [1, 2, 3, 4, 5, 6]
    late = {"model": "hears_on", "audio": sound, "parameters": {"sequence_id": "talk"}}
    assert client.post("/v1/infer", json=late).status_code == 400


def test_the_label_of_an_answer_has_a_flux_position(client: httpx.Client) -> None:
    scores = np.eye(30)

    assert ask(client, model="classifier", inputs={"x": scores[27].tolist()})["flux_position"] == 9
    rows = scores[[0, 11, 28]].tolist()
    assert ask(client, model="classifier", inputs={"x": rows})["flux_position"] == [0, 2, 1]


@pytest.mark.parametrize(
    ("seed", "position", "sequence"),
    [
        ("1", 1, "248751248"),
        ("872", 8, "751248751"),
        ("9", 9, "999999999"),
        ("-888", 6, "363636363"),
    ],
)
def test_a_seed_has_a_position_and_a_sequence(
    client: httpx.Client, seed: str, position: int, sequence: str
) -> None:
    assert client.get(f"/v1/flux/{seed}").json() == {
        "seed": seed,
        "position": position,
        "sequence": [int(step) for step in sequence],
    }


@pytest.mark.parametrize("seed", ["x", "1.5", "1" * 1001])
def test_what_is_no_seed_is_refused(client: httpx.Client, seed: str) -> None:
    response = client.get(f"/v1/flux/{seed}")

    assert response.status_code == 400
    assert response.json()["error"]["param"] == "seed"


@pytest.mark.parametrize(
    ("question", "status", "code", "param"),
    [
        ({}, 400, "invalid_request", None),
        ({"inputs": {}, "text": "a"}, 400, "invalid_request", None),
        ({"inputs": {"x": [1, 2, 3, 4]}, "extra": 1}, 400, "invalid_request", None),
        ({"model": "nothing", "inputs": {}}, 404, "model_not_found", None),
        ({"model": "double", "version": "7", "inputs": {}}, 404, "model_not_found", None),
        ({"inputs": {"z": [1]}}, 400, "invalid_request", "z"),
        ({"inputs": {"x": [1, 2]}}, 400, "model_error", "x"),
        ({"inputs": {"x": [1, 2, 3, "4"]}}, 400, "invalid_request", "x"),
        ({"inputs": {"x": [[1, 2], [3]]}}, 400, "invalid_request", "x"),
        ({"inputs": {}}, 400, "model_error", "x"),
        ({"text": "a"}, 400, "invalid_request", "text"),
        ({"audio": "AAAA"}, 400, "invalid_request", "audio"),
        ({"model": "hears", "audio": "A"}, 400, "invalid_request", None),
        ({"model": "hears", "audio": ""}, 400, "invalid_audio", "audio"),
        ({"model": "hears", "audio": "AAAA", "sample_rate": 1}, 400, "unsupported_audio", None),
        ({"model": "picky", "inputs": {"x": [-999, 0, 0, 0]}}, 500, "model_error", None),
    ],
)
def test_refusals_have_the_native_shape(
    client: httpx.Client, question: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    response = client.post("/v1/infer", json=question)

    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"code", "message", "param", "retryable", "retry_after_ms"}
    assert error["code"] == code
    if param is not None:
        assert error["param"] == param


@pytest.mark.long
def test_more_numbers_in_json_than_are_read_are_refused(client: httpx.Client) -> None:
    body = b'{"inputs": {"x": [%s0]}}' % (b" " * MAX_JSON_BYTES)

    response = client.post("/v1/infer", content=body)

    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


@pytest.mark.long
def test_a_recording_that_fails_halfway_leaves_no_sequence_open() -> None:
    model = running_sum()

    def fails_when_loud(inputs: Tensors) -> dict[str, Array]:
        if inputs["x"].max() > 0.9:
            raise ModelError("too loud; speak softly")
        return model.run(inputs)

    picky_ear = FunctionModel(listening(model, "hears_on").info, fails_when_loud)
    with (
        Inference(FixedModels(picky_ear)) as inference,
        ScriptedServices(Settings(port=0, save=False), inference=inference) as services,
        running_server(services) as running,
    ):
        question = {"model": "hears_on", "audio": in_base64([0] * 6 + [2**15 - 1] * 6)}
        response = httpx.post(f"{running.url}/v1/infer", json=question)
        (statistics,) = inference.statistics()

    assert response.status_code == 500
    assert "too loud" in response.json()["error"]["message"]
    assert (statistics.rows, statistics.sequences) == (2, 0)


@pytest.mark.long
def test_the_voice_detector_judges_every_window_of_a_recording(
    inference: Inference, load_speech: Callable[[str], Samples]
) -> None:
    samples = load_speech("telephone.wav")[: 3 * LISTEN_RATE_HZ]
    with (
        ScriptedServices(Settings(port=0, save=False), inference=inference) as services,
        running_server(services) as running,
    ):
        described = httpx.get(f"{running.url}/v1/infer").json()
        question = {"audio": in_base64(samples), "sample_rate": LISTEN_RATE_HZ}
        answer = httpx.post(f"{running.url}/v1/infer", json=question).json()

    assert (described["model"], described["accepts"]) == (VAD_MODEL, "audio")
    with closing(Vad(inference)) as vad:
        heard = np.round(samples * 2**15) * np.float32(2**-15)
        expected = vad.process(heard.astype(np.float32))
    probabilities = answer["outputs"]["speech_probs"]
    assert len(probabilities) == len(samples) // 512
    assert probabilities == pytest.approx(expected.tolist(), abs=1e-5)
    assert min(probabilities) < 0.1
    assert max(probabilities) > 0.8
