"""Every contender of the microphone's bench, tried for a moment in this process, on real PipeWire."""

from __future__ import annotations

import os
from functools import cache
from typing import Final

import pytest

from gapless.bench.case import Case, Check
from gapless.bench.child import figures_of
from gapless.bench.mic import mic_cases

pytestmark = pytest.mark.audio

MOMENT_S: Final = 0.2
SOAK_S: Final = float(os.environ.get("GAPLESS_SOAK_S", "2"))
"""Of each mode, under stalls; minutes of it where there is time for them."""
TRIES: Final = 10


def cases() -> dict[str, Case]:
    with mic_cases() as known:
        return {name: make() for name, make in known.items()}


def measure(name: str, who: str, seconds: float = MOMENT_S) -> dict[str, float]:
    (contender,) = (one for one in cases()[name].contenders if one.name == who)
    with contender.make(**contender.options) as work:
        return figures_of(work(seconds))


@cache
def figures(name: str, who: str) -> dict[str, float]:
    """Measured once, whichever test asks first."""
    return measure(name, who)


CONTENDERS = [
    pytest.param(name, contender.name, id=f"{name}: {contender.name}")
    for name, case in cases().items()
    for contender in case.contenders
    # What low delay is compared with is measured by the same contender.
    if name != "quality" or contender.name.startswith("low")
]


@pytest.mark.parametrize(("name", "who"), CONTENDERS)
def test_a_contender_works_and_has_the_figures_it_is_judged_by(name: str, who: str) -> None:
    made = figures(name, who)

    assert made["operations"] >= 1
    wanted = {
        check.claim.figure
        for check in cases()[name].checks
        if isinstance(check, Check) and check.contender == who
    }
    # PESQ is somebody else's package.
    assert wanted - {"pesq"} <= set(made)


def test_the_low_delay_engine_adds_four_milliseconds() -> None:
    # Two samples: what a correlation of processed speech can be wrong by.
    four_ms = pytest.approx(4_000, abs=42)
    for _ in range(TRIES):
        made = measure("added-latency", "low-delay, 256")
        assert made["declared_us"] == 4_000
        if made["p50_us"] == four_ms:
            break
        # A machine that wakes it late makes it keep more sound for a while, and loses blocks behind it.
        assert made["p50_us"] > 4_000
    assert made["p50_us"] == four_ms


@pytest.mark.parametrize("mode", ["low-delay", "quality"])
def test_no_block_of_a_cleaned_microphone_allocates(mode: str) -> None:
    assert figures("allocations", mode)["allocations_per_block"] == 0


def test_a_callback_in_python_allocates() -> None:
    assert figures("allocations", "Python")["allocations_per_block"] >= 2


def test_a_long_stall_is_noticed_and_its_end_too() -> None:
    made = figures("recovery", "100 ms")

    assert made["noticed_share"] == made["opened_share"] == 1
    assert (made["closed_p95_us"] > 0) == (made["opened_share"] > 0)


def test_a_callback_in_python_loses_blocks_when_the_interpreter_is_busy() -> None:
    assert figures("gaps", "Python")["blocks_share"] < 1
    assert figures("callback", "Python, busy")["blocks_share"] < 0.9


# Blocks that a busy machine loses are for `gapless bench mic` to judge: here it is only what the engine makes of those
# that came.
@pytest.mark.timeout(120 + 2 * SOAK_S)
@pytest.mark.parametrize("mode", ["low-delay", "quality"])
def test_the_sound_never_breaks_while_the_model_stalls(mode: str) -> None:
    made = measure("gaps", mode, SOAK_S)

    assert made["late_blocks"] > 0, "nothing was disturbed"
    assert made["holes"] == made["clicks"] == 0
