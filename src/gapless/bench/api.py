"""``gapless bench api``: requests over HTTP that are answered from memory, and such that go all the way.

In: nothing. Out: cases. Invariants: the same questions for all contenders of a case. Thread: main.

The model is the perceptron that inference is measured with: a question is 2.9 KB of JSON and an answer 4 KB, so that
reading and writing numbers is a real part of the work. The voice detector that comes with Gapless has a state, and is
another question.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from gapless.bench.case import Case, Cases, Check, Contender
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import api, api_servers
from gapless.bench.small_model import write_small_model

CONNECTIONS: Final = 100
CALLERS: Final = 32
"""Of the pipeline as fast as it answers: each more only waits longer."""

RATE_PER_S: Final = 1000.0
RATE_IN_TRIAL_PER_S: Final = 50.0

EXTRA_S: Final = 120.0
"""Servers start, and the database comes to rest."""

NO_BATCHES: Final = {"max_batch": 1}
AS_IT_IS: Final[dict[str, int]] = {}

CONSTANT: Final = "uvicorn, a constant"
CACHED: Final = "gapless serve"
SINGLE: Final = "a row a call"
BATCHED: Final = "batches"


@contextmanager
def api_cases(*, trial: bool = False) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        trial: see that everything runs, with few requests.

    Raises:
        MissingDependencyError: the small model cannot be written.
    """
    with TemporaryDirectory(prefix="gapless-bench-") as models:
        write_small_model(Path(models))
        yield {
            "cached": partial(_cached, models),
            "pipeline": partial(_pipeline, models),
            "offered": partial(_offered, models, RATE_IN_TRIAL_PER_S if trial else RATE_PER_S),
        }


def _cached(models: str) -> Case:
    options = {"models": models, "connections": CONNECTIONS}
    constant = Contender(
        name=CONSTANT,
        what="the same HTTP stack and settings; reads the question, sends the same answer to all",
        make=api.constant,
        options=options,
        warm_up=False,
        extra_s=EXTRA_S,
    )
    own = Contender(
        name=CACHED,
        what=f"{api.BODIES:,} questions that were asked before, again and again",
        make=api.cached,
        options=options,
        warm_up=False,
        extra_s=EXTRA_S,
    )
    claims = ("api-cached", "api-cached-p95")
    return Case(
        name="cached",
        question=f"How many answers come from memory? (POST /api/infer, {CONNECTIONS} connections; {_pinned()})",
        unit="requests",
        contenders=(constant, own),
        checks=(
            *(Check(claim=CLAIMS[claim], contender=own.name) for claim in claims),
            Check(claim=CLAIMS["api-cached-stack"], contender=own.name, against=constant.name),
            Check(claim=CLAIMS["api-cached-goal"], contender=own.name),
        ),
    )


def _pipeline(models: str) -> Case:
    single, batched = _all_the_way({"models": models, "connections": CALLERS})
    claims = (
        *("api-pipeline", "api-pipeline-p95", "api-pipeline-goal"),
        *("api-kept", "api-memory", "api-memory-peak"),
    )
    gain = CLAIMS["api-pipeline-gain"]
    return Case(
        name="pipeline",
        question=f"How many new questions are answered? (POST /api/infer, {CALLERS} callers; "
        "read, computed, a row in the database; those who ask share the cores)",
        unit="requests",
        contenders=(single, batched),
        checks=(
            *(Check(claim=CLAIMS[claim], contender=batched.name) for claim in claims),
            Check(claim=gain, contender=batched.name, against=single.name),
        ),
    )


def _offered(models: str, rate_per_s: float) -> Case:
    single, batched = _all_the_way(
        {"models": models, "connections": CONNECTIONS, "rate_per_s": rate_per_s}
    )
    claims = (
        *("api-offered-p95", "api-offered", "api-kept"),
        *("api-memory", "api-memory-peak", "api-processor"),
    )
    return Case(
        name="offered",
        question=f"How do {rate_per_s:,.0f} new questions a second fare that do not wait for each other? (open loop, "
        "Poisson; times from the moment a question is due; those who ask share the cores)",
        unit="requests",
        contenders=(single, batched),
        checks=tuple(Check(claim=CLAIMS[claim], contender=batched.name) for claim in claims),
    )


def _all_the_way(options: dict[str, Any]) -> tuple[Contender, Contender]:
    single, batched = (
        Contender(
            name=name,
            what=what,
            make=api.pipeline,
            options={**options, "settings": settings},
            warm_up=False,
            extra_s=EXTRA_S,
        )
        for name, what, settings in (
            (SINGLE, "the same server with max_batch = 1", NO_BATCHES),
            (BATCHED, "what waits at a time is computed together", AS_IT_IS),
        )
    )
    return single, batched


def _pinned() -> str:
    if api_servers.core_for_server():
        return "the server on one core, those who ask on the others"
    return "all on the same cores: nothing can be pinned here"
