"""That the tables of claims, cases and contenders fit together; nothing is measured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from inspect import signature

import msgspec
import pytest

from gapless.bench.api import api_cases
from gapless.bench.autoconfig import autoconfig_cases
from gapless.bench.batching import batching_cases
from gapless.bench.cache import cache_cases
from gapless.bench.case import Case, Cases, Check
from gapless.bench.claims import CLAIMS
from gapless.bench.claims.rows import ROWS
from gapless.bench.console import console_cases
from gapless.bench.database import NO_POSTGRES, database_cases
from gapless.bench.inference import inference_cases
from gapless.bench.memory_family import memory_cases
from gapless.bench.mic import mic_cases
from gapless.bench.pool import pool_cases
from gapless.bench.startup import startup_cases
from gapless.bench.synth import synth_cases
from gapless.bench.voice import voice_cases

BENCHES: dict[str, Callable[[], AbstractContextManager[Cases]]] = {
    "api": api_cases,
    "inference": lambda: inference_cases(2),
    "pool": lambda: pool_cases("127.0.0.1:1", "any"),
    "batching": lambda: batching_cases(2),
    "voice": voice_cases,
    "mic": mic_cases,
    "synth": synth_cases,
    "database": lambda: database_cases(None, NO_POSTGRES, trial=True),
    "cache": cache_cases,
    "autoconfig": autoconfig_cases,
    "startup": startup_cases,
    "memory": memory_cases,
    "console": console_cases,
}

QUANTIZES = {"int8"}
"""Cases that measure something already while they are set up."""

AGAINST_OTHERS = {"synth-against-scsynth", "synth-against-cpp"}
"""Claims that are only checked where there is something to compare with."""


def test_every_row_of_the_table_has_a_claim_and_every_claim_a_row() -> None:
    # What settings gain is told, not promised.
    promised = {claim.row for claim in CLAIMS.values() if claim.bench != "ablate"}

    assert promised == {row.name for row in ROWS}


@pytest.fixture(params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def cases_of(bench: str) -> list[Case]:
    with BENCHES[bench]() as cases:
        found = {name: make() for name, make in cases.items() if name not in QUANTIZES}
        assert all(case.name == name for name, case in found.items())
        return list(found.values())


@pytest.mark.long
def test_every_contender_can_be_found_and_made_by_another_process(bench: str) -> None:
    for case in cases_of(bench):
        for contender in case.contenders:
            made = contender.make
            assert getattr(import_module(made.__module__), made.__name__) is made
            options = msgspec.json.decode(msgspec.json.encode(contender.options))
            signature(made).bind(**options)


@pytest.mark.long
def test_contenders_of_a_case_have_names_of_their_own(bench: str) -> None:
    for case in cases_of(bench):
        names = [contender.name for contender in case.contenders]
        assert len(set(names)) == len(names) >= 2


@pytest.mark.long
def test_every_check_names_contenders_of_its_case_and_a_claim_of_its_bench(bench: str) -> None:
    for case in cases_of(bench):
        names = {contender.name for contender in case.contenders}
        for check in case.checks:
            assert check.claim.bench == bench
            if isinstance(check, Check):
                assert check.contender in names
                assert check.against in names or not check.claim.times
            else:
                assert set(check.steps.values()) <= names
                assert 1 in check.steps


@pytest.mark.long
def test_every_claim_of_a_bench_is_checked_by_one_of_its_cases(bench: str) -> None:
    checked = {check.claim.name for case in cases_of(bench) for check in case.checks}
    quantized = {name for name in CLAIMS if name.startswith("int8")}

    wanted = {claim.name for claim in CLAIMS.values() if claim.bench == bench}
    assert wanted - quantized - AGAINST_OTHERS == checked - AGAINST_OTHERS
