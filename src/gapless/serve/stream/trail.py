"""The traces of one stream: for each utterance, where the milliseconds went from its first sample to its final sent.

    utterance
      chunk*       received -> heard: queue, hear (clean: resampling, denoising, handing it to the voice detector)
      vad*         a window of the voice detector: queue, gather, compute
      recognise    place (waiting for one), step* (a window of the network: queue, gather, compute), finish
      endpoint     its last sample received -> its end decided
      store        queue, write
      send         to be sent -> sent

In: what happened, and when, from every part that the utterance passes. Out: a tree of spans for each utterance.
Invariants: every time was measured; a child lies within its parent; what is not of this utterance's time is left out;
bounded: of long utterances the end is kept, and what is left out is counted; no text. Thread: the event loop's, but for
``record``, which is called from any.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, final

import msgspec

from gapless.listen.events import Empty, Failed, SpeechEnd, SpeechStart
from gapless.listen.events import Final as FinalEvent
from gapless.listen.times import UTTERANCE
from gapless.observe.traces import Attribute, Record, Span
from gapless.serve.stream.work import Heard

MOST_CHUNKS: Final = 512
MOST_RECORDED: Final = 1024
"""Spans that are remembered of a stream: of an utterance that has more of them the last."""

MOST_OPEN: Final = 64
"""Utterances that are not sent yet; the eldest gives way."""


PARTS: Final = ("place", "step", "finish")
"""Of what a recogniser does."""


class Chunk(msgspec.Struct, frozen=True):
    """A job of audio that was heard."""

    start_ms: int
    end_ms: int
    first_ns: int
    """When its first sample was received."""
    received_ns: int
    """When its last one was."""
    began_ns: int
    ended_ns: int


class Open(msgspec.Struct):
    """An utterance that was not sent yet."""

    start_ms: int
    announced_ns: int
    """When its beginning was noticed."""
    model: str
    end_ms: int | None = None
    ended_ns: int | None = None
    """When its end was noticed."""
    told_ns: int | None = None
    """When its final was ready to be sent."""
    outcome: str = "lost"
    error: str | None = None


@final
class Trail:
    """See the module's head.

    Args:
        export: takes each trace.
        attributes: said of every utterance.
    """

    def __init__(self, export: Record, attributes: dict[str, Attribute]) -> None:
        self._export = export
        self._attributes = attributes
        self._chunks: deque[Chunk] = deque(maxlen=MOST_CHUNKS)
        self._recorded: deque[Span] = deque(maxlen=MOST_RECORDED)
        """What was measured in other parts. Written from any thread."""
        self._open: dict[str, Open] = {}
        self._heard_ms = 0
        self._model = ""

    def record(self, span: Span) -> None:
        """Something was measured elsewhere; from any thread."""
        self._recorded.append(span)

    def opened(self, model: str) -> None:
        """The stream is heard by this model from now on; its audio is counted from 0."""
        self._model = model
        self._chunks.clear()
        self._heard_ms = 0

    def heard(
        self, heard_ms: int, *, first_ns: int, received_ns: int, began_ns: int, ended_ns: int
    ) -> None:
        """A job of audio is done: it reached up to ``heard_ms``."""
        start_ms, self._heard_ms = self._heard_ms, heard_ms
        self._chunks.append(Chunk(start_ms, heard_ms, first_ns, received_ns, began_ns, ended_ns))

    def told(self, heard: Heard, now_ns: int) -> None:
        """This goes to the client now."""
        for event in heard.events:
            match event:
                case SpeechStart(utt, at_ms):
                    self._begin(utt, Open(at_ms, now_ns, self._model))
                case SpeechEnd(utt, at_ms) if utt in self._open:
                    self._open[utt].end_ms, self._open[utt].ended_ns = at_ms, now_ns
                case FinalEvent(said):
                    self._told(said.utt, "final", now_ns)
                case Empty(utt):
                    self._told(utt, "empty", now_ns)
                case Failed(utt, error):
                    self._told(utt, "failed", now_ns, error.code)

    def sent(self, utt: str, now_ns: int) -> None:
        """A message about this utterance is on its way; the last one ends its trace."""
        utterance = self._open.get(utt)
        if utterance is not None and utterance.told_ns is not None:
            self._finish(utt, now_ns, is_sent=True)

    def close(self, now_ns: int) -> None:
        """The stream is over: what was not sent never will be."""
        for utt in list(self._open):
            self._finish(utt, now_ns, is_sent=False)

    def _begin(self, utt: str, utterance: Open) -> None:
        if len(self._open) >= MOST_OPEN:
            self._finish(next(iter(self._open)), utterance.announced_ns, is_sent=False)
        if utt in self._open:  # of a stream that this one took the place of
            self._finish(utt, utterance.announced_ns, is_sent=False)
        self._open[utt] = utterance

    def _told(self, utt: str, outcome: str, now_ns: int, error: str | None = None) -> None:
        utterance = self._open.get(utt)
        if utterance is not None:
            utterance.told_ns, utterance.outcome, utterance.error = now_ns, outcome, error

    def _finish(self, utt: str, now_ns: int, *, is_sent: bool) -> None:
        self._export(self._trace(utt, self._open.pop(utt), now_ns, is_sent=is_sent))

    # --- the tree -----------------------------------------------------------------------------------

    def _trace(self, utt: str, utterance: Open, now_ns: int, *, is_sent: bool) -> Span:
        chunks = [chunk for chunk in self._chunks if chunk.end_ms > utterance.start_ms]
        start_ns = min((chunk.first_ns for chunk in chunks), default=utterance.announced_ns)
        until_ns = now_ns if utterance.told_ns is None else utterance.told_ns
        recorded = [span for span in list(self._recorded) if span.start_ns >= start_ns]
        own = [span for span in recorded if span.attributes.get(UTTERANCE) == utt]
        shared = [
            span
            for span in recorded
            if UTTERANCE not in span.attributes and span.end_ns <= until_ns
        ]
        children = [
            *_chunk_spans([chunk for chunk in chunks if chunk.ended_ns <= until_ns], shared),
            *(span for span in shared if span.name == "vad"),
            *_recognition(own),
            *(span for span in own if span.name == "store"),
        ]
        received_ns = _received(chunks, utterance.end_ms)
        if received_ns is not None and utterance.ended_ns is not None:
            children.append(Span("endpoint", received_ns, utterance.ended_ns))
        if utterance.told_ns is not None:
            children.append(Span("send", utterance.told_ns, now_ns))
        end_ms = self._heard_ms if utterance.end_ms is None else utterance.end_ms
        attributes: dict[str, Attribute] = {
            **self._attributes,
            "gapless.model": utterance.model,
            UTTERANCE: utt,
            "gapless.start_ms": utterance.start_ms,
            "gapless.end_ms": end_ms,
            "gapless.audio_ms": end_ms - utterance.start_ms,
            "gapless.outcome": utterance.outcome,
            "gapless.sent": is_sent,
        }
        if received_ns is not None and utterance.told_ns is not None and is_sent:
            attributes["gapless.final_after_ms"] = round((now_ns - received_ns) / 1e6, 3)
        if chunks and chunks[0].start_ms > utterance.start_ms:
            attributes["gapless.left_out_ms"] = chunks[0].start_ms - utterance.start_ms
        return Span(
            "utterance",
            start_ns,
            now_ns,
            attributes,
            tuple(sorted(children, key=_beginning)),
            error=utterance.error,
        )


def _received(chunks: Iterable[Chunk], end_ms: int | None) -> int | None:
    """When the sample at ``end_ms`` was received; of one that is behind all, when the last was."""
    if end_ms is None:
        return None
    last = None
    for chunk in chunks:
        last = chunk.received_ns
        if chunk.end_ms >= end_ms:
            break
    return last


def _chunk_spans(chunks: Iterable[Chunk], recorded: Iterable[Span]) -> list[Span]:
    """Each with what was cleaned while it was heard, which is recorded where that is done."""
    cleaned = deque(span for span in recorded if span.name == "clean")
    spans = []
    for chunk in chunks:
        within = []
        while cleaned and cleaned[0].end_ns <= chunk.ended_ns:
            span = cleaned.popleft()
            if span.start_ns >= chunk.began_ns:
                within.append(span)
        spans.append(
            Span(
                "chunk",
                chunk.first_ns,
                chunk.ended_ns,
                {
                    "gapless.start_ms": chunk.start_ms,
                    "gapless.audio_ms": chunk.end_ms - chunk.start_ms,
                },
                (
                    Span("queue", chunk.first_ns, chunk.began_ns),
                    Span("hear", chunk.began_ns, chunk.ended_ns, children=tuple(within)),
                ),
            )
        )
    return spans


def _recognition(own: list[Span]) -> list[Span]:
    """All that was recorded of it, within the whole of it."""
    parts = sorted((span for span in own if span.name in PARTS), key=_beginning)
    return [
        msgspec.structs.replace(
            span,
            children=tuple(
                part
                for part in parts
                if part.start_ns >= span.start_ns and part.end_ns <= span.end_ns
            ),
        )
        for span in own
        if span.name == "recognise"
    ]


def _beginning(span: Span) -> int:
    return span.start_ns
