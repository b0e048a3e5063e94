"""Packets that come in, over real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction

import pytest
from pythonosc.udp_client import SimpleUDPClient

from gapless.errors import ConfigError
from gapless.play.osc.conductor import Answer, Hush, Order, Panic, SetProgram, SetSpeed
from gapless.play.osc.packet import Argument, Message, bundle, read, written
from gapless.play.osc.receiver import ORDERS, Receiver
from gapless.play.remarks import Remarks

HOST = "127.0.0.1"


class Desk:
    """A receiver, what it took, and somebody who sends."""

    def __init__(self) -> None:
        self.taken: list[Order] = []
        self.remarks = Remarks()
        self.receiver = Receiver((HOST, 0), self._take, self.remarks)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.settimeout(10)
        self.sent = 0

    def close(self) -> None:
        self.receiver.close()
        self.client.close()

    def send(self, packet: bytes) -> None:
        self.client.sendto(packet, (HOST, self.receiver.port))

    def ask(self, address: str, *arguments: Argument) -> None:
        self.send(written(Message(address, arguments)))

    def settled(self, messages: int) -> list[Order]:
        """What was taken, once so many messages were understood or refused."""
        until(lambda: sum(self.receiver.counts()) == messages)
        return self.taken

    def _take(self, order: Order, answer: Answer) -> None:
        self.taken.append(order)
        answer(Message("/taken", (type(order).__name__,)))


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.001)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with closing(Desk()) as found:
        yield found


@pytest.mark.parametrize(
    ("address", "arguments", "order"),
    [
        ("/gapless/set", ('o1: s "bd"',), SetProgram('o1: s "bd"', "osc")),
        ("/gapless/set", ("o1: s 'ü'\n", "a.ph"), SetProgram("o1: s 'ü'\n", "a.ph")),
        ("/gapless/hush", (), Hush()),
        ("/gapless/hush", (1.0,), Hush()),
        ("/gapless/panic", (), Panic()),
        ("/gapless/panic", (1,), Panic()),
        ("/gapless/cps", (0.6,), SetSpeed(Fraction(3, 5))),
        ("/gapless/cps", (2,), SetSpeed(Fraction(2))),
    ],
)
def test_an_order_is_taken_and_its_giver_answered(
    desk: Desk, address: str, arguments: tuple[Argument, ...], order: Order
) -> None:
    desk.ask(address, *arguments)
    assert read(desk.client.recv(4096)) == [Message("/taken", (type(order).__name__,))]
    assert desk.settled(1) == [order]
    assert desk.receiver.counts() == (1, 0)


def test_another_client_is_understood(desk: Desk) -> None:
    with closing(SimpleUDPClient(HOST, desk.receiver.port)) as client:
        client.send_message("/gapless/set", "o1: saw 220\n")
        client.send_message("/gapless/hush", [])
    assert desk.settled(2) == [SetProgram("o1: saw 220\n", "osc"), Hush()]


def test_a_bundle_is_taken_at_once(desk: Desk) -> None:
    orders = (Message("/gapless/hush"), Message("/gapless/panic"))
    desk.send(bundle(2**63, *orders))
    assert desk.settled(2) == [Hush(), Panic()]


def test_a_button_that_is_let_go_asks_for_nothing(desk: Desk) -> None:
    desk.ask("/gapless/hush", 0.0)
    assert desk.settled(1) == []
    assert desk.receiver.counts() == (1, 0)


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("/gapless/set", ()),
        ("/gapless/set", (1,)),
        ("/gapless/set", ("a", "b", "c")),
        ("/gapless/hush", ("now",)),
        ("/gapless/cps", ()),
        ("/gapless/cps", ("1",)),
        ("/gapless/cps", (0.0,)),
        ("/gapless/cps", (-1.0,)),
        ("/gapless/cps", (101.0,)),
        ("/gapless/cps", (1e-30,)),
        ("/gapless/cps", (float("nan"),)),
        ("/gapless/cps", (float("inf"),)),
    ],
)
def test_other_arguments_are_refused_and_said(
    desk: Desk, address: str, arguments: tuple[Argument, ...]
) -> None:
    desk.ask(address, *arguments)
    assert desk.settled(1) == []
    assert desk.receiver.counts() == (0, 1)
    (remark,) = desk.remarks.take()
    assert address in remark.text
    assert ORDERS[address].arguments in remark.text


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\xff" * 40,
        b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xfc",
        b"/gapless/set\0\0\0\0,s\0\0",
        b"/" + b"x" * 65_000,
        written(Message("/nobody/knows", (1, "a"))),
        # What we send ourselves: two programs must not answer each other for ever.
        written(Message("/gapless/mistake", (1, 1, "text", "name"))),
    ],
    ids=["empty", "bytes", "negative size", "cut off", "long", "unknown", "answer"],
)
def test_bad_packets_are_ignored_and_said_once(desk: Desk, packet: bytes) -> None:
    for _ in range(3):
        desk.send(packet)
    desk.ask("/gapless/hush")
    assert desk.settled(4) == [Hush()]
    assert desk.receiver.counts() == (1, 3)
    (remark,) = desk.remarks.take()
    assert len(remark.text) < 300
    assert read(desk.client.recv(4096)) == [Message("/taken", ("Hush",))]
    desk.client.setblocking(False)
    with pytest.raises(BlockingIOError):
        desk.client.recv(4096)


def test_a_long_program_comes_through(desk: Desk) -> None:
    text = "-- a comment\n" * 4900
    desk.ask("/gapless/set", text)
    assert desk.settled(1) == [SetProgram(text, "osc")]


def test_an_answer_that_is_too_long_is_said(desk: Desk) -> None:
    desk.ask("/gapless/set", "o1: saw 220")
    desk.settled(1)
    with closing(
        Receiver((HOST, 0), lambda _, answer: answer(Message("/" + "x" * 70_000)), desk.remarks)
    ) as other:
        desk.client.sendto(written(Message("/gapless/hush")), (HOST, other.port))
        until(lambda: other.counts() == (1, 0))
    assert "did not leave" in desk.remarks.take()[0].text


def test_only_this_machine_is_listened_to(desk: Desk) -> None:
    assert desk.receiver._socket.getsockname()[0] == HOST


def test_a_port_in_use_is_an_error(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=f"UDP port {desk.receiver.port} is in use"):
        Receiver((HOST, desk.receiver.port), desk._take, desk.remarks)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host.invalid"])
def test_an_address_of_another_machine_is_an_error(desk: Desk, host: str) -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1|another address"):
        Receiver((host, 0), desk._take, desk.remarks)


def test_a_port_is_free_again_when_it_is_closed() -> None:
    with closing(Desk()) as first:
        port = first.receiver.port
    with closing(Receiver((HOST, port), lambda *_: None, Remarks())) as second:
        assert second.port == port
        second.close()
