"""The real Prometheus, where it is installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder are ``deploy`` tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.deploy)


@pytest.fixture(scope="session", autouse=True)
def promtool() -> str:
    """Prometheus' checker, which comes with Prometheus itself."""
    found = shutil.which("promtool")
    if found is None or shutil.which("prometheus") is None:
        reason = "there is no Prometheus here; install prometheus"
        if os.environ.get("GAPLESS_REQUIRE_PROMETHEUS"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
