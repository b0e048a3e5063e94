"""How much a program's patterns may cost: no program hangs the machine, however little is written.

In: patterns, and the places of what asks them. Out: the same patterns behind gates. Invariants: what is asked of a
program's pattern, or done to make one, is charged to the account of the question that is open in this thread; whoever
overdraws it, or goes too deep, is a ``PlayError`` at its place. Thread: any; each has an account of its own.

What a pattern comes to depends on what holds when it is asked (``ply "<1 1000>"``), so it is counted then. A program is
asked for its first cycle before it is accepted; what it does later is told while it plays.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar, final

from gapless.play.errors import PlayError
from gapless.play.pattern import Event, Pattern, Place
from gapless.play.time import Span

T = TypeVar("T")
U = TypeVar("U")

MOST_WORK: Final = 50_000
"""Events, cycles and questions, for each cycle that is asked for, counted in each transform that they go through. As
much for all of a program when it is read, its first cycle included."""
CHANGE_WORK: Final = 10
"""What it costs to make a changed pattern."""
DEEPEST: Final = 48
"""Transforms and operators, one around the other: each takes up to a dozen calls of Python's thousand."""
PAIRS: Final = 32
"""Pairs of events that are looked at in the time that one event costs."""


@final
class _Account:
    """Of the question that is open."""

    __slots__ = ("depth", "left")

    def __init__(self) -> None:
        self.depth = 0
        self.left = 0


class _Own(threading.local):
    def __init__(self) -> None:
        self.account: Final = _Account()


_OWN: Final = _Own()


@contextmanager
def allowance(place: Place) -> Iterator[None]:
    """All that is done meanwhile may cost ``MOST_WORK``.

    Raises:
        PlayError: it went deeper than Python does.
    """
    account = _OWN.account
    kept = account.left, account.depth
    account.left, account.depth = MOST_WORK, 1
    try:
        yield
    except RecursionError:
        raise _too_deep(place) from None
    finally:
        account.left, account.depth = kept


@contextmanager
def change(place: Place) -> Iterator[None]:
    """A change of patterns that may consist of others.

    Raises:
        PlayError: it is one too many, or too deep in others.
    """
    account = _OWN.account
    if not account.depth:
        account.left = MOST_WORK
    account.left -= CHANGE_WORK
    _check(account, place)
    account.depth += 1
    try:
        yield
    finally:
        account.depth -= 1


def gated(
    pattern: Pattern[T],
    place: Place,
    weigh: Callable[[int], int] | None = None,
    levels: int = 1,
) -> Pattern[T]:
    """The same pattern; what it is asked is charged.

    Args:
        pattern: which.
        place: of what asks it, for the mistake.
        weigh: what so many events cost who asks for them, if it is more than one each.
        levels: by which what it asks lies deeper.
    """
    inner = pattern.ask

    def ask(span: Span) -> list[Event[T]]:
        account = _OWN.account
        cycles = math.floor(span.end) - math.floor(span.begin)
        if not account.depth:
            account.left = MOST_WORK * (cycles + 1)
            return _outermost(ask, span, place, account)
        account.left -= 1 + cycles
        if account.left < 0 or account.depth > DEEPEST:
            _check(account, place)
        account.depth += levels
        try:
            events = inner(span)
        finally:
            account.depth -= levels
        account.left -= len(events) if weigh is None else weigh(len(events))
        if account.left < 0:
            _check(account, place)
        return events

    return Pattern(ask, pattern.constant)


def gated_pair(left: Pattern[T], right: Pattern[U], place: Place) -> tuple[Pattern[T], Pattern[U]]:
    """Two patterns each event of which is compared with each of the other, the right one being asked first."""
    found = 0

    def of_right(count: int) -> int:
        nonlocal found
        found = count
        return count

    return (
        gated(left, place, lambda count: count + count * found // PAIRS),
        gated(right, place, of_right),
    )


def _outermost(
    ask: Callable[[Span], list[Event[T]]], span: Span, place: Place, account: _Account
) -> list[Event[T]]:
    account.depth = 1
    try:
        return ask(span)
    except RecursionError:
        raise _too_deep(place) from None
    finally:
        account.depth = 0


def _check(account: _Account, place: Place) -> None:
    if account.left < 0:
        message = "this asks for too many events, or for too long a time, of what it works on"
        raise PlayError(message, place=place, expected=("smaller factors", "fewer of them"))
    if account.depth > DEEPEST:
        raise _too_deep(place)


def _too_deep(place: Place) -> PlayError:
    message = f"more than {DEEPEST} transforms and operators work on each other here"
    return PlayError(message, place=place, expected=("fewer of them",))
