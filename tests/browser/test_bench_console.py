"""``gapless bench console`` in a real Chromium, for a moment: does it measure what it says?"""

from __future__ import annotations

import pytest

from gapless.bench.browser import chromium_path
from gapless.bench.console import CLAIMED, console_cases
from gapless.bench.harness import QUICK, run_cases
from gapless.errors import MissingDependencyError

pytestmark = pytest.mark.browser


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("launch")
def test_the_bench_of_the_console_sees_frames_and_so_does_the_page() -> None:
    with console_cases(trial=True) as cases:
        (result,) = run_cases([cases["frames"]()], QUICK).cases

    assert result.error == ""
    idle, live = (contender.figures for contender in result.contenders)
    assert "own_p95_us" not in idle
    least = 5
    assert min(idle["operations"].median, live["operations"].median) > least
    # Drawing takes more than drawing nothing.
    assert live["p50_us"].median > idle["p50_us"].median > 0
    assert live["own_p50_us"].median > 0
    assert {verdict.claim.name for verdict in result.verdicts} == set(CLAIMED)


def test_a_machine_without_chromium_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(MissingDependencyError, match="install the package chromium"):
        chromium_path()
