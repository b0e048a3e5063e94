from __future__ import annotations

from typing import Literal

import pytest

from gapless.bench.case import Check, ScalingCheck
from gapless.bench.claims.claim import Claim
from gapless.bench.distribution import spread
from gapless.bench.verdict import Figures, judge, linearity


def a_claim(
    bound: float | None, sense: Literal["at least", "at most"] = "at least", *, times: bool = False
) -> Claim:
    return Claim(
        name="speed",
        row="X1",
        bench="inference",
        says="how fast",
        figure="rate_per_s",
        sense=sense,
        bound=bound,
        times=times,
    )


def rates(**contenders: list[float]) -> dict[str, Figures]:
    return {name: {"rate_per_s": spread(rounds)} for name, rounds in contenders.items()}


@pytest.mark.parametrize(
    ("sense", "bound", "holds"),
    [
        ("at least", 10.0, True),
        ("at least", 10.1, False),
        ("at most", 10.0, True),
        ("at most", 9.9, False),
    ],
)
def test_a_claim_is_judged_by_the_median(
    sense: Literal["at least", "at most"], bound: float, *, holds: bool
) -> None:
    check = Check(claim=a_claim(bound, sense), contender="ours")

    verdict = judge(check, rates(ours=[10.0, 1.0, 100.0]), proves=True)

    assert verdict is not None
    assert verdict.holds is holds


def test_a_verdict_tells_in_how_many_rounds_it_held() -> None:
    check = Check(claim=a_claim(10.0), contender="ours")

    verdict = judge(check, rates(ours=[10.0, 1.0, 100.0]), proves=True)

    assert verdict is not None
    assert verdict.held_rounds == 2


def test_a_multiple_is_judged_against_the_other_contender() -> None:
    check = Check(claim=a_claim(3.0, times=True), contender="ours", against="theirs")

    verdict = judge(check, rates(ours=[30.0, 40.0], theirs=[10.0, 20.0]), proves=True)

    assert verdict is not None
    assert verdict.value.rounds == (3.0, 2.0)
    assert verdict.holds is False


def test_a_claim_without_a_bound_is_reported() -> None:
    check = Check(claim=a_claim(None), contender="ours")

    verdict = judge(check, rates(ours=[10.0]), proves=True)

    assert verdict is not None
    assert verdict.holds is None
    assert verdict.held_rounds == 0


def test_a_trial_judges_nothing() -> None:
    check = Check(claim=a_claim(10.0), contender="ours")

    verdict = judge(check, rates(ours=[1.0]), proves=False)

    assert verdict is not None
    assert verdict.holds is None


def test_what_is_not_claimed_of_a_contender_is_reported_all_the_same() -> None:
    check = Check(claim=a_claim(10.0), contender="theirs", judged=False)

    verdict = judge(check, rates(theirs=[1.0]), proves=True)

    assert verdict is not None
    assert verdict.holds is None
    assert verdict.value.median == 1.0


def test_a_claim_waits_for_all_its_contenders() -> None:
    check = Check(claim=a_claim(3.0, times=True), contender="ours", against="theirs")

    assert judge(check, rates(ours=[30.0]), proves=True) is None
    assert judge(check, rates(theirs=[30.0]), proves=True) is None


def test_a_straight_line_to_a_flat_top_is_linear() -> None:
    assert linearity({1: 10.0, 2: 20.0, 4: 30.0, 8: 30.0}) == 1.0


def test_a_rate_that_grows_too_slowly_or_falls_again_is_not_linear() -> None:
    assert linearity({1: 10.0, 2: 15.0, 4: 40.0}) == 0.75
    assert linearity({1: 10.0, 2: 20.0, 4: 10.0}) == 0.5


def test_scaling_is_judged_round_by_round_over_the_rounds_that_are_complete() -> None:
    check = ScalingCheck(claim=a_claim(0.8, times=True), steps={1: "one", 2: "two"})

    verdict = judge(check, rates(one=[10.0, 10.0, 10.0], two=[20.0, 12.0]), proves=True)

    assert verdict is not None
    # 12 is the best of its round: nobody could have had 20, but one channel alone had 10 of them.
    assert verdict.value.rounds == (1.0, 1.0)
    assert judge(check, rates(one=[10.0]), proves=True) is None
