"""The plan of every machine in ``tests/data/machines``, as a whole table; ``tools/make_plans.py`` writes them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gapless.settings import MIB, load_settings
from gapless.tune.facts import Facts
from gapless.tune.fit import fit
from gapless.tune.plan import DECODER_MB, PROCESS_MB
from gapless.tune.table import machine_line, plan_table

MACHINES = Path(__file__).parents[1] / "data" / "machines"


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    facts: Facts


def read(name: str) -> Machine:
    return msgspec.json.decode((MACHINES / f"{name}.json").read_bytes(), type=Machine)


names = sorted(file.stem for file in MACHINES.glob("*.json"))


def test_there_are_a_dozen_machines_with_a_plan_each() -> None:
    assert len(names) >= 12
    assert sorted(file.stem for file in MACHINES.glob("*.txt")) == names


@pytest.mark.parametrize("name", names)
def test_the_plan_is_the_one_that_was_looked_at(name: str) -> None:
    machine = read(name)

    table = plan_table(fit(load_settings(env={}), machine.facts))

    expected = (MACHINES / f"{name}.txt").read_text("utf-8").splitlines()
    assert [machine.title, machine_line(machine.facts), "", *table] == expected


@pytest.mark.parametrize("name", names)
def test_the_plan_fits_the_machine(name: str) -> None:
    facts = read(name).facts

    settings = fit(load_settings(env={}), facts).settings

    assert settings.executors * settings.executor_threads <= (facts.physical_cores or facts.cpus)
    if facts.memory_bytes is not None:
        held_mb = PROCESS_MB + settings.decoders * DECODER_MB + settings.cache_mb
        assert held_mb * MIB + settings.model_memory_bytes <= facts.memory_bytes


@pytest.mark.parametrize("name", names)
def test_the_static_plan_is_the_same_everywhere(name: str) -> None:
    resolved = fit(load_settings(env={"GAPLESS_TUNING": "static"}), read(name).facts)

    s = resolved.settings
    assert (s.threads, s.executors, s.executor_threads, s.store_pool) == (16, 8, 1, 32)
    assert (s.cache_mb, s.store_batch_rows, s.bulk_block_samples) == (512, 1000, 1024)
    assert {resolved.sources[n].kind for n in ("threads", "cache_mb", "decoders")} == {"static"}
