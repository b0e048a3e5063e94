"""A real control group of 1 CPU and 700 MB: the plan fits it, and a server under load answers and stays below."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from gapless.errors import MissingDependencyError
from gapless.settings import MIB
from gapless.testing.control_group import ControlGroup
from gapless.testing.serve_process import ServeProcess
from gapless.testing.store_load import Amounts, Load

LIMIT_BYTES = 700 * MIB

AMOUNTS = Amounts(paced=4, fast=4, uploads=3, jobs=2, askers=3, searchers=2)


@pytest.fixture
def small_container() -> Iterator[ControlGroup]:
    with ExitStack() as stack:
        try:
            group = stack.enter_context(ControlGroup(cpus=1, memory_bytes=LIMIT_BYTES))
        except MissingDependencyError as error:
            pytest.skip(error.message)
        yield group


@pytest.mark.long
def test_a_process_of_one_cpu_and_700_mb_gets_a_plan_that_fits(
    small_container: ControlGroup,
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GAPLESS_")}

    ran = subprocess.run(
        [*small_container.enter, sys.executable, "-m", "gapless", "config", "show", "--json"],
        env=environment | {"GAPLESS_CONFIG": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    rows = json.loads(ran.stdout)
    value = {name: row["value"] for name, row in rows.items()}
    assert (value["executors"], value["executor_threads"], value["threads"]) == (1, 1, 4)
    assert value["decoders"] == 1
    assert 128 <= value["cache_mb"] <= 175
    assert value["cache_mb"] * MIB + value["model_memory_bytes"] + 95 * MIB < LIMIT_BYTES
    assert "(quota 1)" in rows["threads"]["source_detail"]
    assert "left of the limit" in rows["cache_mb"]["source_detail"]


@pytest.mark.long
def test_a_server_of_one_cpu_and_700_mb_fits_its_plan_to_them_and_serves(
    small_container: ControlGroup, speech_dir: Path, tmp_path: Path
) -> None:
    recordings = [speech_dir / name for name in ("news.flac", "sentence.flac")]
    with ServeProcess(tmp_path, through=small_container.enter, model="commands-en") as server:
        assert small_container.processes
        plan = httpx.get(f"{server.url}/v1/config").json()["settings"]
        assert (plan["executors"]["value"], plan["executor_threads"]["value"]) == (1, 1)
        assert "(quota 1)" in plan["threads"]["source_detail"]
        assert "left of the limit" in plan["cache_mb"]["source_detail"]
        models_bytes = plan["model_memory_bytes"]["value"]
        assert plan["cache_mb"]["value"] * MIB + models_bytes < LIMIT_BYTES
        assert "quota 1" in server.banner
        ledger = asyncio.run(Load(server.url, recordings, AMOUNTS).run())

        assert asyncio.run(ledger.check(server.url)) == []
        assert asyncio.run(ledger.strays(server.url)) == []
        assert httpx.get(f"{server.url}/health/ready").json()["degraded"] == []
        assert small_container.kills in (0, None)
        peak_bytes = small_container.peak_bytes
        assert peak_bytes is None or peak_bytes < LIMIT_BYTES
