"""Packets that come in, and what they ask for.

In: datagrams on a UDP port. Out: orders; their answers, to whoever asked. Invariants: what cannot be
understood is counted, remarked upon and not answered, so that two programs never answer each other for ever; nothing
raises on the thread. Thread: starts its own.
"""

from __future__ import annotations

import errno
import math
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from typing import Final, NamedTuple, TypeAlias, final

from gapless.errors import ConfigError, ProtocolError
from gapless.play.language.settings import FASTEST_CPS
from gapless.play.osc.conductor import Answer, Hush, Order, Panic, SetProgram, SetSpeed
from gapless.play.osc.packet import Argument, Message, read, written
from gapless.play.remarks import Remarks

MOST_BYTES: Final = 1 << 16
"""No datagram is longer."""
LOOK_S: Final = 0.2
"""Between two looks whether to end, at most."""
FINEST: Final = 1_000_000
"""Largest denominator of a speed, so that the float nearest to 3/5 is 3/5."""
NAME: Final = "osc"
"""Of a program that comes without one."""
SHOWN: Final = 40
Take: TypeAlias = Callable[[Order, Answer], None]


class Received(NamedTuple):
    """What became of packets."""

    understood: int
    """Messages that were orders."""
    refused: int
    """Packets that are no OSC, and messages that ask for nothing there is."""


@final
class Receiver:
    """Listens on a port.

    Args:
        address: host and port to listen on; port 0: one that is free.
        take: what is asked for, and who is to be answered; neither waits nor raises.
        remarks: take what is wrong with packets.

    Raises:
        ConfigError: the port is in use, or the host is not this machine.
    """

    def __init__(self, address: tuple[str, int], take: Take, remarks: Remarks) -> None:
        self._take = take
        self._remarks = remarks
        self._understood = self._refused = 0
        self._stop = threading.Event()
        self._socket = _bound(*address)
        self._socket.settimeout(LOOK_S)
        self.port: Final = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="gapless-osc-in", daemon=True)
        self._thread.start()

    def counts(self) -> Received:
        """So far."""
        return Received(self._understood, self._refused)

    def close(self) -> None:
        """Listen no more; answers that are still to come are not sent. Idempotent."""
        self._stop.set()
        # So that it looks now.
        with suppress(OSError):
            self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                packet, sender = self._socket.recvfrom(MOST_BYTES)
            except TimeoutError:
                continue
            except OSError:
                # Windows says here that an answer reached nobody.
                self._stop.wait(LOOK_S)
                continue
            if not self._stop.is_set():
                self._understand(packet, sender)

    def _understand(self, packet: bytes, sender: tuple[str, int]) -> None:
        try:
            messages = read(packet)
        except ProtocolError as error:
            self._refuse(
                "packet", f"a packet from {sender[0]}:{sender[1]} is no OSC: {error.message}"
            )
            return
        for message in messages:
            wanted = ORDERS.get(message.address)
            orders = None if wanted is None else wanted.orders(message.arguments)
            if orders is not None:
                self._understood += 1
                for order in orders:
                    self._take(order, partial(self._answer, sender))
            elif wanted is not None:
                self._refuse(
                    message.address, f"{message.address} over OSC takes {wanted.arguments}"
                )
            else:
                known = ", ".join(ORDERS)
                self._refuse(
                    "address",
                    f"nothing answers to {message.address[:SHOWN]} over OSC; there are {known}",
                )

    def _refuse(self, topic: str, text: str) -> None:
        self._refused += 1
        self._remarks.say(f"osc in {topic}", text)

    def _answer(self, sender: tuple[str, int], message: Message) -> None:
        try:
            self._socket.sendto(written(message), sender)
        except (OSError, ProtocolError) as error:
            self._remarks.say("osc answer", f"an answer over OSC did not leave: {error}")


class Wanted(NamedTuple):
    """What an address takes."""

    arguments: str
    """For people."""
    orders: Callable[[tuple[Argument, ...]], Sequence[Order] | None]
    """None: other arguments than those."""


def _program(arguments: tuple[Argument, ...]) -> Sequence[Order] | None:
    match arguments:
        case (str(text),):
            return [SetProgram(text, NAME)]
        case (str(text), str(name)):
            return [SetProgram(text, name)]
    return None


def _speed(arguments: tuple[Argument, ...]) -> Sequence[Order] | None:
    match arguments:
        case (int() | float() as cps,) if math.isfinite(cps):
            # Zero is what less than the finest becomes, too.
            exact = Fraction(cps).limit_denominator(FINEST)
            return [SetSpeed(exact)] if 0 < exact <= FASTEST_CPS else None
    return None


def _pressed(order: Order, arguments: tuple[Argument, ...]) -> Sequence[Order] | None:
    """A button sends a number, which is 0 when it is let go."""
    match arguments:
        case ():
            return [order]
        case (int() | float() as number,):
            return [order] if number else []
    return None


BUTTON: Final = "no argument, or the number of a button"
ORDERS: Final[Mapping[str, Wanted]] = {
    "/gapless/set": Wanted("the text of a program, and a name for it if you like", _program),
    "/gapless/hush": Wanted(BUTTON, partial(_pressed, Hush())),
    "/gapless/panic": Wanted(BUTTON, partial(_pressed, Panic())),
    "/gapless/cps": Wanted(f"a number above 0 and at most {FASTEST_CPS}", _speed),
}
"""By address."""


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, at = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigError(
            f"{host!r} is no address of this machine ({error}); 127.0.0.1 is heard by this machine alone"
        ) from error
    found = socket.socket(family, kind)
    try:
        found.bind(at)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"UDP port {port} is in use; end the program that has it, or give another port"
            ) from error
        raise ConfigError(
            f"cannot listen for OSC on {host}:{port}: {error.strerror}; give another address or port"
        ) from error
    return found
