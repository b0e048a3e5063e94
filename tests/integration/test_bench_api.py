"""The contenders of `gapless bench api`, each tried for a moment: real servers, really asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gapless.bench.api import api_cases
from gapless.bench.case import Case, Cases, Check
from gapless.bench.child import figures_of
from gapless.bench.contenders.api_servers import cores_for_others, on_cores, usable_cores

pytestmark = pytest.mark.long

MOMENT_S = 1.0


@pytest.fixture(scope="module")
def cases() -> Iterator[Cases]:
    with api_cases(trial=True) as known:
        yield known


def tried(case: Case) -> dict[str, dict[str, float]]:
    """Figures of every contender, among them those that its claims are judged by."""
    figures = {}
    for contender in case.contenders:
        with contender.make(**contender.options) as work:
            figures[contender.name] = figures_of(work(MOMENT_S))
    for check in case.checks:
        assert isinstance(check, Check)
        assert figures[check.contender][check.claim.figure] > 0
    return figures


def test_answers_from_memory_are_measured_beside_a_constant(cases: Cases) -> None:
    figures = tried(cases["cached"]())

    assert len(figures) == 2
    assert all(one["answered_share"] == 1 for one in figures.values())


@pytest.mark.parametrize("name", ["pipeline", "offered"])
def test_a_row_is_kept_of_each_new_question(cases: Cases, name: str) -> None:
    figures = tried(cases[name]())

    for one in figures.values():
        assert one["kept_share"] == 1
        assert 0 < one["server_share"] <= 1
        assert one["pss_peak_mib"] >= one["pss_typical_mib"] > 50


def test_what_is_pinned_is_free_again_afterwards() -> None:
    before, others = usable_cores(), cores_for_others()
    with on_cores(others):
        assert usable_cores() == (sorted(others) or before)

    assert usable_cores() == before
