"""A player that is edited while it plays, without a device: blocks are called for as a device would."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from gapless.errors import ConfigError
from gapless.play.builder import Builder
from gapless.play.errors import PlayError
from gapless.play.live.player import Player
from gapless.play.schedule import Heard, Scheduler
from gapless.play.sound.bank.pool import VOICES
from gapless.play.sound.catalogue import UNITS
from gapless.testing.detectors import find_flaws
from gapless.testing.play_desk import Desk, open_desk, program

# One process compiles the kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-live")]

RATE_HZ = 48_000
LEAD_MS = 40.0


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk(RATE_HZ, lead_ms=LEAD_MS) as opened:
        yield opened


def test_nothing_is_silence(desk: Desk) -> None:
    assert not desk.hear(RATE_HZ // 10).any()


def test_an_edit_is_heard_within_the_lead(desk: Desk) -> None:
    desk.hear(RATE_HZ // 4)
    said_at = desk.player.position
    desk.player.set(program("o1: sine 440 * 0.5\n"))
    heard = desk.hear(RATE_HZ // 4)
    first = int(np.flatnonzero(heard[0])[0]) + said_at
    assert first - said_at <= 0.05 * RATE_HZ


def test_cycles_go_on_through_edits(desk: Desk) -> None:
    for text in ('bpm: 120\no1: s "bd*4"\n', 'bpm: 120\no1: s "bd*8"\n', 'bpm: 90\no1: s "hh*4"\n'):
        desk.player.set(program(text))
        before = desk.player.cycle
        desk.hear(RATE_HZ)
        passed = float(desk.player.cycle - before)
        assert 0.7 * float(desk.player.program.cps) < passed < 1.3 * 0.5


def test_voices_ring_out_when_their_output_is_gone(desk: Desk) -> None:
    desk.player.set(program('o1: s "sine" # gain 0.5 # attack 0.01 # release 0.2\n'))
    desk.hear(RATE_HZ // 2)
    desk.player.set(program('o2: s "~"\n'))
    heard = desk.hear(2 * RATE_HZ)
    loud = np.abs(heard[0]).reshape(-1, RATE_HZ // 8 // 8 * 8).max(axis=1)
    assert loud[4] > 0.1, "it sounds on"
    assert loud[-1] < 1e-3, "and ends"
    assert not find_flaws(heard[0], RATE_HZ).any()


def test_a_hushed_output_fades(desk: Desk) -> None:
    desk.player.set(program("o1: sine 440 * 0.5\n"))
    desk.hear(RATE_HZ // 2)
    desk.player.set(program("o1: sine 440 * 0.5\nhush1\n"))
    heard = desk.hear(RATE_HZ // 2)
    assert not find_flaws(heard[0], RATE_HZ).any()
    assert not heard[:, RATE_HZ // 4 :].any()


def test_a_number_that_changes_makes_no_step(desk: Desk) -> None:
    desk.player.set(program("o1: sine 440 * 0.5\n"))
    desk.hear(RATE_HZ // 2)
    desk.player.set(program("o1: sine 440 * 0.1\n"))
    heard = desk.hear(RATE_HZ // 2)
    assert not find_flaws(heard[0], RATE_HZ).any()
    assert np.abs(heard[0, -RATE_HZ // 4 :]).max() == pytest.approx(0.1, rel=0.01)


def random_program(chance: random.Random) -> str:
    """A few outputs, none of which has clicks of its own."""
    bus = chance.choice(["sine 220", 'saw 110 # lpf ("<400 800>") 0.7', "tri 330 # lpf 1200"])
    lines = [f"bpm: {chance.choice([90, 120, 140])}", f"~x: {bus}"]
    hits, notes = chance.choice([3, 5]), chance.choice(["c4'maj e4", "<c4 g4>", "a3 c4"])
    tone = chance.choice(["sine*4", "saw(3,8)"])
    effect = chance.choice(["", " # delay 0.25 0.3", " # reverb 0.7 0.2"])
    some = (
        f'o1: s "~x({hits},8)" # note "{notes}" # gain 0.3{effect}',
        f'o2: s "{tone}" # note "<0 3 7>" # gain 0.5 # attack 0.01 # release 0.1 # cutoff 2000',
        "o3: sine 330 * 0.1",
        "o4: ~x * 0.1",
    )
    lines += [line for line in some if chance.random() < 0.6] or [some[0]]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_minute_of_fifty_edits_has_no_flaw(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    heard = []
    broken = 0
    for _ in range(50):
        text = random_program(chance)
        if chance.random() < 0.25:
            text = text[: len(text) // 2] + "((("
        try:
            desk.player.set(program(text))
        except PlayError:
            broken += 1
        heard.append(desk.hear(round(chance.uniform(0.8, 1.6) * RATE_HZ)))
    assert 5 < broken < 25
    for channel in np.concatenate(heard, axis=1):
        flaws = find_flaws(channel, RATE_HZ)
        assert not flaws.any(), flaws
    assert len(desk.player._changes) <= 2, "what is not used any more is let go"


def test_what_has_left_is_let_go(desk: Desk) -> None:
    for n in range(20):
        desk.player.set(program(f'~x: sine {200 + n}\no{n}: s "~x*4" # delay 0.1 0.2\n'))
        desk.hear(RATE_HZ // 10)
    graph = desk.player._graph
    assert len(graph.leaving) <= 12 + 1, "one of them fades"
    assert len(graph.ringing) <= 12
    desk.hear(13 * RATE_HZ, block=480)
    assert not desk.player._graph.leaving
    assert len(desk.player._graph.order) < 20


def test_more_outputs_than_fit_are_refused_and_the_old_program_goes_on(desk: Desk) -> None:
    desk.player.set(program("o1: sine 440 * 0.5\n"))
    desk.hear(RATE_HZ // 4)
    many = "\n".join(f"o{n}: sine {100 + n} * 0.01" for n in range(1, 70))
    with pytest.raises(ConfigError, match="outputs"):
        desk.player.set(program(many + "\n"))
    assert np.abs(desk.hear(RATE_HZ // 4)).max() > 0.4


@pytest.mark.parametrize("lead_ms", [0.0, 1e6])
def test_a_lead_out_of_bounds_is_refused(lead_ms: float) -> None:
    scheduler = Scheduler(RATE_HZ, Fraction(1, 2), lambda *_, **__: None)
    with pytest.raises(ConfigError, match="lead_ms"):
        Player(Builder(UNITS, VOICES, RATE_HZ), scheduler, lead_ms)


def test_listeners_are_told_each_event_once_ahead_of_its_sound(desk: Desk) -> None:
    told: list[Heard] = []
    ahead: list[int] = []

    def listen(heard: Heard) -> None:
        told.append(heard)
        ahead.append(heard.begin - desk.player.position)

    desk.scheduler.listeners.append(listen)
    desk.player.set(program('o1: s "bd*4"\no2: note "c4"\nhush2\n'))
    desk.hear(2 * RATE_HZ)

    assert [one.output for one in told] == ["o1"] * len(told)
    begins = [one.begin for one in told if one.begin < 2 * RATE_HZ]
    assert np.diff(begins).tolist() == [RATE_HZ // 2] * 3
    assert {one.end - one.begin for one in told} == {RATE_HZ // 2}
    assert min(ahead) >= 0
    assert max(ahead) <= LEAD_MS / 1000 * RATE_HZ
    assert told[0].event.spans[0].line == 1
