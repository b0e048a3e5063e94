"""Refusals at the addresses of other people's dialects, and the keys that their clients show."""

from __future__ import annotations

import msgspec
import pytest

from gapless.errors import AccessError, ModelNotFoundError, OverloadError
from gapless.serve.access import shown_key, upgrade_key
from gapless.serve.problem import dialect_of, problem_response


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/listen", "deepgram"),
        ("/v1/listening", "native"),
        ("/v2/decode/stream/default", "asr_v2"),
        ("/v2/decode/nothing", "asr_v2"),
        ("/v2/decode", "kserve"),
        ("/v2/decoders", "kserve"),
    ],
)
def test_the_address_says_the_dialect(path: str, dialect: str) -> None:
    assert dialect_of(path) == dialect


def test_deepgram_s_refusal_has_its_code_and_its_reason_twice() -> None:
    response = problem_response(AccessError("no key, höre;\nsend one"), "/v1/listen")
    body = msgspec.json.decode(response.body)
    assert response.status_code == 401
    assert body == {
        "err_code": "INVALID_AUTH",
        "err_msg": "no key, höre;\nsend one",
        "request_id": response.headers["dg-request-id"],
    }
    assert response.headers["dg-error"] == "no key, h?re; send one"


def test_what_has_no_name_at_deepgram_is_named_by_its_status() -> None:
    response = problem_response(OverloadError("full; wait", retry_after_ms=1500), "/v1/listen")
    assert msgspec.json.decode(response.body)["err_code"] == "Service Unavailable"
    assert response.headers["retry-after"] == "2"


def test_asr_v2_s_refusal_is_a_message_of_the_dialect() -> None:
    response = problem_response(ModelNotFoundError("none; add it"), "/v2/decode/batch/x")
    assert response.status_code == 404
    assert msgspec.json.decode(response.body) == {
        "transcription": "",
        "status": "ERROR",
        "message": "none; add it",
    }


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Token abc"}, "abc"),
        ({"authorization": "token  abc "}, "abc"),
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Basic abc", "x-api-key": "abc"}, "abc"),
    ],
)
def test_a_key_may_be_called_a_token(headers: dict[str, str], key: str | None) -> None:
    assert shown_key(headers) == key


@pytest.mark.parametrize(
    ("offered", "key"),
    [
        (["token", "abc"], "abc"),
        (["bearer", "abc"], "abc"),
        (["token"], None),
        (["abc", "token"], None),
        (["token", "abc", "def"], None),
        ([], None),
    ],
)
def test_a_page_shows_its_key_beside_the_word_token(offered: list[str], key: str | None) -> None:
    scope = {"type": "websocket", "headers": [], "subprotocols": offered}
    assert upgrade_key(scope) == key
