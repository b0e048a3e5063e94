from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import cast

import msgspec
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gapless.serve.config import configuration, routes
from gapless.serve.services import Services
from gapless.settings import load_settings
from gapless.tune.facts import Facts
from gapless.tune.fit import fit, fit_here

SECRETS = {
    "GAPLESS_API_KEY": "open sesame",
    "GAPLESS_STORE_URL": "postgresql://user:hush@host/db",
    "GAPLESS_REDIS_URL": "redis://:quiet@host/0",
}


def test_settings_are_told_with_value_source_and_reason_and_secrets_are_not() -> None:
    resolved = fit_here(load_settings(env={**SECRETS, "GAPLESS_PORT": "9000"}))
    with ThreadPoolExecutor(1) as executor:
        parts = SimpleNamespace(settings=resolved.settings, resolved=resolved, executor=executor)
        client = TestClient(Starlette(routes=routes(cast("Services", parts))))
        answer = client.get("/v1/config")

    body = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert body["settings"]["port"]["source_detail"] == "GAPLESS_PORT"
    assert body["settings"]["threads"]["source"] == "formula"
    assert body["settings"]["threads"]["value"] == resolved.settings.threads
    assert body["machine"]["cpus"] >= 1
    assert body["advice"]["live_block_samples"] == 512
    for secret in ("sesame", "hush", "quiet"):
        assert secret not in answer.text
    assert body["settings"]["redis_url"]["value"] == "(secret)"


def test_what_the_machine_does_not_tell_is_null() -> None:
    facts = Facts(cpus_affinity=2)
    body = msgspec.to_builtins(configuration(fit(load_settings(env={}), facts), facts))

    assert body["machine"]["memory_total_bytes"] is None
    assert (body["machine"]["cpus"], body["machine"]["cores"]) == (2, 2)
    assert body["settings"]["redis_url"]["value"] == ""
