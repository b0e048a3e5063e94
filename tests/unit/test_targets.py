"""The five targets: what each bounds, and what they make in all."""

from __future__ import annotations

import msgspec
import pytest

from gapless.observe.targets import ALL, TARGETS, Measured, count_met, judge, judgement

WELL = Measured(
    lag_p95_ms=45.0,
    calls_p95_ms=50.0,
    refused_per_min=0.0,
    processor_percent=60.0,
    memory_mb=2500.0,
)
"""All of them at their bounds."""


def test_what_is_at_its_bound_is_met() -> None:
    judged = judge(WELL)

    assert [target.met for target in judged] == [True] * ALL
    assert [target.row for target in judged] == ["V1", "A1", "V2", "A4", "A3"]
    assert count_met(judged) == 5


@pytest.mark.parametrize("name", Measured.__struct_fields__)
def test_each_is_judged_by_its_own_figure(name: str) -> None:
    place = Measured.__struct_fields__.index(name)
    over = TARGETS[place].bound + 0.001

    judged = judge(msgspec.structs.replace(WELL, **{name: over}))

    assert [target.met for target in judged].index(False) == place
    assert judged[place].value == over
    assert count_met(judged) == 4


def test_what_was_not_measured_counts_as_met_and_is_shown_as_not_measured() -> None:
    nothing = Measured(**dict.fromkeys(Measured.__struct_fields__))

    judged = judge(nothing)

    assert {(target.value, target.met) for target in judged} == {(None, None)}
    assert count_met(judged) == ALL


@pytest.mark.parametrize(
    ("met", "said"),
    [
        (5, "all met"),
        (4, "good"),
        (3, "good"),
        (2, "attention"),
        (0, "attention"),
    ],
)
def test_what_they_make_in_all(met: int, said: str) -> None:
    assert judgement(met) == said
