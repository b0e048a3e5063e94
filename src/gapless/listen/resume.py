"""Going on in the middle of a recording, as if all of it had been heard.

In: a recording from its beginning, and where an utterance of it ended. Out: the events of what follows, with the times
of the whole recording. Invariants: windows of the voice detector lie as they did; it hears ``WARM_UP_MS`` from before,
so that it (and a denoiser) is in the state that it was in, but no utterance begins there; what lies further back costs
nothing but its decoding. Thread: as a listener's.

Why this gives the same utterances: where an utterance ended in a pause, all windows from the end of its speech to the
moment in which that was decided were silent, and silent windows change nothing in a segmenter that is shut; where it
was cut because it was long, the rest of the speech begins at the cut, as it did.
"""

from __future__ import annotations

from typing import Final, assert_never, final

from msgspec.structs import replace

from gapless.audio.types import LISTEN_RATE_HZ, Samples, ms_to_samples
from gapless.infer.inference import Inference
from gapless.listen.events import (
    Empty,
    Failed,
    Flushed,
    ListenEvent,
    Partial,
    SpeechEnd,
    SpeechStart,
    Spoken,
)
from gapless.listen.events import Final as FinalEvent
from gapless.listen.listener import Listener, ListenOptions
from gapless.listen.recogniser.contract import Recogniser, Wake
from gapless.listen.segment import WINDOW_SAMPLES, SegmentAction, Segmenter, SegmentOptions
from gapless.transcript import Utterance

WINDOW_MS: Final = WINDOW_SAMPLES * 1000 // LISTEN_RATE_HZ

WARM_UP_MS: Final = 128 * WINDOW_MS
"""Sound from before that the voice detector hears again."""


@final
class ResumedListener(Listener):
    """Listens to a recording of which the beginning was heard by another listener: feed it all.

    Utterances are named from ``u1`` on all the same.

    Args:
        options: how to hear it: as the other did, the voice detector deciding (``turns``).
        recogniser: what understands it.
        inference: what runs the voice detector.
        start_ms: the end of the last utterance that is known.
        wake: as for every listener.

    Raises:
        ProtocolError: the recogniser does not know the language that ``options`` ask for.
    """

    def __init__(
        self,
        options: ListenOptions,
        recogniser: Recogniser,
        inference: Inference,
        start_ms: int,
        wake: Wake | None = None,
    ) -> None:
        super().__init__(options, recogniser, inference, wake)
        warm_from_ms = max(start_ms - WARM_UP_MS, 0)
        self._before_ms = warm_from_ms - warm_from_ms % WINDOW_MS
        """Where this listener's own time begins."""
        self._to_skip = self._before_ms * options.rate_hz // 1000
        """Samples that are still to be left out."""
        floor = ms_to_samples(start_ms - self._before_ms, LISTEN_RATE_HZ)
        self._segmenter = _ResumedSegmenter(options.segment, floor)

    @property
    def received_ms(self) -> int:
        """Audio taken in so far, of the whole recording (while some is left out: up to where hearing begins)."""
        return self._before_ms + super().received_ms

    @property
    def processed_ms(self) -> int:
        """Audio that waits for nothing any more; never more than ``received_ms``."""
        # The property of the listener below compares with `received_ms`, which is shifted already.
        behind = self._utterances.behind
        if pending := self._pending_windows:
            position = self._history.end - pending * WINDOW_SAMPLES
            behind = position if behind is None else min(behind, position)
        if behind is None:
            return self.received_ms
        behind_ms = self._before_ms + max(behind, 0) * 1000 // LISTEN_RATE_HZ
        return min(behind_ms, self.received_ms)

    def accept(self, samples: Samples) -> list[ListenEvent]:
        """Hear the next samples of the recording, from its first on."""
        skipped = min(self._to_skip, len(samples))
        self._to_skip -= skipped
        return super().accept(samples[skipped:])

    def step(self) -> list[ListenEvent]:
        """Go on with whatever has come of what was under way."""
        return [later(event, self._before_ms) for event in super().step()]


class _ResumedSegmenter(Segmenter):
    """A segmenter that begins shut, at ``floor``, and is told of windows from before."""

    def __init__(self, options: SegmentOptions, floor: int) -> None:
        super().__init__(options)
        self._floor = floor
        self._begins = floor

    def _judge(self, probability: float, actions: list[SegmentAction]) -> None:
        end = self._position + WINDOW_SAMPLES
        if end <= self._begins:
            self._position = end
            return
        super()._judge(probability, actions)


def later(event: ListenEvent, by_ms: int) -> ListenEvent:
    """The same event, ``by_ms`` later."""
    match event:
        case SpeechStart(_, at_ms) | SpeechEnd(_, at_ms):
            return replace(event, at_ms=at_ms + by_ms)
        case Partial():
            return replace(event, start_ms=event.start_ms + by_ms, end_ms=event.end_ms + by_ms)
        case Spoken(_, voice):
            return replace(event, voice=replace(voice, at_ms=voice.at_ms + by_ms))
        case FinalEvent(utterance):
            return replace(event, utterance=_later_utterance(utterance, by_ms))
        case Empty() | Failed() | Flushed():
            return event
        case _:
            assert_never(event)


def _later_utterance(utterance: Utterance, by_ms: int) -> Utterance:
    return replace(
        utterance,
        start_ms=utterance.start_ms + by_ms,
        end_ms=utterance.end_ms + by_ms,
        words=tuple(
            replace(word, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms)
            for word in utterance.words
        ),
    )
