"""The document and its page come from the server itself, and what the server answers is what they say."""

from collections.abc import Iterator

import httpx
import msgspec
import pytest

from gapless.observe.status import History, Status
from gapless.serve.document.operations import Liveness, Ticket
from gapless.serve.health import Health
from gapless.serve.infer_messages import FluxAnswer, ModelDescription
from gapless.serve.kserve.messages import (
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
    StatisticsAnswer,
)
from gapless.serve.openai.messages import ModelList
from gapless.settings import Settings
from gapless.store.contract import Page
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.server import running_server
from gapless.testing.services import ScriptedServices


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    store = SqliteStore(tmp_path_factory.mktemp("store") / "transcripts.db")
    with (
        ScriptedServices(Settings(port=0, api_key="sesame"), store=store) as services,
        running_server(services) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        yield client
    store.close()


def test_the_document_needs_no_key(client: httpx.Client) -> None:
    response = client.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs.js", "text/javascript; charset=utf-8"),
        ("/docs.css", "text/css; charset=utf-8"),
    ],
)
def test_the_page_needs_no_key_and_may_load_only_from_here(
    client: httpx.Client, path: str, media_type: str
) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == media_type
    assert "default-src 'self'" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "shape"),
    [
        ("GET", "/health/live", Liveness),
        ("GET", "/health/ready", Health),
        ("GET", "/v1/models", ModelList),
        ("GET", "/v1/status", Status),
        ("GET", "/v1/status/history", History),
        ("GET", "/v1/transcripts", Page),
        ("POST", "/v1/tickets", Ticket),
        ("GET", "/v1/infer", ModelDescription),
        ("GET", "/v1/flux/872", FluxAnswer),
        ("GET", "/v2", ServerMetadata),
        ("GET", "/v2/health/live", ServerLive),
        ("GET", "/v2/health/ready", ServerReady),
        ("GET", "/v2/models/silero_vad", ModelMetadata),
        ("GET", "/v2/models/silero_vad/ready", ModelReady),
        ("GET", "/v2/models/silero_vad/stats", StatisticsAnswer),
        ("GET", "/v2/models/stats", StatisticsAnswer),
    ],
)
def test_an_answer_has_the_shape_that_the_document_says(
    client: httpx.Client, method: str, path: str, shape: type[msgspec.Struct]
) -> None:
    response = client.request(method, path, headers={"x-api-key": "sesame"})
    assert response.is_success
    answer = msgspec.json.decode(response.content, type=shape)
    assert msgspec.json.decode(msgspec.json.encode(answer)) == response.json()
