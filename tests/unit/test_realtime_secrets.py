"""Keys for browsers: good for a while, for one address, and bounded in number."""

from __future__ import annotations

import pytest

from gapless.errors import AccessError, OverloadError
from gapless.serve.access import Access, Visit
from gapless.serve.realtime.config import Config
from gapless.serve.realtime.secrets import MAX_SECRETS, ClientSecrets
from gapless.settings import Settings

MINUTE_MS = 60_000


def test_a_secret_stands_for_its_session_until_it_expires() -> None:
    secrets = ClientSecrets()
    config = Config(include=())
    value = secrets.issue(config, MINUTE_MS, now_ms=0)

    assert secrets.find(value, MINUTE_MS - 1) is config
    assert secrets.find(value, MINUTE_MS - 1) is config  # as often as one likes
    assert secrets.find(value, MINUTE_MS) is None


@pytest.mark.parametrize("value", [None, "", "ek_", "sesame"])
def test_what_was_never_issued_is_no_secret(value: str | None) -> None:
    secrets = ClientSecrets()
    secrets.issue(Config(), MINUTE_MS, now_ms=0)

    assert secrets.find(value, 0) is None


def test_more_secrets_than_are_kept_are_refused_until_the_first_expires() -> None:
    secrets = ClientSecrets()
    for _ in range(MAX_SECRETS - 1):
        secrets.issue(Config(), 2 * MINUTE_MS, now_ms=0)
    secrets.issue(Config(), MINUTE_MS, now_ms=0)

    with pytest.raises(OverloadError) as refused:
        secrets.issue(Config(), MINUTE_MS, now_ms=1000)
    assert refused.value.retry_after_ms == MINUTE_MS - 1000
    secrets.issue(Config(), MINUTE_MS, now_ms=MINUTE_MS)


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
