"""Events on their way out, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction

import pytest
from pythonosc.osc_bundle import OscBundle

from gapless.errors import ConfigError
from gapless.play.osc.connect import host_and_port
from gapless.play.osc.sender import MOST_WAITING, Sender
from gapless.play.osc.time_tag import TimeTags, ntp_of
from gapless.play.pattern import Event
from gapless.play.remarks import Remarks
from gapless.play.schedule import Heard
from gapless.play.time import Span

RATE_HZ = 48_000
AHEAD_S = 60


class Even:
    """A clock that says of sample 0 that it is heard in a minute."""

    def __init__(self, ahead_s: float = AHEAD_S) -> None:
        self.begin_ns = time.monotonic_ns() + round(ahead_s * 1e9)

    def time_ns_of(self, sample: int) -> int:
        return self.begin_ns + sample * 1_000_000_000 // RATE_HZ


class Stuck:
    """A clock that does not answer until it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def time_ns_of(self, sample: int) -> int:
        self.asked.set()
        assert self.go_on.wait(30)
        return time.monotonic_ns() + 60_000_000_000 + sample


def heard(begin: int, sound: str = "bd") -> Heard:
    span = Span(Fraction(begin, RATE_HZ), Fraction(begin + 480, RATE_HZ))
    return Heard("o1", Event(span, span, {"s": sound}), begin, begin + 480)


@pytest.fixture
def ear() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(10)
        yield found


@pytest.fixture
def remarks() -> Remarks:
    return Remarks()


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.001)


def test_each_event_is_a_bundle_with_its_time(ear: socket.socket, remarks: Remarks) -> None:
    times = Even()
    with closing(Sender(ear.getsockname(), times, RATE_HZ, 30.0, remarks)) as sender:
        tell = sender.listener(lambda: 0.75)
        for begin in (0, 24_000, 24_000, 96_000):
            tell(heard(begin))
        packets = [ear.recv(4096) for _ in range(4)]
        until(lambda: sender.counts() == (4, 0, 0))
    tags = [int.from_bytes(packet[8:16], "big") for packet in packets]
    # 32 fractional bits and whole nanoseconds: a difference is right to the nanosecond.
    seconds = [(tag - tags[0]) / 2**32 for tag in tags]
    assert seconds == pytest.approx([0, 0.5, 0.5, 2.0], abs=2e-9)
    expected = TimeTags().of(times.begin_ns + 30_000_000)
    assert abs(tags[0] - expected) < 2**32 // 100
    for packet in packets:
        (message,) = OscBundle(packet)
        assert message.address == "/dirt/play"
        values = dict(zip(message.params[::2], message.params[1::2], strict=True))
        assert values["s"] == "bd"
        assert values["cps"] == 0.75
        assert values["delta"] == pytest.approx(0.01)
    assert remarks.take() == ()


def test_what_waits_is_sent_when_it_ends(ear: socket.socket, remarks: Remarks) -> None:
    sender = Sender(ear.getsockname(), Even(), RATE_HZ, 0.0, remarks)
    tell = sender.listener(lambda: 0.5)
    for begin in range(50):
        tell(heard(begin))
    sender.close()
    sender.close()
    assert sender.counts() == (50, 0, 0)
    assert [OscBundle(ear.recv(4096)).num_contents for _ in range(50)] == [1] * 50


@pytest.mark.long
def test_who_tells_never_waits_and_what_has_no_room_is_counted(
    ear: socket.socket, remarks: Remarks
) -> None:
    times = Stuck()
    with closing(Sender(ear.getsockname(), times, RATE_HZ, 0.0, remarks)) as sender:
        tell = sender.listener(lambda: 0.5)
        tell(heard(0))
        assert times.asked.wait(10)
        for begin in range(MOST_WAITING + 7):
            tell(heard(begin))
        assert sender.counts().dropped == 7
        times.go_on.set()
    assert sender.counts() == (MOST_WAITING + 1, 0, 7)


def test_an_event_that_is_late_is_sent_and_said(ear: socket.socket, remarks: Remarks) -> None:
    with closing(Sender(ear.getsockname(), Even(-5), RATE_HZ, 0.0, remarks)) as sender:
        sender.listener(lambda: 0.5)(heard(0))
        tag = int.from_bytes(ear.recv(4096)[8:16], "big")
    assert sender.counts() == (1, 1, 0)
    assert tag < ntp_of(time.time_ns())
    (remark,) = remarks.take()
    assert "--lead" in remark.text


def test_an_event_that_is_too_long_is_counted_and_said(
    ear: socket.socket, remarks: Remarks
) -> None:
    with closing(Sender(ear.getsockname(), Even(), RATE_HZ, 0.0, remarks)) as sender:
        tell = sender.listener(lambda: 0.5)
        tell(heard(0, "b" * 70_000))
        tell(heard(480))
        assert b"bd\0\0" in ear.recv(4096)
    assert sender.counts() == (1, 0, 1)
    assert "not sent" in remarks.take()[0].text


def test_nobody_needs_to_listen(remarks: Remarks) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        address = gone.getsockname()
    with closing(Sender(address, Even(), RATE_HZ, 0.0, remarks)) as sender:
        tell = sender.listener(lambda: 0.5)
        for begin in range(20):
            tell(heard(begin))
    assert sender.counts() == (20, 0, 0)


def test_a_host_that_is_not_there_is_an_error(remarks: Remarks) -> None:
    with pytest.raises(ConfigError, match="no host"):
        Sender(("no such host.invalid", 57_120), Even(), RATE_HZ, 0.0, remarks)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:57120", ("127.0.0.1", 57_120)),
        ("studio.local:1", ("studio.local", 1)),
        ("[::1]:65535", ("::1", 65_535)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert host_and_port(text) == address


@pytest.mark.parametrize(
    "text", ["", "57120", ":57120", "localhost", "localhost:", "a:0", "a:65536", "a:-1", "a:٣"]
)
def test_what_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError):
        host_and_port(text)
