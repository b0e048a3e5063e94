"""MIDI between two clients of a real JACK server, while a performance plays on it."""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest

from gapless.audio.device.find import find_server
from gapless.audio.device.server import StreamOptions
from gapless.errors import DeviceError
from gapless.play.live.stage import Stage
from gapless.play.live.wall_clock import WallClockThread
from gapless.play.midi.connect import MidiConnection, MidiOptions
from gapless.play.midi.library import OutPort, ports
from gapless.play.midi.message import (
    CLOCK,
    START,
    STOP,
    note_off,
    note_on,
)
from gapless.testing.sound_programs import RATE_HZ, wait_until
from gapless.testing.sound_servers import JackServer

pytestmark = pytest.mark.audio

FRAMES = 256
Came = tuple[int, bytes]


@pytest.fixture(scope="module")
def rtmidi() -> Any:
    """The library, with JACK in it."""
    try:
        found = importlib.import_module("rtmidi")
    except ImportError:
        if os.environ.get("GAPLESS_REQUIRE_AUDIO"):
            pytest.fail("python-rtmidi is not installed")
        pytest.skip("python-rtmidi is not installed")
    if found.API_UNIX_JACK not in found.get_compiled_api():
        pytest.skip("this python-rtmidi has no JACK")
    return found


class Other:
    """Another program with a port in and a port out."""

    def __init__(self, rtmidi: Any) -> None:
        self._came: list[Came] = []
        self._changed = threading.Condition()
        self._in = rtmidi.MidiIn(rtapi=rtmidi.API_UNIX_JACK, name="Ear")
        self._in.ignore_types(timing=False)
        self._in.set_callback(self._take)
        self._in.open_virtual_port("hears")
        self._out = rtmidi.MidiOut(rtapi=rtmidi.API_UNIX_JACK, name="Keyboard")
        self._out.open_virtual_port("plays")

    def _take(self, event: tuple[list[int], float], _: object) -> None:
        with self._changed:
            self._came.append((time.monotonic_ns(), bytes(event[0])))
            self._changed.notify()

    def play(self, *message: int) -> None:
        self._out.send_message(message)

    def wait(self, true: Callable[[list[Came]], bool]) -> list[Came]:
        with self._changed:
            assert self._changed.wait_for(lambda: true(self._came), 20), self._came
            return list(self._came)

    def close(self) -> None:
        for port in (self._in, self._out):
            port.close_port()
            port.delete()


@pytest.fixture
def other(rtmidi: Any, jackd: JackServer) -> Iterator[Other]:
    one = Other(rtmidi)
    yield one
    one.close()


@contextmanager
def connected(options: MidiOptions) -> Iterator[tuple[Stage, MidiConnection]]:
    stream = StreamOptions(
        input="", output="", output_channels=2, rate_hz=RATE_HZ, block_frames=FRAMES
    )
    with ExitStack() as opened:
        stage = opened.enter_context(Stage(find_server("jack"), stream, (), 25.0))
        player = stage.performance.player
        times = opened.enter_context(WallClockThread(RATE_HZ, lambda: player.position))
        yield stage, opened.enter_context(MidiConnection(stage.performance, times.clock, options))


def test_ports_of_others_are_listed(other: Other) -> None:
    assert [port.name for port in ports("output")] == ["Ear:hears"]
    assert "Keyboard:plays" in [port.name for port in ports("input")]
    with pytest.raises(DeviceError, match="there are: Ear:hears"):
        OutPort("nobody")


def test_a_pattern_is_played_and_ended(other: Other) -> None:
    with connected(MidiOptions(out="ear")) as (stage, connection):
        stage.performance.set(
            'cps: 1\no1: note "<0 7>*4" # midichan 3 # velocity 0.5 # legato 0.5', "t"
        )
        came = other.wait(lambda came: len(came) >= 16)
        stage.performance.set('cps: 1\no1: note "12" # midichan 3', "t")
        other.wait(lambda came: came[-1][1] == note_on(3, 72, 102))
        stage.performance.hush()
        other.wait(lambda came: came[-1][1] == note_off(3, 72))
        assert not stage.performance.remarks(), "no s is needed for what another machine plays"
        assert connection.counts().out.refused == 0
    messages = [message for _, message in came[:16]]
    assert messages[0::2] == [note_on(3, number, 64) for number in (60, 67, 60, 67)] * 2
    assert messages[1::2] == [note_off(3, number) for number in (60, 67, 60, 67)] * 2


def test_what_sounds_is_ended_with_the_connection(other: Other) -> None:
    with connected(MidiOptions(out="ear")) as (stage, _):
        stage.performance.set('cps: 0.01\no1: note "c\'maj" # midichan 1', "t")
        other.wait(lambda came: len(came) == 3)
    came = other.wait(lambda came: len(came) == 6)
    ons, offs = ({m[1] for _, m in part} for part in (came[:3], came[3:]))
    assert ons == offs == {60, 64, 67}


def test_a_clock_is_sent_at_the_speed_that_plays(other: Other) -> None:
    with connected(MidiOptions(out="ear", clock="send")) as (stage, _):
        stage.performance.set('bpm: 240\no1: s "bd*4" # gain 0', "t")
        other.wait(lambda came: bytes((START,)) in [m for _, m in came])

        def since_start(came: list[Came]) -> list[Came]:
            kinds = [message[0] for _, message in came]
            return came[kinds.index(START) + 1 :]

        came = since_start(other.wait(lambda came: len(since_start(came)) > 200))
        assert {message[0] for _, message in came} == {CLOCK}
        # By the median, as machines stand still at times: 96 pulses a second.
        gaps_ms = np.diff([at for at, _ in came]) / 1e6
        assert np.median(gaps_ms) == pytest.approx(1000 / 96, rel=0.5)
        stage.performance.hush()
        other.wait(lambda came: bytes((STOP,)) in [m for _, m in came])


def test_a_clock_is_followed_with_its_start_and_stop(other: Other) -> None:
    stop = threading.Event()

    def pulses() -> None:
        begin_s = time.monotonic()
        n = 0
        while not stop.wait(max(begin_s + n / 24 / 3 - time.monotonic(), 0)):
            other.play(CLOCK)
            n += 1

    with connected(MidiOptions(input="plays", clock="follow")) as (stage, _):
        scheduler, player = stage.performance.scheduler, stage.performance.player
        stage.performance.set('cps: 0.5\no1: s "bd*4" # gain 0', "t")
        # 180 beats a minute.
        thread = threading.Thread(target=pulses)
        thread.start()
        try:
            wait_until(lambda: abs(float(scheduler.cps) - 0.75) < 0.03, "the speed")
            other.play(START)
            wait_until(lambda: player.cycle < 0.5, "the start")
            wait_until(lambda: player.cycle > 1, "it to go on")
            other.play(STOP)
            wait_until(lambda: scheduler.cps < 1e-6, "the stop")
            held = player.cycle
            time.sleep(0.2)
            assert abs(player.cycle - held) < 0.05, "what was posted is all that goes on"
        finally:
            stop.set()
            thread.join()


def test_a_key_is_heard_on_the_device(other: Other) -> None:
    with connected(MidiOptions(input="plays", keys="sine")) as (stage, connection):
        from gapless.play.live.level import Level

        level = Level(stage.performance.player.block)
        other.play(*note_on(1, 69, 127))
        wait_until(lambda: connection.counts().keys.played == 1, "the key")
        wait_until(lambda: level.peak() > 0.1, "its sound")
        other.play(*note_off(1, 69))
        wait_until(lambda: level.peak() < 1e-4, "silence")
