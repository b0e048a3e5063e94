"""Events on their way out, each ahead of its time.

In: events as the scheduler tells them. Out: bundles over UDP, each with the time at which its event is heard.
Invariants: whoever tells an event never waits: what finds no room is dropped and counted; nothing is sent twice.
Thread: starts its own.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, final

from gapless.errors import ConfigError, ProtocolError
from gapless.play.osc.dirt import play_message
from gapless.play.osc.packet import bundle
from gapless.play.osc.time_tag import TimeTags
from gapless.play.remarks import Remarks
from gapless.play.schedule import Heard

MOST_WAITING: Final = 4096
"""Events between two turns of the sending thread."""


class Times(Protocol):
    """Says when samples are heard: a ``WallClock``."""

    def time_ns_of(self, sample: int) -> int:
        """Time of the monotonic clock."""
        ...


class Sent(NamedTuple):
    """What became of events."""

    sent: int
    late: int
    """Of those, the ones that were sent after their time."""
    dropped: int
    """Events for which there was no room, or no way."""


class Waiting(NamedTuple):
    """An event, and the speed when it was told."""

    heard: Heard
    cps: float


@final
class Sender:
    """Sends events to one address.

    Args:
        address: host and port.
        times: of samples.
        rate_hz: of those.
        latency_ms: added to all times.
        remarks: take what the author should know.

    Raises:
        ConfigError: there is no such host.
    """

    def __init__(
        self,
        address: tuple[str, int],
        times: Times,
        rate_hz: int,
        latency_ms: float,
        remarks: Remarks,
    ) -> None:
        self._times = times
        self._rate_hz = rate_hz
        self._latency_ns = round(latency_ms * 1e6)
        self._remarks = remarks
        self._tags = TimeTags()
        self._waiting: queue.Queue[Waiting | None] = queue.Queue(MOST_WAITING)
        self._sent = self._late = self._failed = self._no_room = 0
        family, self._to = _resolved(*address)
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._run, name="gapless-osc-out", daemon=True)
        self._thread.start()

    def listener(self, cps: Callable[[], float]) -> Callable[[Heard], None]:
        """What a scheduler is to tell its events; neither waits nor raises.

        Args:
            cps: the speed at that moment.
        """

        def tell(heard: Heard) -> None:
            try:
                self._waiting.put_nowait(Waiting(heard, cps()))
            except queue.Full:
                self._no_room += 1

        return tell

    def counts(self) -> Sent:
        """So far."""
        return Sent(self._sent, self._late, self._failed + self._no_room)

    def close(self) -> None:
        """End the thread; what waits is sent before. Idempotent."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            self._send(waiting)

    def _send(self, waiting: Waiting) -> None:
        message = play_message(waiting.heard, waiting.cps, self._rate_hz)
        if message is None:
            return
        at_ns = self._times.time_ns_of(waiting.heard.begin) + self._latency_ns
        try:
            self._socket.sendto(bundle(self._tags.of(at_ns), message), self._to)
        except (OSError, ProtocolError) as error:
            self._failed += 1
            self._remarks.say("osc out", f"an event was not sent over OSC: {error}")
            return
        self._sent += 1
        if time.monotonic_ns() > at_ns:
            self._late += 1
            self._remarks.say(
                "osc late",
                "events leave over OSC after their time; a larger --lead sends them sooner",
            )


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """The family of an address, and what a socket of it sends to."""
    try:
        family, _, _, _, to = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise ConfigError(
            f"there is no host {host!r} to send OSC to ({error}); give a name or a number, such as 127.0.0.1"
        ) from error
    return family, (str(to[0]), int(to[1]))
