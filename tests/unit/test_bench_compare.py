from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import msgspec
import pytest
from rich.console import Console

from gapless.bench.claims import CLAIMS
from gapless.bench.claims.claim import Claim
from gapless.bench.compare import Comparison, compare
from gapless.bench.compare_report import print_comparison
from gapless.bench.direction import more_is_better
from gapless.bench.distribution import spread
from gapless.bench.harness import CaseResult, ContenderResult, Plan, Results
from gapless.bench.machine import Machine
from gapless.bench.report import Report
from gapless.bench.verdict import Verdict

MACHINE = Machine(
    cpu="Some CPU",
    usable_cpus=4,
    physical_cpus=2,
    virtual=True,
    memory_bytes=8 * 1024**3,
    system="Linux",
    python="CPython 3.11.7",
    packages={"gapless": "0.1.0", "numpy": "2.0"},
    load=0.1,
    commit="before",
)

STEADY = [100.0, 101.0, 99.0, 100.5, 99.5, 100.2]

CLAIM = CLAIMS["many-callers"]


def a_report(
    contenders: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    machine: Machine = MACHINE,
    verdicts: tuple[Verdict, ...] = (),
    plan: Plan | None = None,
    bench: str = "inference",
    case: str = "many-callers",
) -> Report:
    results = CaseResult(
        name=case,
        question="Which?",
        unit="rows",
        contenders=tuple(
            ContenderResult(
                name=name,
                what="",
                figures={figure: spread(list(rounds)) for figure, rounds in figures.items()},
            )
            for name, figures in contenders.items()
        ),
        verdicts=verdicts,
    )
    return Report(
        bench=bench,
        began_at="2026-01-31T10:00:00+00:00",
        machine=machine,
        plan=plan or Plan(),
        results=Results(cases=(results,)),
    )


def rates(
    baseline: Sequence[float], ours: Sequence[float]
) -> dict[str, dict[str, Sequence[float]]]:
    return {"plain": {"rate_per_s": baseline}, "ours": {"rate_per_s": ours}}


def scaled(rounds: Sequence[float], factor: float) -> list[float]:
    return [factor * one for one in rounds]


def a_verdict(holds: bool | None, claim: Claim = CLAIM) -> Verdict:
    return Verdict(
        claim=claim,
        contender="ours",
        against=None,
        value=spread([100.0]),
        holds=holds,
        held_rounds=0,
    )


def outcomes(comparison: Comparison) -> dict[str, str]:
    return {f"{one.contender} {one.figure}": one.outcome for one in comparison.changes}


def text_of(comparison: Comparison) -> str:
    out = io.StringIO()
    print_comparison(comparison, Console(file=out, width=200))
    return out.getvalue()


def test_what_became_slower_is_named_with_its_claim() -> None:
    old = a_report(rates(STEADY, STEADY), verdicts=(a_verdict(holds=True),))
    new = a_report(rates(STEADY, scaled(STEADY, 0.7)), verdicts=(a_verdict(holds=True),))

    comparison = compare([old], [new])

    assert outcomes(comparison) == {"plain rate_per_s": "steady", "ours rate_per_s": "worse"}
    (change,) = comparison.of("worse")
    assert change.ratio == pytest.approx(0.7)
    assert change.worse_share == 1.0
    assert change.claims == ("many-callers",)
    assert comparison.regressed
    assert "WORSE  inference many-callers, ours: rate_per_s (I2: many-callers)" in text_of(
        comparison
    )


@pytest.mark.parametrize(
    ("figure", "factor", "outcome"),
    [
        ("rate_per_s", 1.5, "better"),
        ("rate_per_s", 0.5, "worse"),
        ("p95_us", 1.5, "worse"),
        ("p95_us", 0.5, "better"),
        ("peak_mib", 1.5, "worse"),
        ("p95_us", 1.03, "steady"),
    ],
)
def test_which_way_is_better_depends_on_the_figure(
    figure: str, factor: float, outcome: str
) -> None:
    old = a_report({"ours": {figure: STEADY}})
    new = a_report({"ours": {figure: scaled(STEADY, factor)}})

    comparison = compare([old], [new])

    assert outcomes(comparison) == {f"ours {figure}": outcome}
    assert comparison.regressed == (outcome == "worse")


def test_noise_as_large_as_the_difference_is_not_called_a_change() -> None:
    noisy = [60.0, 140.0, 100.0, 150.0, 70.0, 90.0]
    old = a_report({"ours": {"rate_per_s": noisy}})
    new = a_report({"ours": {"rate_per_s": scaled(noisy, 0.85)}})

    comparison = compare([old], [new])

    assert outcomes(comparison) == {"ours rate_per_s": "unsure"}
    assert not comparison.regressed


def test_too_few_rounds_say_how_many_are_needed() -> None:
    old = a_report({"ours": {"rate_per_s": STEADY[:3]}})
    new = a_report({"ours": {"rate_per_s": scaled(STEADY[:3], 0.5)}})

    comparison = compare([old], [new])

    assert outcomes(comparison) == {"ours rate_per_s": "too few rounds"}
    assert comparison.rounds_needed == 4
    assert "measure both with --rounds 4 or more" in text_of(comparison)
    assert not comparison.regressed


def test_of_another_machine_only_multiples_of_the_baseline_count() -> None:
    other = msgspec.structs.replace(MACHINE, cpu="Slower CPU", packages={"numpy": "2.1"})
    old = a_report(rates(STEADY, scaled(STEADY, 4)))
    # Everything takes twice as long there: nothing became worse.
    new = a_report(rates(scaled(STEADY, 0.5), scaled(STEADY, 2)), machine=other)

    comparison = compare([old], [new])

    assert outcomes(comparison) == {"ours rate_per_s": "steady"}
    assert comparison.changes[0].against == "plain"
    assert comparison.differs == ("cpu: Some CPU, now Slower CPU", "numpy: 2.0, now 2.1")
    assert "only multiples of each baseline are compared" in text_of(comparison)

    lost = a_report(rates(scaled(STEADY, 0.5), scaled(STEADY, 1)), machine=other)
    assert outcomes(compare([old], [lost])) == {"ours rate_per_s": "worse"}


def test_another_version_of_gapless_itself_is_what_is_compared() -> None:
    other = msgspec.structs.replace(MACHINE, packages={"gapless": "0.2.0", "numpy": "2.0"})

    assert compare([a_report({})], [a_report({}, machine=other)]).differs == ()


def test_pairs_are_compared_where_rounds_ran_in_turn() -> None:
    slower = [100.0, 90.0, 80.0, 70.0, 60.0, 50.0]
    old = a_report({"ours": {"rate_per_s": slower}})
    new = a_report({"ours": {"rate_per_s": scaled(slower, 0.9)}})

    assert outcomes(compare([old], [new], paired=True)) == {"ours rate_per_s": "worse"}
    assert outcomes(compare([old], [new])) == {"ours rate_per_s": "unsure"}


def test_figures_that_count_flaws_may_be_zero() -> None:
    claim = CLAIMS["mic-gaps"]
    verdicts = (a_verdict(holds=True, claim=claim),)
    old = a_report({"ours": {"holes": [0.0] * 6}}, verdicts=verdicts)
    new = a_report({"ours": {"holes": [3.0, 2.0, 4.0, 3.0, 2.0, 3.0]}}, verdicts=verdicts)

    comparison = compare([old], [new])

    (change,) = comparison.of("worse")
    assert change.ratio is None
    assert change.claims == ("mic-gaps",)
    assert "0.00 -> 3.00" in text_of(comparison)


def test_figures_that_never_vary_and_change_all_the_same_are_found() -> None:
    verdicts = (a_verdict(holds=True, claim=CLAIMS["cache-repeats"]),)
    old, lower = (
        a_report({"ours": {"repeat_hit_share": [share] * 5}}, verdicts=verdicts)
        for share in (0.96, 0.80)
    )

    assert outcomes(compare([old], [old])) == {"ours repeat_hit_share": "steady"}
    assert outcomes(compare([old], [lower])) == {"ours repeat_hit_share": "worse"}


def test_a_claim_that_held_and_does_not_now_is_told() -> None:
    old = a_report(rates(STEADY, STEADY), verdicts=(a_verdict(holds=True),))
    new = a_report(rates(STEADY, STEADY), verdicts=(a_verdict(holds=False),))

    comparison = compare([old], [new])

    assert [one.new.claim.name for one in comparison.broken] == ["many-callers"]
    assert "BROKEN inference many-callers, I2" in text_of(comparison)
    assert compare([new], [new]).broken == ()


def test_what_only_one_has_is_told() -> None:
    old = a_report({"plain": {"rate_per_s": STEADY}, "gone": {"rate_per_s": STEADY}})
    new = a_report({"plain": {"rate_per_s": STEADY}})
    other = a_report({}, bench="cache")
    trial = a_report({}, plan=Plan(proves=False))

    missing = compare([old], [new, other]).missing

    assert "inference many-callers: only one of both has gone" in missing
    assert "cache: was not measured before" in missing
    assert (
        "inference: measured with --quick, which proves nothing" in compare([trial], [new]).missing
    )


def test_a_comparison_survives_json() -> None:
    comparison = compare([a_report(rates(STEADY, STEADY))], [a_report(rates(STEADY, STEADY))])

    assert msgspec.json.decode(msgspec.json.encode(comparison), type=Comparison) == comparison


def test_every_figure_with_a_bound_has_a_direction() -> None:
    for claim in CLAIMS.values():
        if claim.bound is not None:
            assert more_is_better(claim.figure) == (claim.sense == "at least"), claim.name
