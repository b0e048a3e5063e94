"""Every contender of every case, tried for a moment in this process; the pool's against a real Triton server."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gapless.bench.batching import batching_cases
from gapless.bench.case import Case, Cases, Check
from gapless.bench.child import figures_of
from gapless.bench.inference import inference_cases
from gapless.bench.pool import pool_cases
from gapless.errors import MissingDependencyError
from gapless.testing.triton_server import find_triton

pytestmark = pytest.mark.long

MOMENT_S = 0.01

Bench = Callable[[], AbstractContextManager[Cases]]


def try_all(bench: Bench, names: tuple[str, ...]) -> list[Case]:
    """Every contender of these cases works, and has the figures that its claims are judged by."""
    with bench() as cases:
        tried = [cases[name]() for name in names]
        for case in tried:
            figures = {}
            for contender in case.contenders:
                with contender.make(**contender.options) as work:
                    figures[contender.name] = figures_of(work(MOMENT_S))
            for check in case.checks:
                whose = [check.contender] if isinstance(check, Check) else check.steps.values()
                assert all(figures[name][check.claim.figure] > 0 for name in whose)
    return tried


def test_the_contenders_of_inference_work() -> None:
    names = ("one-row", "many-callers", "voice", "sessions", "first-call")

    assert len(try_all(lambda: inference_cases(2), names)) == len(names)


def test_weights_of_8_bits_are_judged_only_where_they_are_used() -> None:
    (case,) = try_all(lambda: inference_cases(1), ("int8",))

    checks = [check for check in case.checks if isinstance(check, Check)]
    used = "says: used" in case.contenders[1].what
    assert [check.judged for check in checks] == [used] * 3


def test_the_contenders_of_batching_work(tmp_path: Path) -> None:
    names = ("store-rows", "driver-rows", "model-calls", "engine-rows")

    try_all(lambda: batching_cases(2, tmp_path), names)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.triton
def test_the_contenders_of_the_pool_work() -> None:
    try:
        find_triton()
    except MissingDependencyError as error:
        if os.environ.get("GAPLESS_REQUIRE_TRITON"):
            raise
        pytest.skip(str(error))

    try_all(lambda: pool_cases(None, None), ("taking", "round-trip", "scaling"))
