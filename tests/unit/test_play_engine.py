"""Edits that go wrong, that come one upon the other, and what memory the callback may still read.

Each of these was heard, or crashed, before it was put right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from gapless.errors import ConfigError
from gapless.play.builder import Builder
from gapless.play.graph import Graph
from gapless.play.language.load import compile_program
from gapless.play.live.player import RING_OUT_S
from gapless.play.offline import OfflinePlayer, samples_of
from gapless.play.pattern import Event, Pattern
from gapless.play.program import Controls, Made, Number, Played, Program
from gapless.play.samples.library import SampleLibrary
from gapless.play.sound import trigger
from gapless.play.sound.bank.pool import VOICES
from gapless.play.sound.catalogue import UNITS
from gapless.play.time import Span
from gapless.play.voices import triggers_of
from gapless.testing.detectors import find_flaws
from gapless.testing.play_desk import Desk, open_desk, program

# One process compiles the kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-live")]

RATE_HZ = 48_000
QUARTER = RATE_HZ // 4


@pytest.fixture
def sounds() -> Iterator[SampleLibrary]:
    library = SampleLibrary([], RATE_HZ)
    yield library
    library.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk(RATE_HZ, polyphony=4) as opened:
        yield opened


def unowned(graph: Graph) -> list[str]:
    """Places whose records point to memory that the graph does not keep alive."""
    nodes = {id(node): node for node in (*graph.order, *graph.nodes.values())}
    for node in list(nodes.values()):
        nodes |= {id(inner): inner for inner in node.inner.values()}
    lost = []
    for node in nodes.values():
        kept = {wire.ctypes.data for wire in node.reads}
        used = {int(address) for address in node.record["inputs"][0] if address}
        if node.calls is not None:
            kept.add(node.calls.ctypes.data)
            used.add(int(node.record["calls"][0]))
        if not used <= kept:
            lost.append(node.unit.name)
    return lost


INSTRUMENT = 'o1: s "~x*4" # lpf 900\n'


def test_a_bus_that_becomes_stereo_is_taken_up(desk: Desk) -> None:
    desk.set("~x: sine 440 * 0.3\no1: ~x\n")
    desk.hear(QUARTER)
    desk.set("~x: sine 440 * 0.3 # pan2 1\no1: ~x\n")
    heard = desk.hear(RATE_HZ)
    for channel in heard:
        assert not find_flaws(channel, RATE_HZ).any()
    assert np.abs(heard[0, -QUARTER:]).max() < 1e-3, "the left side has gone"
    assert np.abs(heard[1, -QUARTER:]).max() > 0.2
    desk.set("~x: sine 440 * 0.3\no1: ~x\n")
    heard = desk.hear(RATE_HZ)
    assert not find_flaws(heard[0], RATE_HZ).any()
    assert np.array_equal(heard[0, -QUARTER:], heard[1, -QUARTER:])


def test_a_build_that_fails_leaves_the_graph_as_it_was(sounds: SampleLibrary) -> None:
    builder = Builder(UNITS, VOICES, RATE_HZ, polyphony=2)
    before = builder.build(program("~x: saw 261 # lpf 500\n" + INSTRUMENT))
    assert not unowned(before)
    # What is wrong is found out when all else is built.
    edited = program('~x: saw 261 # lpf 500\no1: (s "~x*4" # lpf 1200) + sine 3\no2: tri 3\n')
    wrong = Made("no such unit", (Number(1.0),))
    with pytest.raises(ConfigError, match="no unit called"):
        builder.build(replace(edited, outputs={**edited.outputs, "o3": wrong}), before)
    assert not unowned(before), "records point to what the failed graph has let go"


def test_edits_that_pile_up_are_refused_and_harm_nothing(desk: Desk) -> None:
    desk.set("o1: sine 440 * 0.5\n")
    desk.hear(QUARTER)
    refused = 0
    for n in range(12):
        try:
            desk.set(f"o1: sine {441 + n} * 0.5\n")
        except ConfigError:
            refused += 1
    assert refused > 2
    heard = desk.hear(QUARTER)
    assert not find_flaws(heard[0], RATE_HZ).any()
    assert not unowned(desk.player._graph)
    desk.set("o1: sine 440 * 0.5\n")
    assert not find_flaws(desk.hear(QUARTER)[0], RATE_HZ).any()


@pytest.mark.parametrize("passed", [0, 128, 384])
def test_an_edit_within_the_fade_of_another_makes_no_step(desk: Desk, passed: int) -> None:
    """Also before the first of them is taken up."""
    desk.set("o1: sine 440 * 0.5\n")
    desk.hear(QUARTER)
    parts = []
    for level in ("0.05", "0.05", "0.4", "0.4"):
        desk.set(f"o1: sine 440 * {level}\n")
        if passed:
            parts.append(desk.hear(passed))
    heard = np.concatenate([*parts, desk.hear(QUARTER)], axis=1)
    assert not find_flaws(heard[0], RATE_HZ).any()
    steps = np.abs(np.diff(heard[0], 2))
    assert steps.max() < 3 * 0.5 * (2 * np.pi * 440 / RATE_HZ) ** 2


def test_the_first_beat_is_what_a_rendering_has(desk: Desk, sounds: SampleLibrary) -> None:
    text = 'o1: s "bd*4"\n'
    make = partial(triggers_of, sounds=sounds, wait=True)
    wanted = OfflinePlayer(program(text), RATE_HZ, make).read(QUARTER)
    desk.hear(QUARTER)
    begins = desk.player.set(program(text)) - desk.player.position
    heard = desk.hear(begins + QUARTER + 128)
    assert np.array_equal(heard[:, begins : begins + QUARTER], wanted)


def test_what_is_hushed_stays_silent_when_its_output_goes(desk: Desk) -> None:
    voice = 'o1: s "sine" # sustain 4 # gain 1\n'
    desk.set(voice)
    desk.hear(QUARTER)
    desk.set(voice + "hush1\n")
    desk.hear(QUARTER)
    desk.set('o2: s "~"\n')
    assert not desk.hear(QUARTER).any()


def test_the_share_of_an_output_changes_by_a_fade(desk: Desk) -> None:
    desk.set("outmix: gain\no1: sine 220 * 0.9\n")
    desk.hear(QUARTER)
    desk.set("outmix: gain\no1: sine 220 * 0.9\n" + "".join(f"o{n}: 0\n" for n in range(2, 6)))
    heard = desk.hear(QUARTER)[0]
    assert np.abs(heard[-4800:]).max() == pytest.approx(0.18, rel=0.01)
    assert np.abs(np.diff(heard, 2)).max() < 0.01


def test_what_runs_on_for_nobody_is_let_go(desk: Desk) -> None:
    desk.set("o1: (supersaw 110) * 0.1\n")
    desk.hear(QUARTER)
    desk.set("o1: (sine 110) * 0.1\n")
    desk.hear(QUARTER)
    assert not desk.player._graph.leaving
    desk.hear(round(2.1 * RING_OUT_S * RATE_HZ), block=4096)
    assert not desk.player._graph.retired
    assert all(node.unit.name != "supersaw" for node in desk.player._graph.order)


@pytest.mark.parametrize(
    ("controls", "least_s"),
    [
        ({"s": "bd", "loop": 4, "legato": 0.1, "release": 30}, 30.0),
        ({"s": "bd", "speed": 0.001}, 100.0),
    ],
    ids=["a long release", "a slow speed"],
)
def test_the_memory_of_a_sound_is_kept_while_a_voice_reads_it(
    sounds: SampleLibrary, controls: dict[str, object], least_s: float
) -> None:
    text = "o1: " + " # ".join(
        f's "{value}"' if name == "s" else f"{name} {value}" for name, value in controls.items()
    )
    make = partial(triggers_of, sounds=sounds, wait=True)
    player = OfflinePlayer(program(text + "\n"), RATE_HZ, make)
    player.read(256)
    assert player.scheduler._held[0][0] > least_s * RATE_HZ


@pytest.mark.parametrize(
    ("cycles", "seconds"), [(Fraction(10) ** 400, None), (None, 1e9), (None, math.nan)]
)
def test_a_length_that_no_recording_has_is_refused(
    cycles: Fraction | None, seconds: float | None
) -> None:
    with pytest.raises(ConfigError, match="86400 s"):
        samples_of(Program(outputs={}), RATE_HZ, cycles=cycles, seconds=seconds)


def test_a_pattern_that_cannot_answer_silences_nobody_else(sounds: SampleLibrary) -> None:
    def fails(_: Span) -> list[Event[Controls]]:
        raise RecursionError("too deep")

    good = compile_program("o2: sine 440 * 0.5\n", "good.ph", UNITS)
    program = replace(good, outputs={"o1": Played(Pattern(fails)), **good.outputs})
    player = OfflinePlayer(program, RATE_HZ, partial(triggers_of, sounds=sounds, wait=True))
    heard = player.read(RATE_HZ // 4)
    assert np.abs(heard).max() > 0.4
    assert any(reason.startswith("o1: RecursionError") for reason in player.scheduler.failed)


def test_what_no_device_can_play_is_cut_and_said_once_for_each_program(desk: Desk) -> None:
    text = "o1: sine 440 * 3\n"
    desk.set("o1: sine 440 * 0.9\n")
    desk.hear(QUARTER)
    assert not desk.player.remarks()
    for _ in range(2):
        desk.set(text)
        heard = desk.hear(QUARTER)
        assert np.abs(heard).max() == 1.0
        (remark,) = desk.player.remarks()
        assert "outmix: tanh" in remark.text
        desk.hear(QUARTER)
        assert not desk.player.remarks()
    assert desk.player.clipped > QUARTER


@pytest.mark.parametrize("way", ["tanh", "hard", "none"])
def test_what_is_within_full_scale_comes_out_as_it_is(desk: Desk, way: str) -> None:
    text = f"outmix: {way}\no1: sine 440\n"
    desk.set(text)
    desk.hear(QUARTER)
    heard = desk.hear(QUARTER)
    peak = np.tanh(1.0) if way == "tanh" else 1.0
    assert np.abs(heard).max() == pytest.approx(peak, rel=1e-3)
    assert desk.player.clipped == 0


def test_events_without_room_are_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.set('o1: s "hh*4"\n')
    desk.hear(QUARTER)
    assert not desk.player.remarks()
    monkeypatch.setattr(trigger, "post", lambda _record, _orders: 0)
    desk.hear(2 * RATE_HZ)
    (remark,) = desk.player.remarks()
    assert "found no room" in remark.text
    desk.hear(2 * RATE_HZ)
    assert not desk.player.remarks()
