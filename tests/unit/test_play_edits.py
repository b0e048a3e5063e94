"""What is heard when a program is edited: that nothing is cut, doubled or taken away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.play.program import Program
from gapless.play.schedule import Heard
from gapless.testing.detectors import find_flaws
from gapless.testing.play_desk import Desk, open_desk

# One process compiles the kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-live")]

RATE_HZ = 48_000
TENTH = RATE_HZ // 10
QUARTER = RATE_HZ // 4
LONG = "# attack 0.01 # release 30"


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk(RATE_HZ, polyphony=4) as opened:
        yield opened


def assert_smooth(heard: Samples) -> None:
    """No flaw; and the detector would have found one of a part of what is heard."""
    for channel in heard:
        flaws = find_flaws(channel, RATE_HZ)
        assert not flaws.any(), flaws
    broken = heard[0].copy()
    middle = int(np.abs(broken[TENTH:-TENTH]).argmax()) + TENTH
    broken[middle:] *= 0.8
    assert find_flaws(broken, RATE_HZ).any(), "a cut that is not heard proves nothing"


def test_many_edits_cut_nothing_that_still_rings(desk: Desk) -> None:
    heard = []
    for n in range(30):
        desk.set(f'bpm: 60\no{n}: s "sine" # note {n} # gain 0.3 {LONG}\n')
        heard.append(desk.hear(TENTH))
    assert_smooth(np.concatenate(heard, axis=1))


def test_what_rings_for_too_long_is_faded(desk: Desk) -> None:
    desk.set(f'bpm: 60\no1: s "sine" # gain 0.5 {LONG}\n')
    desk.hear(QUARTER)
    desk.set('o2: s "~"\n')
    heard = desk.hear(14 * RATE_HZ, block=480)
    assert np.abs(heard[0, 11 * RATE_HZ : 12 * RATE_HZ]).max() > 0.05, "it sounds until then"
    assert not heard[:, -QUARTER:].any()
    assert_smooth(heard)
    assert not desk.player._graph.leaving
    assert not desk.player._graph.retired


def test_outputs_that_faded_give_their_places_back(desk: Desk) -> None:
    names = range(1, 17)
    for edit in range(20):
        unit = ("sine", "tri")[edit % 2]
        outputs = "".join(f"o{n}: {unit} {100 * n}\n" for n in names)
        desk.set("outmix: gain\n" + outputs)
        desk.hear(TENTH)
    assert len(desk.player._graph.leaving) <= 2 * len(names)


@pytest.mark.parametrize("passed", [0, 128, 384, TENTH])
def test_another_way_to_sum_comes_by_a_fade(desk: Desk, passed: int) -> None:
    heard: list[Samples] = []
    for way in ("none", "tanh", "hard", "tanh", "sqrt", "tanh"):
        desk.set(f"outmix: {way}\no1: sine 440 * 0.9\n")
        heard.append(desk.hear(passed) if passed and heard else desk.hear(QUARTER))
    heard.append(desk.hear(QUARTER))
    together = np.concatenate(heard, axis=1)
    assert_smooth(together)
    assert np.abs(together[0, -TENTH:]).max() == pytest.approx(np.tanh(0.9), rel=1e-3)
    assert np.abs(np.diff(together[0], 2)).max() < 3 * 0.9 * (2 * np.pi * 440 / RATE_HZ) ** 2


def test_what_rings_out_is_summed_as_it_was(desk: Desk) -> None:
    voice = f"# gain 0.5 {LONG}\n"
    desk.set('outmix: gain\no1: s "sine" ' + voice + 'o2: s "~"\no3: s "~"\no4: s "~"\n')
    before = np.abs(desk.hear(QUARTER)).max()
    desk.player.set(Program(outputs={}))
    assert np.abs(desk.hear(QUARTER)).max() < 1.1 * before


BUS = '~d: s "sine*2" # note "<0 7>" # gain 0.4 # attack 0.01 # release 0.5\n'


def without_the_first(first: str) -> Samples:
    """A second of two outputs, and two of one."""
    with open_desk(RATE_HZ) as desk:
        desk.set(BUS + first + "o2: ~d\n")
        before = desk.hear(RATE_HZ)
        desk.set(BUS + "o2: ~d\n")
        return np.concatenate([before, desk.hear(2 * RATE_HZ)], axis=1)


def test_voices_that_two_outputs_hear_go_on_with_either() -> None:
    heard = without_the_first("o1: ~d * 0\n")
    assert np.abs(heard).max() > 0.05
    assert np.array_equal(heard, without_the_first(""))


def test_an_output_does_not_ring_out_with_voices_that_go_on() -> None:
    both, one = without_the_first("o1: ~d\n"), without_the_first("")
    assert_smooth(both)
    assert np.allclose(both[:, :RATE_HZ], 2 * one[:, :RATE_HZ], atol=1e-6)
    assert np.array_equal(both[:, RATE_HZ + TENTH :], one[:, RATE_HZ + TENTH :])


def test_listeners_are_told_of_voices_that_another_output_hears(desk: Desk) -> None:
    told: list[Heard] = []
    desk.scheduler.listeners.append(told.append)
    desk.set(BUS + "o1: ~d\no2: ~d * 0.5\nhush1\n")
    desk.hear(2 * RATE_HZ)
    assert {one.output for one in told} == {"o2"}


@pytest.mark.parametrize("beside", ["", "o9: sine 0.001 * 0\n"], ids=["alone", "beside another"])
@pytest.mark.parametrize(
    "text",
    [
        'o1: s "bd*4" # reverb 0.7 0.3\n',
        'o1: s "bd*4" # delay 0.1 0.5 # lpf 3000\n',
        'o1: (s "bd*4") * 0.5\n',
        '~d: s "bd*4" # hpf 100\no1: ~d # reverb 0.7 0.3\n',
        '~d: (s "bd*4") + (~d # delay 0.1 0.5 # mul 0.5)\no1: ~d\n',
        '~k: superkick 50\no1: s "~k*4" # reverb 0.7 0.3\n',
    ],
    ids=["reverb", "chain", "product", "bus", "feedback", "instrument"],
)
def test_what_begins_by_itself_has_its_first_attack(desk: Desk, text: str, beside: str) -> None:
    wanted = desk.rendering(text, QUARTER)
    desk.set(beside or "o9: 0\n")
    desk.hear(QUARTER)
    if not beside:
        desk.player.set(Program(outputs={}))
        desk.hear(QUARTER)
    begins = desk.set("resetCycles\n" + beside + text) - desk.player.position
    heard = desk.hear(begins + QUARTER + 128)[:, begins : begins + QUARTER]
    assert np.abs(wanted).max() > 0.1
    assert np.array_equal(heard, wanted)


def test_what_sounds_at_once_begins_with_a_fade(desk: Desk) -> None:
    desk.hear(QUARTER)
    desk.set(
        "o1: (square 110) * 0.3 # delay 0.2 0.5\n~a: (saw 90) * 0.2 + (~a # delay 0.1 0.3)\no2: ~a\n"
    )
    heard = desk.hear(RATE_HZ)
    first = int(np.flatnonzero(heard[0])[0])
    assert np.abs(heard[0, first : first + 64]).max() < 0.05
    loudest = np.abs(np.diff(heard[0, first + QUARTER :])).max()
    assert np.abs(np.diff(heard[0, first : first + 480])).max() < 1.1 * loudest


def test_both_sides_come_to_a_new_effect_by_a_fade(desk: Desk) -> None:
    sound = "o1: sine 440 * 0.5 # pan2 0.7"
    desk.set(sound + "\n")
    desk.hear(QUARTER)
    desk.set(sound + " # pingpong 0.1 0.5 1\n")
    heard = desk.hear(RATE_HZ)
    assert_smooth(heard)
    # The echo of what came in with a step has one.
    for channel in heard[:, QUARTER // 8 :]:
        assert np.abs(np.diff(channel, 2)).max() < 3 * 0.5 * (2 * np.pi * 440 / RATE_HZ) ** 2
