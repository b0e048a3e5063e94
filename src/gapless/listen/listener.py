"""The listening story, wired: samples in, events out, for one stream.

    resample -> denoise -> resample -> vad -> segment -> recognise

In: mono samples at ``ListenOptions.rate_hz``, in any split. Out: events, in order.
Invariants: the finals do not depend on the split; speech is announced as soon as it is heard, even while its recogniser
is still busy with others; what waits for a recogniser is kept, and ``processed_ms`` says how far behind it is.
Thread: one at a time. With ``wake`` nothing is waited for: while ``busy``, call ``step`` whenever it was called, from
whichever thread. Without, the voice detector is waited for, a matter of a millisecond; for the rest there is
``settle``.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from gapless.audio.types import LISTEN_RATE_HZ, Samples, samples_to_ms
from gapless.errors import ProtocolError
from gapless.infer.inference import Inference
from gapless.listen.endpoint import EndpointOptions
from gapless.listen.events import ListenEvent, SpeechEnd, SpeechStart, Spoken
from gapless.listen.front import Front
from gapless.listen.history import History
from gapless.listen.recogniser.contract import RecogniseOptions, Recogniser, Wake
from gapless.listen.segment import (
    WINDOW_SAMPLES,
    Extend,
    Open,
    SegmentAction,
    Segmenter,
    SegmentOptions,
    Shut,
)
from gapless.listen.turns import ManualTurns
from gapless.listen.utterances import Audio, Begin, Drop, End, Flush, Utterances
from gapless.listen.vad import Vad
from gapless.listen.voice import VoiceFeatures
from gapless.observe.traces import Span

NEVER: Final = EndpointOptions(silence_ms=0, after_words_ms=0, most_ms=0)
"""The voice detector alone decides."""


class ListenOptions(msgspec.Struct, frozen=True):
    """How one stream is to be heard."""

    rate_hz: int = LISTEN_RATE_HZ
    denoise: float = 0.0
    """Amount of noise removed, 0..1; 0 leaves the stage out."""
    turns: Literal["auto", "manual"] = "auto"
    """Who says where an utterance ends: the voice detector, or whoever calls ``flush``."""
    segment: SegmentOptions = SegmentOptions()
    endpoint: EndpointOptions = NEVER
    """When a streaming recogniser that hears no words ends an utterance, although the voice detector hears a voice."""
    voice: bool = False
    """Whether the voice is described while somebody speaks."""
    recognise: RecogniseOptions = RecogniseOptions()


class Listener:
    """Listens to one stream.

    The front half (resample to segment) turns samples into tasks; the back half (``Utterances``) works the tasks off in
    order and may have to wait for a place at the recogniser.

    Args:
        options: how to hear it.
        recogniser: what understands it.
        inference: what runs the voice detector.
        wake: called from any thread when ``step`` has something to do.

    Raises:
        ProtocolError: the recogniser does not know the language that ``options`` ask for.
    """

    def __init__(
        self,
        options: ListenOptions,
        recogniser: Recogniser,
        inference: Inference,
        wake: Wake | None = None,
    ) -> None:
        recogniser.info.require_language(options.recognise.language)
        self._options = options
        self._recogniser = recogniser
        self._inference = inference
        self._woken = threading.Event()
        """Set when there is something new, where nobody else is told."""
        self._wake = wake
        self._received = 0
        """Samples taken in, at the stream's own rate."""
        self._history = History()
        self._front = self._open_front(options)
        self._marks: deque[_Mark] = deque()
        """What the front half was told and has not come to yet, in order."""
        self._judging = options
        """The options where the front half has come to; those of ``_options`` may be on their way."""
        self._segmenter = _open_segmenter(options, start=0)
        self._heard: _Heard | None = None
        """The utterance that is open in the front half."""
        self._named = 0
        """Utterances so far."""
        self._utterances = Utterances(recogniser, wake or self._woken.set, options.endpoint)

    @property
    def model(self) -> str:
        """Name of the recogniser."""
        return self._recogniser.info.name

    @property
    def options(self) -> ListenOptions:
        """How the stream is being heard now."""
        return self._options

    @property
    def blocks(self) -> bool:
        """Whether anything computes in the calling thread for so long that it has no place on an event loop."""
        return self._front.blocks or self._recogniser.info.blocks

    @property
    def received_ms(self) -> int:
        """Audio taken in so far."""
        return samples_to_ms(self._received, self._options.rate_hz)

    @property
    def processed_ms(self) -> int:
        """Audio that waits for nothing any more; never more than ``received_ms``."""
        behind = self._utterances.behind
        if pending := self._pending_windows:
            position = self._history.end - pending * WINDOW_SAMPLES
            behind = position if behind is None else min(behind, position)
        if behind is None:
            return self.received_ms
        return min(samples_to_ms(max(behind, 0), LISTEN_RATE_HZ), self.received_ms)

    @property
    def busy(self) -> bool:
        """Whether something is under way that ``step`` will have to follow."""
        return self._pending_windows > 0 or self._utterances.busy

    @property
    def _pending_windows(self) -> int:
        if not self._marks:
            return self._front.pending
        fronts = {id(mark.front): mark.front for mark in self._marks}
        fronts[id(self._front)] = self._front
        return sum(front.pending for front in fronts.values())

    def accept(self, samples: Samples) -> list[ListenEvent]:
        """Hear the next samples."""
        self._received += len(samples)
        record = self._options.recognise.record
        if record is None:
            self._history.append(self._front.process(samples))
        else:
            began_ns = time.monotonic_ns()
            self._history.append(self._front.process(samples))
            amount = {"gapless.denoise": self._options.denoise}
            record(Span("clean", began_ns, time.monotonic_ns(), amount))
        return self.step()

    def flush(self, flush_id: str | None = None) -> list[ListenEvent]:
        """Make everything heard so far final; the stream may go on. ``Flushed(flush_id)`` follows in its place."""
        self._mark(flush_id=flush_id)
        return self.step()

    def clear(self) -> list[ListenEvent]:
        """Forget the utterance that goes on, if one does; those that are over will still be final."""
        self._mark(drop=True)
        return self.step()

    def configure(self, options: ListenOptions) -> list[ListenEvent]:
        """Go on with other options (same ``rate_hz``): what was heard so far is made final with the old ones.

        Raises:
            ProtocolError: another rate, or a language that the recogniser does not know; nothing has changed then.
        """
        if options.rate_hz != self._options.rate_hz:
            raise ProtocolError(
                "the sample rate of a stream cannot change; open another stream",
                param="sample_rate",
            )
        self._recogniser.info.require_language(options.recognise.language)
        # Made first: if it cannot be had (no RNNoise), the stream goes on as it was.
        front = self._open_front(options)
        self._mark(options=options)
        self._front = front
        self._options = options
        return self.step()

    def step(self) -> list[ListenEvent]:
        """Go on with whatever has come of what was under way."""
        events: list[ListenEvent] = []
        self._judge(events)
        self._history.drop_before(self._segmenter.keep_from)
        live = None if self._heard is None else self._heard.utt
        self._utterances.work(events, live)
        if live is not None and self._utterances.over == live:
            self._follow(self._segmenter.cut(), events)
            self._utterances.work(events, None)
        return events

    def wait(self) -> None:
        """Block until there is something to ``step`` for; for listeners without a ``wake`` of their own."""
        self._woken.wait()
        self._woken.clear()

    def close(self) -> None:
        """Give back everything held; what was not final is lost. Idempotent."""
        self._front.close()
        for mark in self._marks:
            mark.front.close()
        self._marks.clear()
        self._utterances.close()

    # --- front half: samples to tasks -------------------------------------------------------------

    def _open_front(self, options: ListenOptions) -> Front:
        vad = None
        if options.turns == "auto":
            vad = Vad(
                self._inference,
                self._wake,
                bulk=options.recognise.bulk,
                alone=options.recognise.alone,
                record=options.recognise.record,
            )
        return Front(options.rate_hz, options.denoise, vad)

    def _mark(
        self,
        *,
        flush_id: str | None = None,
        drop: bool = False,
        options: ListenOptions | None = None,
    ) -> None:
        """What was heard up to here is judged as if nothing came after it; then the rest takes effect."""
        end = self._received * LISTEN_RATE_HZ // self._options.rate_hz
        self._history.append(self._front.flush(end - self._history.end))
        self._marks.append(
            _Mark(
                self._history.end,
                self._front,
                self._front.submitted,
                flush_id,
                drop=drop,
                options=options,
            )
        )

    def _judge(self, events: list[ListenEvent]) -> None:
        """Follow the segmenter as far as the voice detector has come."""
        while self._marks:
            mark = self._marks[0]
            self._judge_windows(mark.front, mark.windows, mark.position, events)
            if mark.front.judged < mark.windows:
                return
            self._marks.popleft()
            self._pass(mark, events)
        self._judge_windows(self._front, self._front.submitted, self._history.end, events)

    def _judge_windows(
        self, front: Front, windows: int, position: int, events: list[ListenEvent]
    ) -> None:
        """Judge what is there of the windows up to the given number, which lies at ``position``."""
        if isinstance(self._segmenter, ManualTurns):
            self._follow(self._segmenter.hear(position), events)
        elif windows > front.judged:
            probabilities = front.judge(windows - front.judged)
            self._follow(self._segmenter.process(probabilities), events)

    def _pass(self, mark: _Mark, events: list[ListenEvent]) -> None:
        """Everything before ``mark`` was judged."""
        if mark.drop:
            utterance, self._heard = self._heard, None
            self._segmenter = _open_segmenter(self._judging, mark.position)
            if utterance is not None:
                self._utterances.put(Drop(mark.position, utterance.utt))
                events.append(
                    SpeechEnd(utterance.utt, samples_to_ms(mark.position, LISTEN_RATE_HZ))
                )
        else:
            self._follow(self._segmenter.flush(mark.position), events)
        if mark.flush_id is not None:
            self._utterances.put(Flush(mark.position, mark.flush_id))
        if mark.options is not None:
            mark.front.close()
            self._judging = mark.options
            self._segmenter = _open_segmenter(mark.options, mark.position)

    def _follow(self, actions: list[SegmentAction], events: list[ListenEvent]) -> None:
        """Turn what the segmenter decided into tasks for the recogniser."""
        for action in actions:
            match action:
                case Open(start):
                    self._named += 1
                    utt = f"u{self._named}"
                    voice = VoiceFeatures(start) if self._judging.voice else None
                    self._heard = _Heard(utt, start, voice)
                    self._utterances.put(Begin(start, utt, self._judging.recognise))
                    events.append(SpeechStart(utt, samples_to_ms(start, LISTEN_RATE_HZ)))
                case Extend(end):
                    self._extend(end, events)
                case Shut(end):
                    utterance = self._extend(end, events)
                    self._heard = None
                    self._utterances.put(End(end, utterance.utt))
                    events.append(SpeechEnd(utterance.utt, samples_to_ms(end, LISTEN_RATE_HZ)))

    def _extend(self, end: int, events: list[ListenEvent]) -> _Heard:
        utterance = self._heard
        if utterance is None:
            raise AssertionError("the segmenter opens a span before it extends or shuts it")
        end = min(
            end, self._history.end
        )  # the last window of a stream is judged with zeros behind the samples
        if end > utterance.end:
            samples = self._history.slice(utterance.end, end)
            self._utterances.put(Audio(utterance.end, utterance.utt, samples))
            utterance.end = end
            if utterance.voice is not None:
                events += [
                    Spoken(utterance.utt, voice) for voice in utterance.voice.process(samples)
                ]
        return utterance


def settle(listener: Listener, events: list[ListenEvent]) -> Iterator[ListenEvent]:
    """``events`` and all that follow from what was already heard; blocks while recognisers work.

    For callers with a thread to spare: ``yield from settle(listener, listener.accept(samples))``.
    """
    yield from events
    while listener.busy:
        listener.wait()
        yield from listener.step()


class _Heard:
    """The utterance being heard, and the position up to which its samples are on their way to the recogniser."""

    def __init__(self, utt: str, start: int, voice: VoiceFeatures | None) -> None:
        self.utt = utt
        self.end = start
        self.voice = voice
        """Describes the voice, if anybody wants that."""


class _Mark(msgspec.Struct, frozen=True):
    """Something that takes effect at a position, behind the windows that were submitted before it."""

    position: int
    front: Front
    """Has those windows."""
    windows: int
    """How many they are, from the beginning of ``front``."""
    flush_id: str | None = None
    drop: bool = False
    options: ListenOptions | None = None
    """How to go on, with another front."""


def _open_segmenter(options: ListenOptions, start: int) -> Segmenter | ManualTurns:
    if options.turns == "manual":
        return ManualTurns(options.segment.max_utterance_ms, start)
    return Segmenter(options.segment, start)
