from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from gapless.cache.contract import Cache
from gapless.cache.open import open_cache
from gapless.cache.options import CacheOptions
from gapless.errors import GaplessError
from gapless.serve.problem import problem_response
from gapless.serve.services import Services
from gapless.serve.transcripts import accepted_format, routes
from gapless.store.contract import MAX_PAGE, MAX_SEARCH_CHARS, SessionRecord, Store
from gapless.store.sqlite.store import SqliteStore
from gapless.transcript import Utterance, Word


class Keeping(msgspec.Struct, frozen=True):
    """The part of ``Services`` that transcripts need."""

    store: Store | None
    keeping: Executor
    cache: Cache


def client_of(store: Store | None, executor: Executor) -> TestClient:
    async def answer(request: Request, error: Exception) -> Response:
        return problem_response(error, request.url.path)

    services = cast("Services", Keeping(store, executor, open_cache(CacheOptions())))
    app = Starlette(routes=routes(services), exception_handlers={GaplessError: answer})
    return TestClient(app)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def client(tmp_path: Path, executor: Executor) -> Iterator[TestClient]:
    """Three transcripts: the first and the last of speech, the second of silence."""
    with closing(SqliteStore(tmp_path / "transcripts.db")) as store:
        store.begin_session(SessionRecord("s1", "file", "m", 1000, name="Café talk.mp3"))
        words = (Word("Größe", 0, 400, 0.5), Word("counts", 400, 900, 0.75))
        store.add_utterance("s1", Utterance("u1", "Größe counts", 0, 900, words=words))
        store.add_utterance("s1", Utterance("u2", "and <so> on", 1000, 2500))
        store.end_session("s1", ended_at_ms=9000, audio_ms=3000)
        store.begin_session(SessionRecord("s2", "stream", "m", 2000))
        store.begin_session(SessionRecord("s3", "microphone", "m", 3000))
        store.add_utterance("s3", Utterance("u1", "nothing counts", 0, 900))
        yield client_of(store, executor)


def listed(client: TestClient, **query: str | int) -> list[str]:
    answer = client.get("/v1/transcripts", params=query)
    assert answer.status_code == 200, answer.text
    return [item["session"]["id"] for item in answer.json()["items"]]


def refused(client: TestClient, url: str, **query: str | int) -> dict[str, Any]:
    # An empty dict would take the query of the URL away.
    answer = client.get(url, params=query or None)
    assert answer.status_code == 400, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == "invalid_request"
    return error


def test_transcripts_are_listed_newest_first_with_all_that_is_known(client: TestClient) -> None:
    answer = client.get("/v1/transcripts")
    assert answer.headers["content-type"] == "application/json"
    page = answer.json()
    assert page["next_cursor"] is None
    assert [item["session"]["id"] for item in page["items"]] == ["s3", "s2", "s1"]
    assert page["items"][2] == {
        "session": {
            "id": "s1",
            "source": "file",
            "model": "m",
            "started_at_ms": 1000,
            "name": "Café talk.mp3",
            "language": None,
            "ended_at_ms": 9000,
            "audio_ms": 3000,
            "utterances": 2,
        },
        "preview": "Größe counts and <so> on",
        "hits": [],
    }


def test_pages_follow_their_cursors(client: TestClient) -> None:
    first = client.get("/v1/transcripts", params={"limit": 2}).json()
    assert [item["session"]["id"] for item in first["items"]] == ["s3", "s2"]
    assert listed(client, limit=2, cursor=first["next_cursor"]) == ["s1"]


def test_a_search_says_where_it_matched(client: TestClient) -> None:
    answer = client.get("/v1/transcripts", params={"q": "grosse groß"})
    assert answer.json()["items"] == []
    (item,) = client.get("/v1/transcripts", params={"q": "counts größ"}).json()["items"]
    assert item["hits"] == [
        {
            "utt": "u1",
            "start_ms": 0,
            "end_ms": 900,
            "text": "Größe counts",
            "highlights": [[0, 5], [6, 12]],
        }
    ]


def test_an_empty_search_box_lists_everything(client: TestClient) -> None:
    assert listed(client, q="", since="", cursor="") == ["s3", "s2", "s1"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"since": "2000"}, ["s3", "s2"]),
        ({"until": "2000"}, ["s1"]),
        ({"since": "1970-01-01T00:00:01Z", "until": "1970-01-01T00:00:03"}, ["s2", "s1"]),
        ({"since": "1970-01-01T01:00:02+01:00"}, ["s3", "s2"]),
        ({"since": "2024-01-01"}, []),
    ],
)
def test_times_are_iso_8601_or_unix_milliseconds(
    client: TestClient, query: dict[str, str], expected: list[str]
) -> None:
    assert listed(client, **query) == expected


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("limit", "0"),
        ("limit", str(MAX_PAGE + 1)),
        ("limit", "many"),
        ("limit", ""),
        ("limit", "1e400"),
        ("since", "yesterday"),
        ("until", "2025-02-30"),
        ("until", "9" * 40),
        ("cursor", "nonsense"),
        ("q", "x" * (MAX_SEARCH_CHARS + 1)),
        ("serach", "typo"),
    ],
)
def test_a_wrong_parameter_is_named(client: TestClient, param: str, value: str) -> None:
    assert refused(client, "/v1/transcripts", **{param: value})["param"] == param


def test_a_parameter_given_twice_is_refused(client: TestClient) -> None:
    assert refused(client, "/v1/transcripts?limit=1&limit=2")["param"] == "limit"


def test_the_ticket_of_a_browser_is_not_our_business(client: TestClient) -> None:
    assert listed(client, token="secret", limit=1) == ["s3"]


def test_a_transcript_comes_whole(client: TestClient) -> None:
    transcript = client.get("/v1/transcripts/s1").json()
    assert transcript["session"]["id"] == "s1"
    assert [utterance["text"] for utterance in transcript["utterances"]] == [
        "Größe counts",
        "and <so> on",
    ]
    assert transcript["utterances"][0]["words"] == [
        {"text": "Größe", "start_ms": 0, "end_ms": 400, "confidence": 0.5},
        {"text": "counts", "start_ms": 400, "end_ms": 900, "confidence": 0.75},
    ]


@pytest.mark.parametrize(
    ("shape", "media_type", "text"),
    [
        ("txt", "text/plain; charset=utf-8", "Größe counts\nand <so> on\n"),
        (
            "srt",
            "application/x-subrip; charset=utf-8",
            (
                "1\n00:00:00,000 --> 00:00:00,900\nGröße counts\n\n"
                "2\n00:00:01,000 --> 00:00:02,500\nand <so> on\n"
            ),
        ),
        (
            "vtt",
            "text/vtt; charset=utf-8",
            (
                "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nGröße counts\n\n"
                "00:00:01.000 --> 00:00:02.500\nand &lt;so&gt; on\n"
            ),
        ),
    ],
)
def test_a_transcript_comes_in_the_format_asked_for(
    client: TestClient, shape: str, media_type: str, text: str
) -> None:
    download = client.get("/v1/transcripts/s1", params={"format": shape})
    assert download.headers["content-type"] == media_type
    assert download.headers["content-disposition"] == (
        f"attachment; filename*=UTF-8''Caf%C3%A9%20talk.{shape}"
    )
    assert download.content.decode() == text

    shown = client.get("/v1/transcripts/s1", headers={"accept": media_type})
    assert shown.headers["content-type"] == media_type
    assert shown.headers["vary"] == "accept"
    assert "content-disposition" not in shown.headers
    assert shown.content == download.content


def test_json_can_be_downloaded_too(client: TestClient) -> None:
    download = client.get(
        "/v1/transcripts/s2", params={"format": "json"}, headers={"accept": "text/plain"}
    )
    assert download.headers["content-disposition"] == "attachment; filename*=UTF-8''s2.json"
    assert download.json()["utterances"] == []


@pytest.mark.parametrize("url", ["/v1/transcripts/s1?format=pdf", "/v1/transcripts/s1?format="])
def test_a_format_that_is_not_there_is_refused(client: TestClient, url: str) -> None:
    assert refused(client, url)["param"] == "format"


@pytest.mark.parametrize(
    ("accept", "shape"),
    [
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/plain", "txt"),
        ("text/vtt, text/plain", "vtt"),
        ("text/plain;q=0.5, text/vtt;q=0.9", "vtt"),
        ("text/plain ; charset=utf-8 ; Q=0.2, application/*;q=0.1", "txt"),
        ("TEXT/VTT", "vtt"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "json"),
        ("text/plain;q=0", "json"),
        ("text/vtt;q=nonsense", "vtt"),
        ("image/png", "json"),
        (";;,,;q", "json"),
        ("", "json"),
    ],
)
def test_the_accept_header_chooses_the_format(accept: str, shape: str) -> None:
    assert accepted_format(accept) == shape


def test_a_deleted_transcript_is_gone(client: TestClient) -> None:
    answer = client.delete("/v1/transcripts/s1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get("/v1/transcripts/s1").status_code == 404
    assert client.delete("/v1/transcripts/s1").status_code == 404
    assert listed(client, q="größe") == []


def test_a_delete_with_a_query_is_refused_and_deletes_nothing(client: TestClient) -> None:
    assert client.delete("/v1/transcripts/s1", params={"limit": 1}).status_code == 400
    assert client.get("/v1/transcripts/s1").status_code == 200


def test_other_methods_are_told_which_there_are(client: TestClient) -> None:
    answer = client.put("/v1/transcripts/s1")
    assert answer.status_code == 405
    assert {"GET", "DELETE"} <= set(answer.headers["allow"].split(", "))


def test_where_nothing_is_kept_everything_is_not_found(executor: Executor) -> None:
    client = client_of(None, executor)
    for answer in (
        client.get("/v1/transcripts"),
        client.get("/v1/transcripts/s1"),
        client.delete("/v1/transcripts/s1"),
    ):
        assert answer.status_code == 404
        assert "switched off" in answer.json()["error"]["message"]


def test_an_error_of_the_store_says_that_trying_again_may_help(
    tmp_path: Path, executor: Executor
) -> None:
    store = SqliteStore(tmp_path / "transcripts.db")
    store.close()
    answer = client_of(store, executor).get("/v1/transcripts")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "store_error"
    assert "retry-after" in answer.headers
