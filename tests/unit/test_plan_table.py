from __future__ import annotations

import click
import pytest

from gapless.cli.serve import start_table
from gapless.settings import Source, load_settings
from gapless.tune.facts import Facts
from gapless.tune.fit import fit
from gapless.tune.table import machine_line, plan_table, why_of

MIB = 1024**2

BOX = Facts(
    cpus_online=8,
    cpus_affinity=8,
    cpu_quota=2.5,
    physical_cores=4,
    memory_total_bytes=32768 * MIB,
    memory_available_bytes=20000 * MIB,
    memory_limit_bytes=2048 * MIB,
    memory_limit_available_bytes=1900 * MIB,
    gpus=("NVIDIA A10",),
    container="docker",
)


def test_the_machine_is_told_in_a_line() -> None:
    assert machine_line(BOX) == (
        "2 of 8 CPUs (quota 2.5); 2 cores; 2048 MB (limit), 1900 MB of it available; NVIDIA A10; docker"
    )
    assert machine_line(Facts()) == "1 of 1 CPUs"


def test_the_start_tells_what_is_used_and_keeps_within_the_terminal() -> None:
    text = click.unstyle(start_table(fit(load_settings(env={}), BOX), BOX, 80))
    lines = text.splitlines()

    assert lines[0] == f"  Machine      {machine_line(BOX)}"
    names = [line.split()[0] for line in lines[2:]]
    assert "threads" in names
    assert {"executor_threads", "max_batch", "store_pool"}.isdisjoint(names)
    assert len(lines) <= 11
    assert all(len(line) <= 80 for line in lines[1:])


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("GAPLESS_STORE_URL", "postgresql://localhost/x", "store_pool"),
        ("GAPLESS_EXECUTOR_THREADS", "2", "executor_threads"),
        ("GAPLESS_MAX_BATCH", "8", "max_batch"),
    ],
)
def test_what_is_used_only_sometimes_is_told_then(variable: str, value: str, name: str) -> None:
    text = start_table(fit(load_settings(env={variable: value}), BOX), BOX, 100)

    assert f"\n    {name} " in text


def test_reasons_are_whole_unless_a_width_is_asked_for() -> None:
    resolved = fit(load_settings(env={"GAPLESS_CACHE_MB_MAX": "9"}), BOX)

    whole = "\n".join(plan_table(resolved))

    assert "[clamped by GAPLESS_CACHE_MB_MAX = 9]" in whole
    assert "..." not in whole
    assert why_of(Source("default")) == "default"
