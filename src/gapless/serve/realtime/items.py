"""Turns on their way to becoming items with a text.

In: texts of utterances, as they are understood. Out: events, without their own ids. Invariants: the deltas of an item
are never taken back: they are what will not change any more, and where the text turns out otherwise ``completed`` says
so; an item is committed once, and then completed or failed once. Thread: the event loop's; no I/O.
"""

from __future__ import annotations

from typing import Final, final

from msgspec import UNSET

from gapless.serve.openai.messages import DetectedLanguage, Usage, logprobs_of
from gapless.serve.realtime.events import (
    AudioCommitted,
    BetaItemCreated,
    Item,
    ItemAdded,
    ItemDone,
    RealtimeProblem,
    RealtimeServerEvent,
    TranscriptCompleted,
    TranscriptDelta,
    TranscriptFailed,
    TranscriptSegment,
)
from gapless.serve.stream.messages import FinalMessage


@final
class Turn:
    """What is said until the turn ends.

    Args:
        item_id: id of the item that it will be.
        start_ms: where it begins.
        by_voice: whether the voice ends it, after one utterance; if not, the client does, after any number.
    """

    def __init__(self, item_id: str, start_ms: int, *, by_voice: bool) -> None:
        self.item_id: Final = item_id
        self.start_ms: Final = start_ms
        self.by_voice: Final = by_voice
        self.end_ms: int | None = None
        """Where it ends; None: it goes on."""
        self.committed = False
        self._finals: list[FinalMessage] = []
        self._sent = ""
        """All deltas so far."""
        self._problem: RealtimeProblem | None = None

    @property
    def failed(self) -> bool:
        """Whether an utterance could not be understood."""
        return self._problem is not None

    def settle(self, text: str) -> list[RealtimeServerEvent]:
        """This much of the utterance that goes on will not change any more."""
        whole = self._with(text)
        if len(whole) <= len(self._sent) or not whole.startswith(self._sent):
            return []
        delta, self._sent = whole[len(self._sent) :], whole
        return [TranscriptDelta(item_id=self.item_id, delta=delta)]

    def add(self, final: FinalMessage) -> list[RealtimeServerEvent]:
        """An utterance is understood."""
        events = self.settle(final.text)
        self._finals.append(final)
        return events

    def fail(self, problem: RealtimeProblem) -> None:
        """An utterance could not be understood."""
        self._problem = problem

    def end(self, *, logprobs: bool) -> list[RealtimeServerEvent]:
        """All is understood, as far as it can be."""
        if self._problem is not None:
            return [TranscriptFailed(item_id=self.item_id, error=self._problem)]
        words = [(word.w, word.conf) for final in self._finals for word in final.words]
        languages = dict.fromkeys(final.language for final in self._finals if final.language)
        completed = TranscriptCompleted(
            item_id=self.item_id,
            transcript=self._with(""),
            usage=Usage(seconds=((self.end_ms or self.start_ms) - self.start_ms) / 1000),
            logprobs=logprobs_of(words) if logprobs else UNSET,
            languages=tuple(map(DetectedLanguage, languages)) or UNSET,
        )
        return [*self._segments(), completed]

    def _with(self, text: str) -> str:
        return " ".join(filter(None, [*(final.text for final in self._finals), text]))

    def _segments(self) -> list[RealtimeServerEvent]:
        """Who said what, as far as a model tells."""
        return [
            TranscriptSegment(
                id=f"{self.item_id}_{number}",
                item_id=self.item_id,
                text=final.text,
                speaker=final.speaker,
                start=final.start_ms / 1000,
                end=final.end_ms / 1000,
            )
            for number, final in enumerate(self._finals)
            if final.speaker is not None
        ]


@final
class Items:
    """The items of a session, in the order in which they are committed.

    Args:
        prefix: what their ids begin with.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._made = 0
        self._latest: str | None = None

    def begin(self, start_ms: int = 0, *, by_voice: bool = False) -> Turn:
        """A new turn."""
        self._made += 1
        return Turn(f"{self._prefix}_{self._made}", start_ms, by_voice=by_voice)

    def commit(self, turn: Turn, end_ms: int, *, beta: bool) -> list[RealtimeServerEvent]:
        """The turn ends, and is an item from here on."""
        turn.end_ms = end_ms
        turn.committed = True
        before, self._latest = self._latest, turn.item_id
        item = Item(id=turn.item_id)
        created: list[RealtimeServerEvent] = [
            ItemAdded(item=item, previous_item_id=before),
            ItemDone(item=item, previous_item_id=before),
        ]
        if beta:
            created = [BetaItemCreated(item=item, previous_item_id=before)]
        return [AudioCommitted(item_id=turn.item_id, previous_item_id=before), *created]
