"""Jobs over real HTTP: what is sent is kept before it is answered, and every way to ask wrongly is answered in words."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from gapless.infer.inference import Inference
from gapless.jobs.runner import Runner
from gapless.listen.recogniser.contract import Recogniser
from gapless.settings import Settings
from gapless.store.contract import Store
from gapless.store.queue import FileSource, JobOptions
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.jobs_ears import GatedRecogniser, ScriptedEars
from gapless.testing.jobs_server import jobs_server
from gapless.testing.services import ScriptedServices


class Station:
    """A server, a client for it, and what it keeps."""

    def __init__(self, client: httpx.Client, store: Store, runner: Runner) -> None:
        self.client = client
        self.store = store
        self.runner = runner

    def post(
        self, *files: bytes, headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        parts = [("file", (f"talk{number}.flac", file)) for number, file in enumerate(files)]
        return self.client.post("/v1/jobs", files=parts, data=fields, headers=headers)

    def events(self, job_id: str, last: str | None = None) -> list[tuple[str, str, Any]]:
        """All events of a job until it is over: name, id and data."""
        headers = {} if last is None else {"last-event-id": last}
        with self.client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            text = response.read().decode()
        return [parsed(block) for block in text.split("\n\n") if block and block[0] != ":"]


def parsed(block: str) -> tuple[str, str, Any]:
    fields = dict(line.split(": ", 1) for line in block.splitlines())
    return fields["event"], fields["id"], json.loads(fields["data"])


@pytest.fixture
def open_station(tmp_path: Path, inference: Inference) -> Iterator[Callable[..., Station]]:
    with ExitStack() as stack:

        def start(
            recogniser: Recogniser | None = None, listeners: int = 4, **values: Any
        ) -> Station:
            store = SqliteStore(tmp_path / "transcripts.db")
            stack.callback(store.close)
            settings = Settings(**values)
            services = stack.enter_context(
                ScriptedServices(settings, recogniser, store, inference=inference)
            )
            ears = ScriptedEars(inference, services.recogniser)
            runner = stack.enter_context(Runner(settings, ears, store.queue))
            runner.start()
            url = stack.enter_context(jobs_server(services, runner, listeners=listeners))
            client = stack.enter_context(httpx.Client(base_url=url, timeout=30))
            return Station(client, store, runner)

        yield start


@pytest.fixture
def speech(speech_dir: Path) -> bytes:
    return (speech_dir / "sentence.flac").read_bytes()


@pytest.fixture
def pauses(speech_dir: Path) -> bytes:
    """Four utterances."""
    return (speech_dir / "utterances.flac").read_bytes()


def refusal(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"code", "message", "param", "retryable", "retry_after_ms"}
    return error


def test_a_job_from_its_submission_to_its_transcripts(
    open_station: Callable[..., Station], speech: bytes, pauses: bytes
) -> None:
    station = open_station()
    response = station.post(speech, pauses, language="en-US", denoise="off", prompt="a talk")
    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["options"] == {
        "model": "scripted",
        "language": "en",
        "denoise": 0.0,
        "prompt": "a talk",
    }
    events = station.events(job["id"])
    names = [name for name, *_ in events]
    assert names[0] == "progress"
    assert names[-1] == "done"
    assert sorted(data["number"] for name, _, data in events if name == "file") == [0, 1]
    done = station.client.get(f"/v1/jobs/{job['id']}").json()
    assert events[-1][2] == done
    assert (done["state"], done["counts"]["done"]) == ("done", 2)
    kept = [len(station.store.get(file["session_id"]).utterances) for file in done["files"]]
    assert kept == [1, 4]
    assert [file["name"] for file in done["files"]] == ["talk0.flac", "talk1.flac"]


@pytest.mark.long
def test_a_listener_that_comes_back_hears_only_what_it_missed(
    open_station: Callable[..., Station], speech: bytes
) -> None:
    station = open_station()
    job_id = station.post(speech, speech, speech).json()["id"]
    events = station.events(job_id)
    files = [(last, data["number"]) for name, last, data in events if name == "file"]
    again = station.events(job_id, last=files[1][0])
    assert [data["number"] for name, _, data in again if name == "file"] == [files[2][1]]
    assert again[-1][0] == "done"
    fresh = station.events(job_id, last="no id of ours")
    assert sum(name == "file" for name, *_ in fresh) == 3


@pytest.mark.long
def test_progress_is_told_while_a_recording_is_heard(
    open_station: Callable[..., Station], pauses: bytes
) -> None:
    gated = GatedRecogniser(free=2)
    station = open_station(gated, job_lease_ms=500)
    job_id = station.post(pauses).json()["id"]
    seen: list[Any] = []
    with station.client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        block: list[str] = []
        for line in response.iter_lines():
            if line:
                block.append(line)
                continue
            name, _, data = parsed("\n".join(block))
            block.clear()
            seen.append(name)
            if name == "progress" and data["running"] and data["running"][0]["heard_ms"] > 3000:
                gated.gate.set()
    assert gated.gate.is_set()
    assert seen[-2:] == ["file", "done"]


def test_the_number_of_listeners_is_bounded_and_those_who_leave_make_room(
    open_station: Callable[..., Station], pauses: bytes
) -> None:
    gated = GatedRecogniser(free=0)
    station = open_station(gated, listeners=1)
    job_id = station.post(pauses).json()["id"]
    path = f"/v1/jobs/{job_id}/events"
    with station.client.stream("GET", path):
        error = refusal(station.client.get(path), 503)
        assert error["retry_after_ms"]
    pause = threading.Event()
    for _ in range(500):
        with station.client.stream("GET", path) as response:
            if response.status_code == 200:
                break
        pause.wait(0.01)
    else:
        pytest.fail("whoever left is still counted")
    gated.gate.set()


def test_the_same_key_gives_the_same_job_even_when_the_queue_is_full(
    open_station: Callable[..., Station], speech: bytes
) -> None:
    station = open_station(job_workers=0, max_jobs=1)
    headers = {"idempotency-key": "6f1c"}
    first = station.post(speech, headers=headers)
    assert refusal(station.post(speech), 503)["retryable"]
    again = station.post(speech, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert len(station.client.get("/v1/jobs").json()["items"]) == 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("size_bytes", "status"), [(900_000, 503), (2_000_000, 413)], ids=["now", "ever"]
)
def test_what_there_is_no_room_for_is_refused_before_it_is_sent(
    open_station: Callable[..., Station], size_bytes: int, status: int
) -> None:
    station = open_station(job_workers=0, max_job_mb=1)
    assert station.post(b"x" * 500_000).status_code == 202
    host = station.client.base_url.host
    with socket.create_connection((host, station.client.base_url.port or 80), 30) as connection:
        connection.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nhost: %b\r\ncontent-type: multipart/form-data; boundary=b\r\n"
            b"content-length: %d\r\n\r\n" % (host.encode(), size_bytes)
        )
        answer = connection.recv(65_536).decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "max_job_mb" in answer
    assert station.post(b"x" * 500_000).status_code == 202
    assert refusal(station.post(b"x" * 500_000), 503)["retry_after_ms"]


def test_jobs_are_listed_cancelled_and_retried(
    open_station: Callable[..., Station], speech: bytes
) -> None:
    station = open_station(job_workers=0)
    ids = [station.post(speech, speech).json()["id"] for _ in range(3)]
    page = station.client.get("/v1/jobs", params={"limit": 2}).json()
    rest = station.client.get("/v1/jobs", params={"cursor": page["next_cursor"]}).json()
    assert sorted(job["id"] for job in page["items"] + rest["items"]) == sorted(ids)
    assert station.client.post(f"/v1/jobs/{ids[0]}/cancel").json()["state"] == "cancelled"
    listed = station.client.get("/v1/jobs", params={"state": "cancelled"}).json()["items"]
    assert [job["id"] for job in listed] == [ids[0]]
    files = station.client.get(f"/v1/jobs/{ids[0]}/files", params={"start": 1}).json()
    assert [(file["number"], file["state"]) for file in files] == [(1, "cancelled")]
    assert station.client.post(f"/v1/jobs/{ids[0]}/retry").json()["state"] == "queued"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "gone"}, 404, "model"),
        ({"language": "xx"}, 400, "language"),
        ({"language": "a language"}, 400, "language"),
        ({"denoise": "2"}, 400, "denoise"),
        ({"models": "scripted"}, 400, "models"),
    ],
    ids=["model", "language", "no_language", "denoise", "unknown"],
)
def test_what_makes_no_sense_is_refused(
    open_station: Callable[..., Station],
    speech: bytes,
    fields: dict[str, str],
    status: int,
    param: str,
) -> None:
    station = open_station(job_workers=0)
    assert refusal(station.post(speech, headers=None, **fields), status)["param"] == param
    assert not station.client.get("/v1/jobs").json()["items"]


def test_bodies_that_are_no_job_are_refused(
    open_station: Callable[..., Station], speech: bytes
) -> None:
    station = open_station(job_workers=0)
    client = station.client
    assert refusal(station.post(b""), 400)["param"] == "file"
    form = client.post("/v1/jobs", files={"other": (None, b"x")})
    assert refusal(form, 400)["param"] == "file"
    refusal(client.post("/v1/jobs", content=b"RIFF"), 415)
    refusal(client.post("/v1/jobs", json={"urls": ["http://example.org/a.wav"]}), 403)
    refusal(station.post(*[speech[:10]] * 129), 413)
    refusal(station.post(speech, headers={"idempotency-key": "x" * 256}), 400)
    refusal(client.get("/v1/jobs", params={"state": "lost"}), 400)
    for path in ("", "/files", "/events"):
        refusal(client.get(f"/v1/jobs/gone{path}"), 404)
    refusal(client.post("/v1/jobs/gone/cancel"), 404)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"[]", None),
        (b"{", None),
        (b'{"urls": []}', "urls"),
        (b'{"urls": ["ftp://example.org/a.wav"]}', "url"),
        (b'{"urls": ["http://user:word@example.org/a.wav"]}', "url"),
        (b'{"urls": ["http://example.org/a.wav"], "file": 1}', None),
    ],
    ids=["list", "broken", "none", "scheme", "password", "unknown"],
)
def test_urls_that_cannot_be_used_are_refused(
    open_station: Callable[..., Station], body: bytes, param: str | None
) -> None:
    client = open_station(job_workers=0, job_urls=True).client
    response = client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert refusal(response, 400)["param"] == param


def test_urls_are_queued_where_that_is_allowed(open_station: Callable[..., Station]) -> None:
    station = open_station(job_workers=0, job_urls=True)
    response = station.client.post("/v1/jobs", json={"urls": ["https://example.org/talks/a.wav?x"]})
    assert response.status_code == 202
    (file,) = response.json()["files"]
    assert (file["name"], file["url"]) == ("a.wav", "https://example.org/talks/a.wav?x")


def test_without_a_store_there_are_no_jobs(inference: Inference) -> None:
    with (
        ScriptedServices(inference=inference) as services,
        jobs_server(services, None) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        assert "save" in refusal(client.get("/v1/jobs"), 404)["message"]
        assert "save" in refusal(client.post("/v1/jobs", content=b"x" * 1_000_000), 404)["message"]


@pytest.mark.long
def test_a_server_that_stops_ends_the_streams(
    tmp_path: Path, inference: Inference, pauses: bytes
) -> None:
    store = SqliteStore(tmp_path / "transcripts.db")
    ended: list[str] = []
    with ExitStack() as stack:
        stack.callback(store.close)
        services = stack.enter_context(ScriptedServices(store=store, inference=inference))
        runner = stack.enter_context(
            Runner(Settings(job_workers=0), ScriptedEars(inference), store.queue)
        )
        runner.submit("j1", [FileSource("talk", content=[pauses])], JobOptions())
        server = ExitStack()
        url = server.enter_context(jobs_server(services, runner))
        begun = threading.Event()

        def follow() -> None:
            with httpx.stream("GET", f"{url}/v1/jobs/j1/events", timeout=30) as response:
                for line in response.iter_lines():
                    begun.set()
                    ended.append(line)
            ended.append("END")

        listener = threading.Thread(target=follow)
        listener.start()
        assert begun.wait(20)
        server.close()
        listener.join(20)
    assert ended[-1] == "END"
    assert "event: done" not in ended
