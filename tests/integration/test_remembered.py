"""Answers that are given again, over real HTTP: by models, of recordings, of flux positions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from gapless.cache.contract import NamespaceStats
from gapless.infer.inference import Inference
from gapless.infer.open import open_inference
from gapless.settings import Settings
from gapless.store.contract import TranscriptQuery
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.models import FixedModels, FunctionModel, double, running_sum
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.testing.server import running_server
from gapless.testing.services import ScriptedServices

ROW = {"x": [1, 2, 3, 4]}


def remembered(model: FunctionModel) -> FunctionModel:
    """The same model, with answers that may be remembered."""
    return FunctionModel(replace(model.info, digest="d1"), model.run)


class Station:
    """A server, what it works with, and a client."""

    def __init__(self, stack: ExitStack, folder: Path, inference: Inference) -> None:
        self.recogniser = ScriptedRecogniser()
        self.store = SqliteStore(folder / "transcripts.db")
        stack.callback(self.store.close)
        self.inference = inference
        self.services = stack.enter_context(
            ScriptedServices(
                Settings(port=0, tensor_model="double"),
                self.recogniser,
                self.store,
                inference=self.inference,
            )
        )
        running = stack.enter_context(running_server(self.services))
        self.client = stack.enter_context(httpx.Client(base_url=running.url, timeout=30))

    def ask(self, **question: Any) -> dict[str, Any]:
        response = self.client.post("/v1/infer", json=question)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def hear(
        self, file: bytes, headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        response = self.client.post(
            "/v1/audio/transcriptions",
            files={"file": ("talk.flac", file)},
            data={"model": "scripted", **fields},
            headers=headers,
        )
        assert response.status_code == 200, response.text
        return response

    def rows(self, model: str) -> int:
        """Rows that the engine ran."""
        return sum(each.rows for each in self.inference.statistics() if each.name == model)

    def stats(self, namespace: Any) -> NamespaceStats:
        return self.services.cache.stats()[namespace]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Station]:
    """Has models."""
    forgetful = FunctionModel(replace(double().info, name="forgetful"), double().run)
    vectors = replace(double().info, name="vectors", digest="d2", kind="embedding")
    models = FixedModels(
        remembered(double()),
        remembered(running_sum()),
        forgetful,
        FunctionModel(vectors, double().run),
    )
    with ExitStack() as stack:
        yield Station(stack, tmp_path, stack.enter_context(Inference(models)))


@pytest.fixture(scope="module")
def ears() -> Iterator[Inference]:
    with open_inference(Settings(models_dir="/nowhere", repository_poll_ms=0)) as inference:
        yield inference


@pytest.fixture
def station(tmp_path: Path, ears: Inference) -> Iterator[Station]:
    """Hears."""
    with ExitStack() as stack:
        yield Station(stack, tmp_path, ears)


@pytest.fixture(scope="module")
def speech(speech_dir: Path) -> bytes:
    return (speech_dir / "sentence.flac").read_bytes()


def test_an_equal_question_is_not_computed_again(asked: Station) -> None:
    first = asked.ask(inputs=ROW)
    again = asked.ask(inputs=ROW)
    other = asked.ask(inputs={"x": [1, 2, 3, 5]})

    assert (first["cached"], again["cached"], other["cached"]) == (False, True, False)
    assert again["outputs"] == first["outputs"] == {"y": [2, 4, 6, 8]}
    assert again["timing_ms"] == {"queue": 0, "compute": 0}
    assert asked.rows("double") == 2


def test_dialects_share_what_is_remembered(asked: Station) -> None:
    asked.ask(inputs={"x": [[1, 2, 3, 4]]})
    body = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
    answer = asked.client.post("/v2/models/double/infer", json=body).json()

    assert answer["outputs"][0]["data"] == [2, 4, 6, 8]
    assert asked.rows("double") == 1
    assert asked.stats("inference").memory_hits == 1


def test_who_wants_it_anew_gets_it_anew(asked: Station) -> None:
    asked.ask(inputs=ROW)
    assert not asked.ask(inputs=ROW, parameters={"cache": False})["cached"]
    assert asked.rows("double") == 2


def test_what_must_not_be_remembered_is_not(asked: Station) -> None:
    for _ in range(2):
        assert not asked.ask(model="forgetful", inputs=ROW)["cached"]
    totals = [
        asked.ask(
            model="running_sum",
            inputs={"x": [[1.0, 1.0, 1.0]]},
            parameters={"sequence_id": 7, "sequence_start": number == 0},
        )["outputs"]
        for number in range(2)
    ]
    assert totals[0] != totals[1]


def test_vectors_have_a_budget_of_their_own(asked: Station) -> None:
    asked.ask(model="vectors", inputs=ROW)
    assert asked.ask(model="vectors", inputs=ROW)["cached"]
    assert asked.stats("embedding").memory_hits == 1
    assert asked.stats("inference").entries == 0


def test_equal_questions_at_the_same_time_are_one(asked: Station) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: asked.ask(inputs=ROW)["outputs"], range(64)))
    assert answers == [{"y": [2, 4, 6, 8]}] * 64
    assert asked.rows("double") == 1


def test_a_recording_is_heard_once_and_kept_for_each_who_asked(
    station: Station, speech: bytes
) -> None:
    first = station.hear(speech, response_format="verbose_json")
    opened = len(station.recogniser.opened)
    again = station.hear(speech, response_format="verbose_json")

    assert again.json() == first.json()
    assert len(station.recogniser.opened) == opened > 0
    ids = [answer.headers["x-gapless-transcript-id"] for answer in (first, again)]
    transcripts = [station.store.get(id_) for id_ in ids]
    assert transcripts[0].utterances == transcripts[1].utterances != ()
    assert transcripts[1].session.ended_at_ms is not None
    assert transcripts[1].session.audio_ms == transcripts[0].session.audio_ms > 0


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [{"language": "en"}, {"prompt": "names"}, {"temperature": "0.4"}],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_the_answer_is_heard_again(
    station: Station, speech: bytes, change: dict[str, str]
) -> None:
    station.hear(speech)
    opened = len(station.recogniser.opened)
    station.hear(speech, None, **change)
    assert len(station.recogniser.opened) > opened


@pytest.mark.parametrize("directive", ["no-cache", "no-store", "max-age=0, No-Cache"])
def test_a_recording_is_heard_anew_on_demand(
    station: Station, speech: bytes, directive: str
) -> None:
    station.hear(speech)
    opened = len(station.recogniser.opened)
    station.hear(speech, {"cache-control": directive})
    assert len(station.recogniser.opened) > opened


def test_a_remembered_recording_streams_as_one_that_is_heard(
    station: Station, speech: bytes
) -> None:
    first = station.hear(speech, stream="true")
    opened = len(station.recogniser.opened)
    again = station.hear(speech, stream="true")
    plain = station.hear(speech)

    assert again.text == first.text
    assert "transcript.text.done" in again.text
    assert plain.json()["text"]
    assert len(station.recogniser.opened) == opened
    assert len(station.store.list(TranscriptQuery()).items) == 3


def test_the_same_recording_from_many_at_once_is_heard_once(
    station: Station, speech: bytes
) -> None:
    alone = station.hear(speech, {"cache-control": "no-cache"})
    opened = len(station.recogniser.opened)
    together = threading.Barrier(4)

    def hear(_: int) -> dict[str, Any]:
        together.wait()
        answer: dict[str, Any] = station.hear(speech).json()
        return answer

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(hear, range(4)))
    assert answers == [alone.json()] * 4
    assert len(station.recogniser.opened) == 2 * opened
    assert len(station.store.list(TranscriptQuery()).items) == 5


def test_flux_positions_are_there_from_the_start(station: Station) -> None:
    assert station.stats("flux").entries == 10
    for seed, position in (("3", 3), ("6", 6), ("9", 9)):
        assert station.client.get(f"/v1/flux/{seed}").json()["position"] == position
    assert station.stats("flux").misses == 0
    assert station.client.get("/v1/flux/12").json()["position"] == 3
    assert station.client.get("/v1/flux/x").status_code == 400


def test_a_name_that_is_no_recogniser_here_is_refused_before_it_is_remembered(
    station: Station, speech: bytes
) -> None:
    answer = station.client.post(
        "/v1/audio/transcriptions", files={"file": ("t.flac", speech)}, data={"model": "nobody"}
    )
    assert answer.status_code == 404
    assert station.stats("recognition").misses == 0
