"""Which call gets which connection, and which connections there are: the pool's decisions, without any connection.

In: requests for a channel, channels that come back, outcomes of health checks, and the time. Out: a ``Decision``: what
to open, close and check, and whose request is answered how. The shell (``endpoint.py``) carries it out.
Invariants: never more than ``max_channels``; each is lent to one call at a time; whoever asked first is served first;
every request is answered exactly once; a channel that was closed is never lent again; no fewer than ``min_channels``
while the server is there. Thread: one at a time; the shell locks.

A channel is in one of three states:

    idle      nobody uses it; lent first where it was used last, so that the others may grow old and be closed
    lent      one call uses it
    checking  it was not used for long, is new, or a call failed on it: the shell asks the server over it; never lent

A stream whose state the server keeps is pinned to a channel: its steps share the channel with whoever has it lent, and
it is not closed for idleness or age meanwhile.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal, NamedTuple, TypeAlias, final

import msgspec

from gapless.infer.triton.options import TritonOptions

Refusal: TypeAlias = Literal["timeout", "full", "down"]
"""Why a request gets no channel: none came free in time, too many wait already, or the server is away."""


class Answer(NamedTuple):
    """The one answer to a request."""

    request: int
    channel: int | None
    refusal: Refusal | None


class Decision(NamedTuple):
    """What the shell has to do, in this order."""

    close: list[int]
    open: list[int]
    answers: list[Answer]
    check: list[int]
    """Those that are open, new ones among them."""


class PoolStats(msgspec.Struct, frozen=True):
    """A snapshot."""

    most: int
    """Channels that there may be."""
    channels: int
    lent: int
    checking: int
    pins: int
    """Streams that are bound to a channel."""
    waiting: int
    opened: int
    """Since the start, as all below."""
    closed: int
    granted: int
    timed_out: int
    refused: int
    """Because too many waited, or the server was away."""


class _Channel:
    """What is known of one."""

    __slots__ = ("id", "opened_ms", "pins", "retired", "seen_ms", "state", "used_ms")

    def __init__(self, channel: int, now_ms: int) -> None:
        self.id: Final = channel
        self.opened_ms: Final = now_ms
        self.used_ms = now_ms
        """When a call last came back with it."""
        self.seen_ms = now_ms
        """When the server last showed that it works."""
        self.state: Literal["idle", "lent", "checking"] = "checking"
        self.pins = 0
        self.retired = False
        """Whether it is closed once it comes back."""


class _Waiting(NamedTuple):
    request: int
    deadline_ms: int


@final
class Pool:
    """See the module's head. The shell asks ``decide`` after whatever else it calls, at the same time."""

    def __init__(self, options: TritonOptions) -> None:
        self._options = options
        self._channels: dict[int, _Channel] = {}
        self._idle: list[_Channel] = []
        """Without pins; the last was used last."""
        self._pinned_idle: list[_Channel] = []
        self._waiting: deque[_Waiting] = deque()
        self._last_id = 0
        self._down = self._closed = False
        self._look_ms = 0
        """When a channel may next grow too old, be idle for too long, or need a check."""
        self._refill_ms = 0
        """Not before this are channels opened that nobody asked for: the last such did not work."""
        # What the next decision brings.
        self._to_close: list[int] = []
        self._to_open: list[int] = []
        self._answers: list[Answer] = []
        self._to_check: list[int] = []
        self._opened = self._shut = self._granted = self._timed_out = self._refused = 0

    # --- what happens to the pool ---

    def request(self, now_ms: int) -> int:
        """Ask for a channel; the answer comes with this or a later decision, under the number that is returned."""
        self._last_id += 1
        if self._down:
            self._refuse(self._last_id, "down")
        elif len(self._waiting) >= self._options.max_waiting_calls:
            self._refuse(self._last_id, "full")
        else:
            deadline_ms = now_ms + self._options.acquire_timeout_ms
            self._waiting.append(_Waiting(self._last_id, deadline_ms))
        return self._last_id

    def withdraw(self, request: int) -> None:
        """Take back a request that was not answered; it never will be."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting.request != request)

    def release(self, channel: int, now_ms: int, *, suspect: bool = False) -> None:
        """A call is done with its channel.

        Args:
            channel: what it was lent.
            now_ms: the time.
            suspect: the call failed in a way that may be the channel's fault.
        """
        known = self._channels[channel]
        known.used_ms = now_ms
        if known.retired:
            self._close(known)
        elif suspect:
            self._check(known)
        else:
            known.seen_ms = now_ms
            self._put_back(known, now_ms)

    def pin(self, channel: int) -> None:
        """Bind a stream to a channel that is lent."""
        self._channels[channel].pins += 1

    def unpin(self, channel: int) -> None:
        """A stream is over; nothing happens if its channel was closed before."""
        known = self._channels.get(channel)
        if known is None:
            return
        known.pins -= 1
        if known.state == "idle" and known.pins == 0:
            self._pinned_idle.remove(known)
            self._idle.insert(0, known)
            self._look_ms = 0

    def checked(self, channel: int, now_ms: int, *, healthy: bool) -> None:
        """The outcome of a check; nothing happens if the channel was closed meanwhile."""
        known = self._channels.get(channel)
        if known is None:
            return
        if not healthy:
            self._refill_ms = now_ms + self._options.health_interval_ms
            self._close(known)
        else:
            known.seen_ms = now_ms
            self._put_back(known, now_ms)

    def suspend(self) -> None:
        """The server is away: close what can be, refuse who waits, open nothing until ``resume``."""
        self._down = True
        for known in list(self._channels.values()):
            if known.state == "lent":
                known.retired = True
            else:
                self._close(known)
        for waiting in self._waiting:
            self._refuse(waiting.request, "down")
        self._waiting.clear()

    def resume(self) -> None:
        """The server is back."""
        self._down = self._closed
        self._refill_ms = 0

    def close(self) -> None:
        """Suspend for good. Channels that are lent are closed when they come back."""
        self._closed = True
        self.suspend()

    # --- what follows from it ---

    def decide(self, now_ms: int) -> Decision:
        """What has to be done now."""
        while self._waiting and (known := self._take(now_ms)):
            known.state = "lent"
            self._granted += 1
            self._answers.append(Answer(self._waiting.popleft().request, known.id, None))
        while self._waiting and now_ms >= self._waiting[0].deadline_ms:
            self._timed_out += 1
            self._answers.append(Answer(self._waiting.popleft().request, None, "timeout"))
        if now_ms >= self._look_ms:
            self._look(now_ms)
        if not self._down and now_ms >= self._refill_ms:
            while len(self._channels) < self._options.min_channels:
                self._check(self._open(now_ms))
        decision = Decision(self._to_close, self._to_open, self._answers, self._to_check)
        self._to_close, self._to_open, self._answers, self._to_check = [], [], [], []
        return decision

    def next_event_ms(self) -> int | None:
        """When time alone changes something; None: never."""
        times: list[int] = []
        if self._waiting:
            times.append(self._waiting[0].deadline_ms)
        if self._idle or self._pinned_idle:
            times.append(self._look_ms)
        if not self._down and len(self._channels) < self._options.min_channels:
            times.append(self._refill_ms)
        return min(times, default=None)

    def stats(self) -> PoolStats:
        """Who has what."""
        states = [known.state for known in self._channels.values()]
        return PoolStats(
            most=self._options.max_channels,
            channels=len(states),
            lent=states.count("lent"),
            checking=states.count("checking"),
            pins=sum(known.pins for known in self._channels.values()),
            waiting=len(self._waiting),
            opened=self._opened,
            closed=self._shut,
            granted=self._granted,
            timed_out=self._timed_out,
            refused=self._refused,
        )

    # --- how ---

    def _take(self, now_ms: int) -> _Channel | None:
        """A channel to lend, one without streams if there is or may be one."""
        if self._idle:
            return self._idle.pop()
        if len(self._channels) < self._options.max_channels:
            return self._open(now_ms)
        if self._pinned_idle:
            known = min(self._pinned_idle, key=lambda one: one.pins)
            self._pinned_idle.remove(known)
            return known
        return None

    def _refuse(self, request: int, refusal: Refusal) -> None:
        self._refused += 1
        self._answers.append(Answer(request, None, refusal))

    def _open(self, now_ms: int) -> _Channel:
        self._opened += 1
        self._look_ms = 0
        known = self._channels[self._opened] = _Channel(self._opened, now_ms)
        self._to_open.append(known.id)
        return known

    def _check(self, known: _Channel) -> None:
        known.state = "checking"
        self._to_check.append(known.id)

    def _put_back(self, known: _Channel, now_ms: int) -> None:
        if known.pins:
            self._pinned_idle.append(known)
        elif now_ms >= known.opened_ms + self._options.max_age_ms:
            self._close(known)
            return
        elif known.state == "checking":
            self._idle.insert(0, known)
        else:
            self._idle.append(known)
        known.state = "idle"
        self._look_ms = min(self._look_ms, self._due_ms(known))

    def _close(self, known: _Channel) -> None:
        if known.state == "idle":
            (self._pinned_idle if known.pins else self._idle).remove(known)
        del self._channels[known.id]
        self._shut += 1
        self._to_close.append(known.id)

    def _due_ms(self, known: _Channel) -> int:
        """When an idle channel next needs something."""
        due_ms = known.seen_ms + self._options.health_interval_ms
        if not known.pins:
            due_ms = min(due_ms, known.opened_ms + self._options.max_age_ms)
            if len(self._channels) > self._options.min_channels:
                due_ms = min(due_ms, known.used_ms + self._options.idle_ms)
        return due_ms

    def _look(self, now_ms: int) -> None:
        """Close what is too old or was idle for too long; check what was not used for a while."""
        options = self._options
        for known in list(self._idle):
            spare = len(self._channels) > options.min_channels
            too_old = now_ms >= known.opened_ms + options.max_age_ms
            if too_old or (spare and now_ms >= known.used_ms + options.idle_ms):
                self._close(known)
        for resting in (self._idle, self._pinned_idle):
            for known in list(resting):
                if now_ms >= known.seen_ms + options.health_interval_ms:
                    resting.remove(known)
                    self._check(known)
        idle = (*self._idle, *self._pinned_idle)
        self._look_ms = min(map(self._due_ms, idle), default=now_ms + options.health_interval_ms)
