"""A performance without a device: the part of a player that computes.

In: programs, how much to render. Out: messages that answer them; chunks of sound with what is to be known of them.
Invariants: an event is told before any of its sound is rendered, and the sound does not depend on how chunks are cut;
a mistake changes nothing. Thread: ``take_up`` and ``render`` each from one, which may be two; importing this loads the
synthesiser.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

import numpy as np

from gapless.errors import GaplessError
from gapless.play.errors import PlayError
from gapless.play.live.performance import Performance
from gapless.play.program import Remark
from gapless.play.schedule import Heard
from gapless.serve.play.messages import (
    ChangedMessage,
    MistakeMessage,
    PlayEvent,
    PlayRemark,
    RemarkMessage,
    SetMessage,
)
from gapless.serve.play.session import Chunk, Order

NAME: Final = "program"
"""What a text is called where mistakes are shown."""

MAX_EVENTS: Final = 256
"""That are told with a chunk; what begins beside so many others is not told."""

MAX_PLACES: Final = 16
"""Of an event."""

MAX_REMARKS: Final = 100
"""That are told at a time."""


@final
class PerformanceDesk:
    """See above.

    Args:
        rate_hz: of the samples.
        folders: of sounds.
    """

    def __init__(self, rate_hz: int, folders: Sequence[Path]) -> None:
        self._performance = Performance(rate_hz, folders)
        self._heard: deque[PlayEvent] = deque()
        # Bounded by what begins within the lead: patterns bound that.
        self._performance.scheduler.listeners.append(self._listen)

    def take_up(self, order: Order) -> ChangedMessage | MistakeMessage:
        """Play another program, or none. May take seconds: units are compiled where they are needed first."""
        performance = self._performance
        try:
            if isinstance(order, SetMessage):
                performance.set(order.text, NAME)
            else:
                performance.hush()
        except PlayError as error:
            shown = error.shown(order.text, NAME) if isinstance(order, SetMessage) else error.text
            advice = error.advice()
            sentence = f"{error.text}: {advice}" if advice else error.text
            return MistakeMessage(order.id, shown, sentence, *error.place)
        except GaplessError as error:
            return MistakeMessage(order.id, error.message, error.message)
        program, sample = performance.player.program, performance.player.since
        return ChangedMessage(
            order.id,
            sample,
            float(performance.scheduler.cycle_at(sample)),
            float(program.cps),
            tuple(program.outputs),
            tuple(sorted(program.hushed)),
            tuple(PlayRemark(*_fields(remark)) for remark in program.remarks[:MAX_REMARKS]),
        )

    def render(self, n_samples: int, *, is_last: bool) -> Chunk:
        """The next chunk; no longer than the performance's lead."""
        performance = self._performance
        performance.player.advance()
        # Programs are set while chunks are rendered, so that more may come meanwhile.
        events = [self._heard.popleft() for _ in range(len(self._heard))]
        samples = performance.read(n_samples)
        if is_last:
            # Half a cosine: its ends have no corners, which would be heard.
            phase = np.linspace(0, np.pi, n_samples, dtype=np.float32)
            samples *= (1 + np.cos(phase)) / 2
        return Chunk(
            n_samples,
            samples.T.astype("<f4", order="C").tobytes(),
            tuple(events[:MAX_EVENTS]),
            tuple(
                RemarkMessage(*_fields(remark)) for remark in performance.remarks()[:MAX_REMARKS]
            ),
            is_last,
        )

    def close(self) -> None:
        """Let go of the performance; neither of the others may be called any more."""
        self._performance.close()

    def _listen(self, heard: Heard) -> None:
        spans = heard.event.spans[:MAX_PLACES]
        places = tuple((line, column, length) for line, column, length in spans)
        self._heard.append(PlayEvent(heard.output, heard.begin, heard.end, places))


def _fields(remark: Remark) -> tuple[str, *tuple[int, ...]]:
    """Text, and line, column and length where it has a place."""
    return (remark.text, *(remark.place or ()))
