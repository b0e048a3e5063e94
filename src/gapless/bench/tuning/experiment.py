"""Settings tried on this machine: the shell that runs the races.

In: settings, how long it may take. Out: what was found. Invariants: every trial is a fresh process, one at a time, and
none is left when the call returns; nothing is written. Ctrl-C ends the search: races that were over by then count, the
one under way does not. Thread: main, blocked meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from gapless.bench.harness import Plan, run_child
from gapless.bench.quantity import digits, duration
from gapless.bench.tuning.load import RATE
from gapless.bench.tuning.race import FORMULA, Race, Score, Trial, Verdict
from gapless.bench.tuning.stages import Scope, Stage, stages
from gapless.settings import Settings

WARM_UP_S: Final = 0.2

MOST_P95_MS: Final = 20.0
"""Half of the 40 ms in which the audio of a live stream comes in: the other half is for the network and the rest."""


class Progress(Struct, frozen=True):
    """What is tried now."""

    stage: Stage
    candidate: str
    left: int
    """Candidates that are still in the race."""
    done_share: float
    """Of all the time, 0..1."""


Tell: TypeAlias = Callable[[Progress], None]


class Answer(Struct, frozen=True, kw_only=True):
    """What became of one question."""

    name: str
    question: str
    tried: int
    """Candidates that were run, the formula's among them."""
    formula: str
    winner: str
    challenger: str | None
    """The best of the others; None: none was left."""
    verdict: Verdict
    values: dict[str, int]
    """Of the winner, by name of the setting."""
    errors: tuple[str, ...] = ()
    """What went wrong in trials; those candidates are out."""

    @property
    def changed(self) -> bool:
        """Whether another value than the formula's won."""
        return self.verdict.winner != FORMULA

    @property
    def why(self) -> str:
        """In a sentence."""
        verdict = self.verdict
        if self.challenger is None:
            return f"{self.formula}, as the formula has it: there was nothing to compare it with"
        rate = f"{digits(verdict.gain)}x the work in the median of {verdict.rounds} rounds"
        noise = f"the same thing varied by {100 * verdict.noise:.0f} %"
        if self.changed:
            late = f"p95 {duration(verdict.p95_us)} against {duration(verdict.formula_p95_us)}"
            return (
                f"{self.winner} did {rate} against {self.formula} of the formula; {late}; {noise}"
            )
        return f"{self.formula}, as the formula has it: {self.challenger} did {rate}; {noise}"


class Found(Struct, frozen=True, kw_only=True):
    """What the search came to."""

    answers: tuple[Answer, ...]
    seconds: float
    """That it took."""
    interrupted: bool = False
    """Ctrl-C was pressed."""

    @property
    def values(self) -> dict[str, int]:
        """Settings that should not be as the formula has them, by name."""
        return {
            name: value for one in self.answers if one.changed for name, value in one.values.items()
        }

    @property
    def reasons(self) -> dict[str, str]:
        """Why each setting that was tried should be as it is, by name."""
        return {name: one.why for one in self.answers for name in one.values}


def search(
    settings: Settings,
    scope: Scope,
    *,
    seconds: float,
    most_p95_ms: float = MOST_P95_MS,
    tell: Tell = lambda _: None,
) -> Found:
    """Try everything.

    Args:
        settings: with the plan's values.
        scope: what may be tried.
        seconds: for all; what a race leaves over is the next one's.
        most_p95_ms: what a live step may take, as the 95th percentile.
        tell: is told before every trial.
    """
    began = time.monotonic()
    answers: list[Answer] = []
    values: dict[str, int] = {}
    questions = list(stages(settings, scope))
    weights = [stage.weight for stage in questions]
    try:
        for number, stage in enumerate(questions):
            used_s = time.monotonic() - began
            share = stage.weight / sum(weights[number:])
            own_s = max(seconds - used_s, 0.0) * share
            race = Race(
                stage.candidates,
                seconds=own_s,
                most_p95_us=stage.most_p95_us or most_p95_ms * 1000,
            )

            def told(trial: Trial, stage: Stage = stage, race: Race = race) -> None:
                done = min((time.monotonic() - began) / seconds, 1.0)
                name = stage.candidates[trial.candidate].name
                tell(Progress(stage, name, len(race.left), done))

            answer = _run(stage, race, values, told)
            answers.append(answer)
            values |= answer.values
    except KeyboardInterrupt:
        return Found(answers=tuple(answers), seconds=time.monotonic() - began, interrupted=True)
    return Found(answers=tuple(answers), seconds=time.monotonic() - began)


def _run(
    stage: Stage, race: Race, before: Mapping[str, int], tell: Callable[[Trial], None]
) -> Answer:
    """Run a race to its end."""
    tried: set[int] = set()
    errors: dict[str, str] = {}
    while (trial := race.next()) is not None:
        tell(trial)
        candidate = stage.candidates[trial.candidate]
        tried.add(trial.candidate)
        began = time.monotonic()
        answer = run_child(
            stage.contender({**before, **candidate.values}),
            Plan(seconds=trial.seconds, warm_up_s=WARM_UP_S),
        )
        score = None
        if answer.error:
            errors[candidate.name] = answer.error
        else:
            score = score_of(answer.figures)
        race.tell(trial, score, time.monotonic() - began)
    verdict = race.verdict()
    challenger = verdict.challenger
    winner = stage.candidates[verdict.winner]
    return Answer(
        name=stage.name,
        question=stage.question,
        tried=len(tried),
        formula=stage.candidates[FORMULA].name,
        winner=winner.name,
        challenger=None if challenger is None else stage.candidates[challenger].name,
        verdict=verdict,
        values=winner.values,
        errors=tuple(f"{name}: {error}" for name, error in errors.items()),
    )


def score_of(figures: Mapping[str, float]) -> Score:
    """What the figures of a trial come to: the rates of bulk work by model, or the one rate there is."""
    rates = {
        name.removeprefix(RATE): rate for name, rate in figures.items() if name.startswith(RATE)
    }
    return Score(rates or {"all": figures["rate_per_s"]}, figures["p95_us"])
