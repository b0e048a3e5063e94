"""Contenders of the benches of start and memory, with real processes."""

from __future__ import annotations

import sys

import pytest

from gapless.bench.contenders import memory_held, startup
from gapless.bench.speech import SOUNDS
from gapless.errors import GaplessError

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="other systems tell less of memory"),
]


def test_a_process_is_timed_to_its_end() -> None:
    with startup.process(words=["-c", "import time; time.sleep(0.2)"]) as work:
        samples = work(0.3)

    assert samples.units == len(samples.took_ns) >= 2
    assert min(samples.took_ns) >= 200_000_000


def test_a_process_that_fails_is_not_a_start() -> None:
    with (
        pytest.raises(GaplessError, match="ZeroDivisionError"),
        startup.process(words=["-c", "1 / 0"]),
    ):
        pass


def test_a_bare_server_answers() -> None:
    with startup.bare_server() as work:
        assert work(0.01).units == 1


def test_our_server_answers_and_hears_a_recording_after_that() -> None:
    with startup.own_server(cold=False, model="commands-en") as work:
        samples = work(0.01)

    assert samples.units == 1
    assert samples.figures["transcript_us"] * 1000 > samples.took_ns[0]


def test_a_recording_that_cannot_be_heard_is_no_start() -> None:
    with (
        pytest.raises(GaplessError, match="see that the model nobody is here"),
        startup.own_server(cold=False, model="nobody"),
    ):
        pass


def test_memory_is_that_of_the_process_that_holds_it() -> None:
    with memory_held.holding(thing="libraries") as work:
        libraries = work(0.2).figures
    with memory_held.holding(thing="engine") as work:
        engine = work(0.2).figures

    assert 10 < libraries["pss_typical_mib"] < engine["pss_typical_mib"] < 2000
    assert engine["pss_typical_mib"] <= engine["resident_mib"] <= engine["peak_mib"]
    assert engine["processes"] == 1


def test_memory_of_a_server_that_is_spoken_to() -> None:
    with memory_held.server_with_streams(model="commands-en", count=1, speech=str(SOUNDS)) as work:
        figures = work(0.1).figures

    assert figures["pss_typical_mib"] > 50
    assert figures["pss_peak_mib"] >= figures["pss_typical_mib"]


def test_a_thing_that_cannot_be_held_is_told() -> None:
    with (
        pytest.raises(GaplessError, match=r"run `python -m gapless\.bench\.held nothing`"),
        memory_held.holding(thing="nothing"),
    ):
        pass
