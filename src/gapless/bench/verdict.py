"""Whether the figures keep the claims.

In: the figures of contenders. Out: verdicts. Invariants: a claim is judged by the median of its rounds, and how many
rounds held it is told beside; what has no bound, or too few figures, is not judged. Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from gapless.bench.case import Check, ScalingCheck
from gapless.bench.claims.claim import Claim
from gapless.bench.distribution import Spread, ratio, spread

Figures: TypeAlias = Mapping[str, Spread]
"""The figures of one contender by name."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a claim."""

    claim: Claim
    contender: str
    against: str | None
    value: Spread
    """The figure, or the multiple."""
    holds: bool | None
    """None: it is reported, not judged."""
    held_rounds: int
    """In how many of the rounds it held."""


def judge(
    check: Check | ScalingCheck, results: Mapping[str, Figures], *, proves: bool
) -> Verdict | None:
    """What the figures say of a claim; None while those it needs are missing.

    Args:
        check: the claim and its contenders.
        results: the figures of each contender that finished a round.
        proves: False if the rounds are too short to prove anything; nothing is judged then.
    """
    if isinstance(check, ScalingCheck):
        contender, against, judged = ", ".join(check.steps.values()), None, proves
        value = _scaling(check, results)
    else:
        contender, against, judged = check.contender, check.against, check.judged and proves
        value = _value(check, results)
    if value is None:
        return None
    return Verdict(
        claim=check.claim,
        contender=contender,
        against=against,
        value=value,
        holds=check.claim.holds(value.median) if judged else None,
        held_rounds=sum(check.claim.holds(one) is True for one in value.rounds),
    )


def linearity(rates: Mapping[int, float]) -> float:
    """How close to a straight line a rate grows before it is flat: 1 is straight up to the best that any number had.

    With n channels nobody can have more than n times the rate of one, nor more than the best of all. The result is the
    smallest share of that which any n reached.
    """
    best = max(rates.values())
    return min(rate / min(number * rates[1], best) for number, rate in rates.items())


def _value(check: Check, results: Mapping[str, Figures]) -> Spread | None:
    figure = _figure(check.contender, check.claim, results)
    if check.against is None or figure is None:
        return figure
    other = _figure(check.against, check.claim, results)
    return None if other is None else ratio(figure, other)


def _scaling(check: ScalingCheck, results: Mapping[str, Figures]) -> Spread | None:
    figures = {
        number: figure
        for number, name in check.steps.items()
        if (figure := _figure(name, check.claim, results)) is not None
    }
    if len(figures) < len(check.steps):
        return None
    # A run that was cut short has one round more of some.
    rounds = min(len(figure.rounds) for figure in figures.values())
    return spread(
        [
            linearity({number: figure.rounds[i] for number, figure in figures.items()})
            for i in range(rounds)
        ]
    )


def _figure(contender: str, claim: Claim, results: Mapping[str, Figures]) -> Spread | None:
    return results.get(contender, {}).get(claim.figure)
