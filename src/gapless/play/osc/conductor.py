"""What others ask of a performance, done one after the other.

In: programs, hush, panic, speeds. Out: a performance that has changed, and what to answer. Invariants: a mistake
changes nothing; when several orders of a kind wait, only the last is carried out, so that no more wait than there are
kinds; whatever goes wrong is answered and never ends the thread. Thread: starts its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias, final

from gapless.errors import GaplessError
from gapless.play.errors import PlayError
from gapless.play.language.mistakes import MOST_SHOWN, ProgramError
from gapless.play.live.performance import Performance
from gapless.play.osc.packet import Message
from gapless.play.program import Remark, Transport

CHANGED: Final = "/gapless/changed"
MISTAKE: Final = "/gapless/mistake"
REMARK: Final = "/gapless/remark"
MOST_REMARKS: Final = 20


class SetProgram(NamedTuple):
    """Play another program."""

    text: str
    name: str
    """For messages."""


class Hush(NamedTuple):
    """Fade to silence."""


class Panic(NamedTuple):
    """End all that sounds in 10 ms; the program begins anew."""


class SetSpeed(NamedTuple):
    """Cycles per second, until the next program."""

    cps: Fraction


Order: TypeAlias = SetProgram | Hush | Panic | SetSpeed
Answer: TypeAlias = Callable[[Message], None]
"""Sends a message to whoever gave an order; does not raise."""


@final
class Conductor:
    """Carries out orders on a performance.

    Args:
        performance: it; others may change it, too.
    """

    def __init__(self, performance: Performance) -> None:
        self._performance = performance
        self._waiting: dict[type, tuple[Order, Answer]] = {}
        """In the order in which they came, one of each kind."""
        self._changed = threading.Condition()
        self._closing = False
        self.done = 0
        """Orders that were carried out, or refused with an answer."""
        self._thread = threading.Thread(target=self._run, name="gapless-osc-set", daemon=True)
        self._thread.start()

    def order(self, order: Order, answer: Answer) -> None:
        """Have something done; it takes the place of one of the same kind that still waits, which gets no answer."""
        with self._changed:
            self._waiting.pop(type(order), None)
            self._waiting[type(order)] = (order, answer)
            self._changed.notify()

    def close(self) -> None:
        """End the thread; what waits is left undone. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                order, answer = self._waiting.pop(next(iter(self._waiting)))
            for message in self._answers(order):
                answer(message)
            self.done += 1

    def _answers(self, order: Order) -> list[Message]:
        name = order.name if isinstance(order, SetProgram) else ""
        try:
            remarks = self._carry_out(order)
        except ProgramError as error:
            return [_mistake(mistake, name) for mistake in error.mistakes[:MOST_SHOWN]]
        except PlayError as error:
            return [_mistake(error, name)]
        except GaplessError as error:
            return [Message(MISTAKE, (0, 0, error.message, name))]
        except Exception as error:  # noqa: BLE001  a fault of ours must not end the thread that answers
            text = f"this cannot be done: {type(error).__name__}: {error}; please report it"
            return [Message(MISTAKE, (0, 0, text, name))]
        scheduler = self._performance.scheduler
        cycle = float(scheduler.cycle_at(scheduler.posted))
        return [
            Message(CHANGED, (cycle, name)),
            *(_remark(remark, name) for remark in remarks[:MOST_REMARKS]),
        ]

    def _carry_out(self, order: Order) -> tuple[Remark, ...]:
        """Do it; what the author of a program should know."""
        player = self._performance.player
        match order:
            case SetProgram():
                return self._performance.set(order.text, order.name).remarks
            case Hush():
                self._performance.hush()
            case Panic():
                player.change(lambda now: replace(now, transport=(Transport("panic"),)))
            case SetSpeed():
                # What the program says of the time has been done when it was taken up.
                player.change(lambda now: replace(now, cps=order.cps, transport=()))
        return ()


def _mistake(error: PlayError, name: str) -> Message:
    text = ": ".join(part for part in (error.text, error.advice()) if part)
    return Message(MISTAKE, (error.place.line, error.place.column, text, name))


def _remark(remark: Remark, name: str) -> Message:
    line, column = remark.place[:2] if remark.place else (0, 0)
    return Message(REMARK, (line, column, remark.text, name))
