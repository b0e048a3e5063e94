"""`gapless bench ablate`: pairs that differ in one setting, and switches that really switch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from gapless.bench import ablate
from gapless.bench.ablate import WITH, WITHOUT, ablate_cases
from gapless.bench.case import Cases
from gapless.bench.claims import CLAIMS
from gapless.errors import MissingDependencyError
from gapless.settings import Settings

SERVERS = ("pool", "prepared")
"""Cases that start a server of another program."""


@pytest.fixture(scope="module")
def cases() -> Iterator[Cases]:
    with ablate_cases(trial=True) as cases:
        yield cases


def test_contenders_of_a_pair_differ_in_one_setting(cases: Cases) -> None:
    for name, make in cases.items():
        if name in SERVERS:
            continue
        without, with_ = make().contenders
        assert (without.name, with_.name) == (WITHOUT, WITH)
        assert without.make is with_.make
        assert without.warm_up == with_.warm_up
        changed = _differences(without.options, with_.options)
        assert len(changed) == 1, name
        assert changed <= set(Settings.__struct_fields__) | {"mode", "batch_rows"}


def test_every_optimisation_has_a_row_and_none_is_judged(cases: Cases) -> None:
    known = {name for name, claim in CLAIMS.items() if claim.bench == "ablate"}
    asked = {
        check.claim.name
        for name, make in cases.items()
        if name not in SERVERS
        for check in make().checks
    }
    assert asked | {f"gain-{name}" for name in SERVERS} == known
    assert all(CLAIMS[name].bound is None for name in known)


def test_what_is_not_installed_is_said(cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> contextlib.AbstractContextManager[Any]:
        raise MissingDependencyError("there is no such program here; install it")

    monkeypatch.setattr(ablate, "pool_cases", missing)
    monkeypatch.setattr(ablate, "private_postgres", missing)
    for name in SERVERS:
        case = cases[name]()
        assert case.contenders == ()
        assert case.notes == ("there is no such program here; install it",)


def _differences(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    one, other = ({**options, **options.get("settings", {})} for options in (one, other))
    for options in (one, other):
        options.pop("settings", None)
    return {name for name in one | other if one.get(name) != other.get(name)}
