"""A performance and the machines around it over OSC: real sockets, real sound, no device."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.errors import ConfigError
from gapless.play.live.performance import Performance
from gapless.play.live.wall_clock import WallClock
from gapless.play.osc.conductor import CHANGED, MISTAKE, REMARK
from gapless.play.osc.connect import OscConnection, OscOptions
from gapless.play.osc.packet import Argument, Message, read, written
from gapless.play.osc.time_tag import TimeTags

# One process compiles the kernels.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("play-osc")]

RATE_HZ = 48_000
BLOCK = 512
BEAT = 'cps: 1\no1: s "bd:1 hh" # gain 0.5\no3: s "~ cp"\n'


class Desk:
    """A performance with a connection, and somebody at the other end of it."""

    def __init__(self, opened: ExitStack) -> None:
        self.other = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.other.bind(("127.0.0.1", 0))
        self.other.settimeout(30)
        self.performance = opened.enter_context(Performance(RATE_HZ))
        self.begin_ns = time.monotonic_ns() + 60_000_000_000
        self.clock = WallClock(RATE_HZ, 0, self.begin_ns)
        self.connection = opened.enter_context(
            OscConnection(
                self.performance,
                self.clock,
                OscOptions(out=f"127.0.0.1:{self.other.getsockname()[1]}", input=0),
            )
        )

    def hear(self, seconds: float) -> Samples:
        """Float32 [2, n]."""
        heard = []
        for _ in range(round(seconds * RATE_HZ / BLOCK)):
            self.performance.player.advance()
            heard.append(self.performance.read(BLOCK))
        return np.concatenate(heard, axis=1)

    def ask(self, address: str, *arguments: Argument) -> None:
        self.other.sendto(
            written(Message(address, arguments)), ("127.0.0.1", self.connection.port or 0)
        )

    def answers(self, count: int = 1) -> list[Message]:
        """Those that are no events."""
        found: list[Message] = []
        while len(found) < count:
            found += [one for one in read(self.other.recv(65_536)) if one.address != "/dirt/play"]
        return found

    def events(self) -> list[tuple[int, dict[str, Any]]]:
        """All that came so far: time tag and values."""
        self.connection.close()
        self.other.setblocking(False)
        found: list[tuple[int, dict[str, Any]]] = []
        while True:
            try:
                packet = self.other.recv(65_536)
            except BlockingIOError:
                return found
            (message,) = read(packet)
            assert message.address == "/dirt/play"
            values = zip(message.arguments[::2], message.arguments[1::2], strict=True)
            tag = int.from_bytes(packet[8:16], "big")
            found.append((tag, {str(name): value for name, value in values}))


@pytest.fixture
def desk() -> Iterator[Desk]:
    with ExitStack() as opened:
        yield Desk(opened)


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.001)


def test_what_sounds_is_sent_with_the_time_of_its_sample(desk: Desk) -> None:
    desk.performance.set(BEAT, "beat.ph")
    heard = desk.hear(2.0)
    events = desk.events()
    found = [(one["s"], one.get("n"), one["_id_"], one["orbit"], one["cycle"]) for _, one in events]
    assert found[:6] == [
        ("bd", 1.0, "1", 0, 0.0),
        ("hh", None, "1", 0, 0.5),
        ("cp", None, "3", 2, 0.5),
        ("bd", 1.0, "1", 0, 1.0),
        ("hh", None, "1", 0, 1.5),
        ("cp", None, "3", 2, 1.5),
    ]
    # Here a cycle is a second, and the first one begins where the clock says that sample 0 is, but for what had been
    # posted before the program was set, which was nothing.
    first = TimeTags().of(desk.clock.time_ns_of(int(np.flatnonzero(heard[0])[0])))
    assert abs(events[0][0] - first) < 2**32 // 100
    seconds = [(tag - events[0][0]) / 2**32 for tag, _ in events[:6]]
    assert seconds == pytest.approx([0, 0.5, 0.5, 1.0, 1.5, 1.5], abs=1 / RATE_HZ)
    assert {one["cps"] for _, one in events} == {1.0}
    assert {one["delta"] for _, one in events} == {0.5}
    assert desk.connection.counts().out == (len(events), 0, 0)
    assert desk.connection.remarks() == ()


def test_an_output_that_is_hushed_is_not_sent(desk: Desk) -> None:
    desk.performance.set(BEAT + "hush1\n", "beat.ph")
    desk.hear(1.0)
    assert {values["s"] for _, values in desk.events()} == {"cp"}


def test_a_program_comes_in_and_is_heard(desk: Desk) -> None:
    desk.ask("/gapless/set", "o1: sine 440 * 0.5\n", "sine.ph")
    (answer,) = desk.answers()
    assert answer == Message(CHANGED, (0.0, "sine.ph"))
    heard = desk.hear(0.5)
    assert np.abs(heard[0, -RATE_HZ // 4 :]).max() == pytest.approx(0.5, rel=0.01)


def test_mistakes_are_answered_where_they_are_and_change_nothing(desk: Desk) -> None:
    desk.ask("/gapless/set", "o1: sine 440 * 0.5\n")
    desk.answers()
    desk.hear(0.25)
    desk.ask("/gapless/set", 'o1: s "bd*4" # lfp 300\no2: saw 220\no3: nothing 3\n', "a.ph")
    answers = desk.answers(2)
    assert [one.address for one in answers] == [MISTAKE, MISTAKE]
    line, column, text, name = answers[0].arguments
    assert (line, column, name) == (1, 16, "a.ph")
    assert "lfp" in str(text)
    assert "lpf" in str(text)
    assert answers[1].arguments[0] == 3
    heard = desk.hear(0.25)
    assert np.abs(heard[0]).max() == pytest.approx(0.5, rel=0.01)


def test_what_the_author_should_know_is_answered_too(desk: Desk) -> None:
    desk.ask("/gapless/set", "o1: saw 110\no1: saw 220\n", "twice.ph")
    changed, remark = desk.answers(2)
    assert changed.address == CHANGED
    assert remark.address == REMARK
    assert remark.arguments[0] == 2
    assert "twice" in str(remark.arguments[2])
    assert remark.arguments[3] == "twice.ph"


def test_hush_and_panic_and_speed(desk: Desk) -> None:
    desk.ask("/gapless/set", "cps: 0.5\no1: sine 440 * 0.5\n")
    desk.ask("/gapless/cps", 0.6)
    assert [one.address for one in desk.answers(2)] == [CHANGED, CHANGED]
    assert desk.performance.player.program.cps == Fraction(3, 5)
    assert desk.hear(0.25).any()
    desk.ask("/gapless/panic")
    desk.answers()
    assert list(desk.performance.player.program.outputs) == ["o1"]
    assert desk.hear(0.5)[:, -BLOCK:].any(), "it begins anew"
    desk.ask("/gapless/hush")
    desk.answers()
    assert not desk.hear(0.5)[:, -BLOCK:].any()


def test_a_speed_does_not_move_the_time_again(desk: Desk) -> None:
    desk.ask("/gapless/set", "setCycle 8\no1: sine 440 * 0.5\n")
    desk.answers()
    desk.hear(1.0)
    desk.ask("/gapless/cps", 0.75)
    desk.answers()
    desk.hear(0.25)
    assert desk.performance.player.cycle > Fraction(17, 2)


def test_of_programs_that_wait_the_last_is_taken_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    really_set = desk.performance.set
    asked: list[str] = []

    def slow(text: str, name: str) -> Any:
        asked.append(name)
        begun.set()
        assert go_on.wait(30)
        return really_set(text, name)

    monkeypatch.setattr(desk.performance, "set", slow)
    desk.ask("/gapless/set", "o1: sine 110\n", "0")
    assert begun.wait(30)
    for number in range(1, 10):
        desk.ask("/gapless/set", f"o1: sine {number}00\n", str(number))
    until(lambda: desk.connection.counts().input.understood == 10)
    go_on.set()
    assert [one.arguments[1] for one in desk.answers(2)] == ["0", "9"]
    assert asked == ["0", "9"]


def test_a_fault_of_ours_is_answered_and_the_next_program_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str, name: str) -> Any:
        raise ZeroDivisionError(text + name)

    with monkeypatch.context() as patched:
        patched.setattr(desk.performance, "set", broken)
        desk.ask("/gapless/set", "o1: saw 220\n", "a.ph")
        (answer,) = desk.answers()
    assert answer.address == MISTAKE
    assert answer.arguments[:2] == (0, 0)
    assert "ZeroDivisionError" in str(answer.arguments[2])
    desk.ask("/gapless/set", "o1: saw 220\n", "b.ph")
    assert desk.answers() == [Message(CHANGED, (0.0, "b.ph"))]


def test_bad_packets_do_not_stop_it(desk: Desk) -> None:
    for packet in (b"", b"\0" * 100, b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xfc"):
        desk.other.sendto(packet, ("127.0.0.1", desk.connection.port or 0))
    desk.ask("/gapless/set", "o1: saw 220\n")
    assert desk.answers()[0].address == CHANGED
    assert desk.connection.counts().input == (1, 3)
    assert "no OSC" in desk.connection.remarks()[0].text


def test_it_ends_and_leaves_nothing_behind(desk: Desk) -> None:
    port = desk.connection.port or 0
    assert len(desk.performance.scheduler.listeners) == 1
    assert {"gapless-osc-in", "gapless-osc-out", "gapless-osc-set"} <= names_of_threads()
    desk.connection.close()
    desk.connection.close()
    assert desk.performance.scheduler.listeners == []
    assert not {"gapless-osc-in", "gapless-osc-out", "gapless-osc-set"} & names_of_threads()
    with OscConnection(desk.performance, desk.clock, OscOptions(input=port)) as again:
        assert again.port == port


def names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    "options",
    [
        OscOptions(out="localhost", input=0),
        OscOptions(out="localhost:0", input=0),
        OscOptions(input=65_536),
        OscOptions(input=-1),
        OscOptions(input=0, input_address="192.0.2.1"),
        OscOptions(out="127.0.0.1:9", latency_ms=10_001),
        OscOptions(out="127.0.0.1:9", latency_ms=float("nan")),
    ],
    ids=["no port", "port 0", "port beyond", "port below", "not here", "latency", "no latency"],
)
def test_a_wrong_option_is_an_error_and_leaves_nothing_behind(
    desk: Desk, options: OscOptions
) -> None:
    before = names_of_threads()
    with pytest.raises(ConfigError):
        OscConnection(desk.performance, desk.clock, options)
    assert names_of_threads() == before
    assert len(desk.performance.scheduler.listeners) == 1


def test_a_port_in_use_is_an_error(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="in use"):
        OscConnection(desk.performance, desk.clock, OscOptions(input=desk.connection.port))


def test_each_direction_may_be_left_out(desk: Desk) -> None:
    with OscConnection(desk.performance, desk.clock, OscOptions()) as neither:
        assert neither.port is None
        assert neither.counts() == ((0, 0, 0), (0, 0))
        assert len(desk.performance.scheduler.listeners) == 1
