"""Keys for browsers: good for a while, for one address, in every worker of a server."""

from __future__ import annotations

import pytest

from gapless.errors import AccessError, TooLargeError
from gapless.serve.access import Access, Visit
from gapless.serve.realtime.config import Config, updated
from gapless.serve.realtime.secrets import MAX_CHARACTERS, ClientSecrets
from gapless.settings import Settings

MINUTE_MS = 60_000


def test_a_secret_stands_for_its_session_until_it_expires() -> None:
    secrets = ClientSecrets()
    config = updated(Config(), {"audio": {"input": {"transcription": {"language": "de"}}}})
    value = secrets.issue(config, MINUTE_MS, now_ms=0)

    assert secrets.find(value, MINUTE_MS - 1) == config
    assert secrets.find(value, MINUTE_MS - 1) == config  # as often as one likes
    assert secrets.find(value, MINUTE_MS) is None


@pytest.mark.parametrize("value", [None, "", "ek_", "sesame", "ek_ü", "ek_a", "ek_" + "a" * 400])
def test_what_was_never_issued_is_no_secret(value: str | None) -> None:
    secrets = ClientSecrets()
    secrets.issue(Config(), MINUTE_MS, now_ms=0)

    assert secrets.find(value, 0) is None


def test_a_secret_that_was_changed_anywhere_opens_nothing() -> None:
    secrets = ClientSecrets()
    value = secrets.issue(Config(), MINUTE_MS, now_ms=0)
    assert secrets.find(value, 0) == Config()

    # The last character may hold bits that no byte needs.
    for place in range(len("ek_"), len(value) - 1):
        other = "A" if value[place] != "A" else "B"
        assert secrets.find(value[:place] + other + value[place + 1 :], 0) is None


def test_workers_with_the_same_key_open_what_the_others_promised_and_nobody_else_does() -> None:
    first, second, stranger = ClientSecrets(b"k" * 32), ClientSecrets(b"k" * 32), ClientSecrets()
    value = first.issue(Config(), MINUTE_MS, now_ms=0)

    assert second.find(value, 0) == Config()
    assert stranger.find(value, 0) is None


def test_no_two_secrets_are_the_same_and_all_fit_into_a_subprotocol() -> None:
    secrets = ClientSecrets()

    values = {secrets.issue(Config(), MINUTE_MS, now_ms=0) for _ in range(100)}

    assert len(values) == 100
    assert all(value.replace("-", "").replace("_", "").isalnum() for value in values)


def test_a_session_that_no_header_would_carry_gets_no_secret() -> None:
    prompt = "".join(chr(0x4E00 + number * 7 % 20_000) for number in range(4000))
    config = updated(Config(), {"audio": {"input": {"transcription": {"prompt": prompt}}}})

    with pytest.raises(TooLargeError, match=str(MAX_CHARACTERS)):
        ClientSecrets().issue(config, MINUTE_MS, now_ms=0)


def test_a_secret_opens_the_door_to_realtime_sessions_alone() -> None:
    access = Access(Settings(api_key="sesame"), frozenset())
    key = access.secrets.issue(Config(), MINUTE_MS, now_ms=0)

    access.check(Visit("/v1/realtime", key=key, is_upgrade=True), 0)
    for visit in (
        Visit("/v1/realtime", key=key),
        Visit("/v1/stream", key=key, is_upgrade=True),
        Visit("/v1/realtime/client_secrets", key=key),
        Visit("/v1/models", key=key),
    ):
        with pytest.raises(AccessError):
            access.check(visit, 0)
    with pytest.raises(AccessError):
        access.check(Visit("/v1/realtime", key=key, is_upgrade=True), MINUTE_MS)
