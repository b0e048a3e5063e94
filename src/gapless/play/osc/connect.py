"""A performance and the machines around it, over Open Sound Control.

In: a performance, a clock for its samples, addresses. Out: its events, sent ahead of their time; programs and orders,
taken in. Invariants: neither direction makes the performance wait, or ends it. Thread: any; the sender, the receiver
and the conductor have their own.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import Final, NamedTuple, Self, final

import msgspec

from gapless.errors import ConfigError
from gapless.play.live.performance import Performance
from gapless.play.osc.conductor import Conductor
from gapless.play.osc.receiver import Received, Receiver
from gapless.play.osc.sender import Sender, Sent, Times
from gapless.play.program import Remark
from gapless.play.remarks import Remarks

LOOPBACK: Final = "127.0.0.1"
MOST_LATENCY_MS: Final = 10_000.0
LAST_PORT: Final = 65_535


class OscOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where to send to, and where to listen."""

    out: str | None = None
    """``host:port`` that events are sent to; None: to nobody. SuperDirt listens on 127.0.0.1:57120."""
    input: int | None = None
    """UDP port to listen on, 0: any that is free; None: no orders are taken."""
    input_address: str = LOOPBACK
    """Of this machine, by which others reach that port: whoever does may play. By default none but this machine."""
    latency_ms: float = 0.0
    """Added to the time that events are said to be heard at; negative, where the other machine's sound comes later."""


class OscCounts(NamedTuple):
    """What became of what was sent and received."""

    out: Sent
    input: Received


@final
class OscConnection:
    """Use it as a context manager, within that of the performance.

    Args:
        performance: whose events are sent, and who is given orders.
        wall: when its samples are heard; a ``WallClock``.
        options: see there.

    Raises:
        ConfigError: an address is none, a port is in use, or the latency is out of bounds.
    """

    def __init__(self, performance: Performance, wall: Times, options: OscOptions) -> None:
        if not abs(options.latency_ms) <= MOST_LATENCY_MS:
            raise ConfigError(
                f"latency_ms = {options.latency_ms:g} must be from -{MOST_LATENCY_MS:g} to {MOST_LATENCY_MS:g}",
                param="latency_ms",
            )
        scheduler = performance.scheduler
        self._remarks = Remarks()
        self._sender: Sender | None = None
        self._receiver: Receiver | None = None
        with ExitStack() as opened:
            if options.input is not None:
                conductor = opened.enter_context(closing(Conductor(performance)))
                port = _checked(options.input, first=0)
                self._receiver = opened.enter_context(
                    closing(Receiver((options.input_address, port), conductor.order, self._remarks))
                )
            if options.out is not None:
                self._sender = opened.enter_context(
                    closing(
                        Sender(
                            host_and_port(options.out),
                            wall,
                            performance.sounds.rate_hz,
                            options.latency_ms,
                            self._remarks,
                        )
                    )
                )
                listener = self._sender.listener(lambda: float(scheduler.cps))
                scheduler.listeners.append(listener)
                opened.callback(scheduler.listeners.remove, listener)
            self._closing = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int | None:
        """That is listened on; None: none is."""
        return None if self._receiver is None else self._receiver.port

    def counts(self) -> OscCounts:
        """So far."""
        return OscCounts(
            Sent(0, 0, 0) if self._sender is None else self._sender.counts(),
            Received(0, 0) if self._receiver is None else self._receiver.counts(),
        )

    def remarks(self) -> tuple[Remark, ...]:
        """What the author should know, since the last time; each thing is said once."""
        return self._remarks.take()

    def close(self) -> None:
        """Send what waits, and take no more orders. Idempotent."""
        self._closing.close()


def host_and_port(text: str) -> tuple[str, int]:
    """``host:port``; the host of version 6 in brackets, as in ``[::1]:57120``.

    Raises:
        ConfigError: it is neither.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not host or not (port.isascii() and port.isdecimal() and len(port) <= 5):
        raise ConfigError(f"{text!r} is no host and port; give both, such as 127.0.0.1:57120")
    return host, _checked(int(port), first=1)


def _checked(port: int, first: int) -> int:
    if not first <= port <= LAST_PORT:
        raise ConfigError(f"port {port} must be from {first} to {LAST_PORT}", param="port")
    return port
