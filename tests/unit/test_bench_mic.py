"""What the bench of the microphone measures with, on sounds of which it is known what is wrong. No sound server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numba import cfunc
from numba.np.numpy_support import carray

from gapless.audio.types import Samples
from gapless.bench.allocations import count_allocations
from gapless.bench.contenders.mic_recovery import time_until
from gapless.bench.flaws import OVERLAP, PIECE, count_flaws, lost_blocks, step_ratio
from gapless.bench.hogs import busy_interpreter
from gapless.bench.lag import EARLY, MOST_LAG, lag_samples, lags_samples
from gapless.bench.mic_sounds import NOISES, Noise, noise, speech, vowel
from gapless.bench.probe import Ear, Speaker, Switch, lead_samples
from gapless.bench.process_tree import tree, tree_memory_mib
from gapless.bench.python_callback import SHAPE, PythonCopy
from gapless.bench.tapped import Tapped
from gapless.cli.main import main
from gapless.errors import DeviceError
from gapless.realtime.native import NativeBlock, block_signature
from gapless.testing.detectors import find_flaws

pytestmark = pytest.mark.long

RATE_HZ = 48_000


def chance(n_samples: int, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32)


def around(sound: Samples, start: int, length: int) -> Samples:
    """What was played from before to behind a piece, as a lag is looked for in."""
    return sound[start - MOST_LAG : start + length + EARLY]


@pytest.mark.parametrize("lag", [-EARLY, -1, 0, 1, 192, 1728, MOST_LAG])
def test_a_known_lag_is_found_in_twice_as_much_noise(lag: int) -> None:
    sound = chance(60_000)
    heard = sound[20_000 - lag :][:24_000] + 2 * chance(24_000, seed=2)

    assert lag_samples(around(sound, 20_000, 24_000), heard) == lag


def test_a_loud_place_nearby_is_not_taken_for_the_sound() -> None:
    sound = chance(60_000)
    sound[12_000:16_000] *= 50

    assert lag_samples(around(sound, 20_000, 4_000), sound[19_808:][:4_000]) == 192


def test_silence_has_no_lag() -> None:
    sound = chance(60_000)
    silence = np.zeros(4_000, np.float32)

    assert lag_samples(around(sound, 20_000, 4_000), silence) is None


def test_quiet_pieces_tell_no_lag() -> None:
    sound = chance(80_000)
    sound[24_000:28_000] *= 1e-3
    heard = sound[19_900:][:12_000]

    assert lags_samples(around(sound, 20_000, 12_000), heard, 4_000) == [100, 100]


def test_the_voice_has_no_flaw_and_no_seam_and_never_pauses() -> None:
    twice = np.tile(vowel(), 2)

    assert not find_flaws(twice, RATE_HZ).any()
    assert np.abs(twice.reshape(-1, 960)).max(axis=1).min() > 0.02


@pytest.mark.parametrize("kind", NOISES)
def test_noises_are_as_loud_as_said_and_always_the_same(kind: Noise) -> None:
    made = noise(kind, RATE_HZ)

    assert np.sqrt(np.mean(made.astype(np.float64) ** 2)) == pytest.approx(1, rel=1e-5)
    assert made.tobytes() == noise(kind, RATE_HZ).tobytes()


def test_speech_has_the_length_that_was_asked_for() -> None:
    assert len(speech(1.5)) == pytest.approx(1.5 * RATE_HZ, abs=3)


def test_flaws_count_once_also_where_two_pieces_meet() -> None:
    sound = np.resize(vowel(), PIECE + 2 * OVERLAP)
    sound[PIECE - 3] += 2
    sound[PIECE + OVERLAP // 2] += 2
    sound[1_000:1_480] = 0

    assert count_flaws(sound) == (1, 2)


@pytest.mark.parametrize("lost", [0, 1, 7])
def test_blocks_that_never_came_are_counted_and_late_ones_are_not(lost: int) -> None:
    period_ns = 256 * 1e9 / RATE_HZ
    numbers = np.delete(np.arange(500), np.arange(100, 100 + lost))
    late_ns = np.abs(np.random.default_rng(1).standard_normal(len(numbers))) * 1e6
    # The last ones are late by more than a block, but for one.
    late_ns[-20:-1] += 1.4 * period_ns

    assert lost_blocks((numbers * period_ns + late_ns).astype(np.int64), 256) == lost


def test_the_largest_step_is_told_in_steps_of_what_was_played() -> None:
    played = vowel()[:RATE_HZ]
    heard = played.copy()
    heard[1_000:] += 10 * np.abs(np.diff(played)).max()

    assert step_ratio(played[100:], played) == pytest.approx(1)
    assert 9 < step_ratio(heard, played) < 11


@pytest.mark.parametrize(
    ("holds", "expected_ns"),
    [
        pytest.param([1, 1, 1, 1], 0, id="it always did"),
        pytest.param([1, 0, 1, 1], 150, id="from the block after the last without"),
        pytest.param([0, 1, 0, 1], 250, id="not while it comes and goes"),
        pytest.param([0, 1, 1, 1], 50, id="soon"),
        pytest.param([0, 1, 1, 0], 50, id="what comes later is another story"),
    ],
)
def test_the_time_until_something_holds(holds: list[int], expected_ns: int) -> None:
    came_ns = np.array([1_000, 1_100, 1_200, 1_300], np.int64)

    assert time_until(1_050, came_ns, np.array(holds, bool), steady=2) == expected_ns


def test_what_held_before_the_moment_took_no_time() -> None:
    assert time_until(1_150, np.array([1_000, 1_100, 1_200]), np.array([False, True, True])) == 0


def test_what_does_not_hold_in_the_end_has_no_time() -> None:
    with pytest.raises(DeviceError, match="did not come back"):
        time_until(0, np.array([1_000, 1_100]), np.array([True, False]))


def test_an_hour_can_be_asked_for_and_no_more() -> None:
    hour = CliRunner().invoke(main, ["bench", "mic", "--seconds", "3600", "--case", "none"])
    more = CliRunner().invoke(main, ["bench", "mic", "--seconds", "3601"])

    assert "there is no case 'none'" in hour.stderr
    assert "3601.0 is not in the range" in more.stderr


RECORD = np.dtype([("nothing", np.int64)], align=True)


def louder(_state: Any, source: Any, target: Any, frames: int) -> None:
    samples, out = carray(source, (frames,)), carray(target, (frames,))
    for n in range(frames):
        out[n] = 2 * samples[n]


def call(block: NativeBlock, source: Samples) -> Samples:
    """A block, as a sound server calls for it."""
    target = np.zeros_like(source)
    function = SHAPE(block.address)
    function(block.state, source.ctypes.data, target.ctypes.data, len(source))
    return target


def test_the_speaker_repeats_and_the_ear_keeps() -> None:
    sound, silence = chance(100), np.zeros(64, np.float32)
    speaker, ear = Speaker(sound), Ear(0.01)

    for _ in range(5):
        played = call(speaker.block, silence)
        assert call(ear.block, played).tobytes() == played.tobytes()

    assert ear.position == 320
    assert ear.heard(0, 320).tobytes() == np.resize(sound, 320).tobytes()
    assert speaker.played(90, 210).tobytes() == np.resize(sound, 300)[90:210].tobytes()
    assert len(speaker.came_ns) == len(ear.came_ns) == 5
    assert (np.diff(ear.came_ns) > 0).all()


def test_the_ear_keeps_no_more_than_it_has_room_for() -> None:
    ear = Ear(0.002)
    call(ear.block, chance(100))
    call(ear.block, chance(100))

    assert ear.position == 200
    assert ear.heard(0, 200).tobytes() == chance(100)[:96].tobytes()


def test_the_switch_runs_or_copies_and_watches() -> None:
    speaker = Speaker(chance(100))
    watched = np.array([5, 6], np.int64)
    addresses = (watched.ctypes.data, watched.ctypes.data + 8)
    switch = Switch(speaker.block, through=False, watched=addresses)
    source = chance(50, seed=2)

    assert call(switch.block, source).tobytes() == source.tobytes()
    watched[:] = 7, 8
    switch.run(through=True)
    assert call(switch.block, source).tobytes() == chance(100)[:50].tobytes()

    assert switch.seen(0).tolist() == [5, 7]
    assert switch.seen(1).tolist() == [6, 8]


def test_what_a_tapped_function_gives_is_kept_whatever_comes_in() -> None:
    sound = chance(100)
    compiled = cfunc(block_signature(RECORD))(louder)
    tapped = Tapped(NativeBlock(int(compiled.address or 0), 0, compiled), sound, 1.0)

    for seed in range(5):
        out = call(tapped.block, chance(64, seed=seed))
        assert out.tobytes() == tapped.gave.heard(64 * seed, 64 * (seed + 1)).tobytes()

    expected = np.resize(sound, 320)
    assert tapped.heard.played(0, 320).tobytes() == expected.tobytes()
    assert tapped.gave.heard(0, 320).tobytes() == (2 * expected).tobytes()


def test_a_switch_without_a_function_copies() -> None:
    source = chance(50)

    assert call(Switch(None, through=True).block, source).tobytes() == source.tobytes()


@pytest.mark.parametrize("ahead", [0, 3])
def test_the_lead_of_the_speaker_is_told_by_the_times(ahead: int) -> None:
    silence = np.zeros(48_000, np.float32)
    speaker, ear = Speaker(silence), Ear(1.0)
    for _ in range(ahead):
        call(speaker.block, silence[:64])
    for _ in range(10):
        call(speaker.block, silence[:64])
        call(ear.block, silence[:64])
    # In the test cycles follow each other faster than blocks last: the times are set as a clock would.
    for probe, skipped in ((speaker, 0), (ear, ahead)):
        count = len(probe.came_ns)
        times = (np.arange(count) + skipped) * 64 * 1e9 / RATE_HZ
        probe._state["came_ns"][0, :count] = times + 1e5 * (probe is ear)

    assert lead_samples(speaker, ear, 64, (0, 640)) == ahead * 64


def test_the_python_callback_copies_and_tells_what_it_takes() -> None:
    copying, source = PythonCopy(), chance(128)

    assert call(copying.block, source).tobytes() == source.tobytes()
    assert len(copying.came_ns) == 1
    assert copying.allocated >= 2


def block_that_allocates(_state: Any, source: Any, target: Any, frames: int) -> None:
    made = carray(source, (frames,)).copy()
    carray(target, (frames,))[:] = made


def test_what_a_block_allocates_is_counted() -> None:
    record = np.zeros(1, RECORD)
    compiled = cfunc(block_signature(RECORD))(block_that_allocates)
    block = NativeBlock(int(compiled.address or 0), record.ctypes.data, record)

    # An array and the note of who owns it.
    assert count_allocations(block, chance(6_400), 64).allocations >= 100


def test_a_block_that_allocates_nothing_counts_nothing() -> None:
    taken = count_allocations(Switch(None).block, chance(6_400), 64)

    assert taken.allocations == 0
    assert len(taken.took_ns) == 100
    assert (taken.took_ns > 0).all()


@pytest.fixture
def grandchild() -> Iterator[tuple[int, int]]:
    """A process and one that it has started."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
        "child.kill()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        yield child.pid, int(child.stdout.readline())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_program_is_all_that_it_started(grandchild: tuple[int, int]) -> None:
    pid, younger = grandchild

    assert tree(pid) == [pid, younger]
    assert tree_memory_mib([pid, younger]) > tree_memory_mib([younger]) > 0


def test_a_busy_interpreter_is_calm_again_afterwards() -> None:
    before = set(sys._current_frames())
    with busy_interpreter():
        assert len(set(sys._current_frames()) - before) == 2
    assert not set(sys._current_frames()) - before
