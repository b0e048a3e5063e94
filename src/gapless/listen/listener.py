"""The listening story, wired: samples in, events out, for one stream.

    resample -> denoise -> resample -> vad -> segment -> recognise

In: mono samples at ``ListenOptions.rate_hz``, in any split. Out: events, in order.
Invariants: the finals do not depend on the split; speech is announced as soon as it is heard, even while its recogniser
is still busy with others; what waits for a recogniser is kept, and ``processed_ms`` says how far behind it is.
Thread: one at a time. The front waits for its turn at the inference engine, a matter of a millisecond; for a recogniser
nothing waits: while ``waiting`` is a future, call ``step`` again once that is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, wait
from typing import TypeAlias

import msgspec

from gapless.audio.types import LISTEN_RATE_HZ, Samples, samples_to_ms
from gapless.errors import GaplessError, ProtocolError
from gapless.infer.inference import Inference
from gapless.listen.events import (
    Failed,
    Final,
    Flushed,
    ListenEvent,
    Partial,
    SpeechEnd,
    SpeechStart,
)
from gapless.listen.front import Front
from gapless.listen.history import History
from gapless.listen.recogniser.contract import RecogniseOptions, Recogniser, Recognition, Result
from gapless.listen.segment import Extend, Open, SegmentAction, Segmenter, SegmentOptions, Shut
from gapless.transcript import Utterance, Word


class ListenOptions(msgspec.Struct, frozen=True):
    """How one stream is to be heard."""

    rate_hz: int = LISTEN_RATE_HZ
    denoise: float = 0.0
    """Amount of noise removed, 0..1; 0 leaves the stage out."""
    segment: SegmentOptions = SegmentOptions()
    recognise: RecogniseOptions = RecogniseOptions()


class Listener:
    """Listens to one stream.

    The front half (resample to segment) runs at once and turns samples into tasks; the back half (recognise) works
    the tasks off in order and may have to wait for a place at the recogniser.

    Raises:
        ProtocolError: the recogniser does not know the language that ``options`` ask for.
    """

    def __init__(
        self, options: ListenOptions, recogniser: Recogniser, inference: Inference
    ) -> None:
        recogniser.info.require_language(options.recognise.language)
        self._options = options
        self._recogniser = recogniser
        self._inference = inference
        self._received = 0
        """Samples taken in, at the stream's own rate."""
        self._front = Front(options.rate_hz, options.denoise, inference)
        self._segmenter = Segmenter(options.segment)
        self._history = History()
        self._heard: _Heard | None = None
        """The utterance that is open in the front half."""
        self._utterances = 0
        self._tasks: deque[_Task] = deque()
        """What the back half has still to do."""
        self._opening: Future[Recognition] | None = None
        self._recognition: Recognition | None = None
        self._utterance_start = 0
        """Where the utterance being recognised begins."""

    @property
    def model(self) -> str:
        """Name of the recogniser."""
        return self._recogniser.info.name

    @property
    def options(self) -> ListenOptions:
        """How the stream is being heard now."""
        return self._options

    @property
    def received_ms(self) -> int:
        """Audio taken in so far."""
        return samples_to_ms(self._received, self._options.rate_hz)

    @property
    def processed_ms(self) -> int:
        """Audio that waits for nothing any more; never more than ``received_ms``."""
        if not self._tasks:
            return self.received_ms
        return min(samples_to_ms(self._tasks[0].start, LISTEN_RATE_HZ), self.received_ms)

    @property
    def waiting(self) -> Future[Recognition] | None:
        """Not None: a place at the recogniser is awaited; call ``step`` when the future is done."""
        return self._opening

    def accept(self, samples: Samples) -> list[ListenEvent]:
        """Hear the next samples."""
        self._received += len(samples)
        events: list[ListenEvent] = []
        heard, probabilities = self._front.process(samples)
        self._history.append(heard)
        self._follow(self._segmenter.process(probabilities), events)
        self._history.drop_before(self._segmenter.keep_from)
        self._work(events)
        return events

    def flush(self, flush_id: str | None = None) -> list[ListenEvent]:
        """Make everything heard so far final; the stream may go on. ``Flushed(flush_id)`` follows in its place."""
        events: list[ListenEvent] = []
        self._flush_front(events)
        if flush_id is not None:
            self._tasks.append(_Flush(self._history.end, flush_id))
        self._work(events)
        return events

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
        front = Front(options.rate_hz, options.denoise, self._inference)
        events: list[ListenEvent] = []
        self._flush_front(events)
        self._options = options
        self._front.close()
        self._front = front
        self._segmenter = Segmenter(options.segment, start=self._history.end)
        self._work(events)
        return events

    def step(self) -> list[ListenEvent]:
        """Go on after ``waiting`` was done."""
        events: list[ListenEvent] = []
        self._work(events)
        return events

    def close(self) -> None:
        """Give back everything held; what was not final is lost. Idempotent."""
        self._front.close()
        self._tasks.clear()
        opening, self._opening = self._opening, None
        # A future that cannot be cancelled was given its place in the meantime: give that back instead.
        if opening is not None and not opening.cancel() and opening.exception() is None:
            opening.result().cancel()
        recognition, self._recognition = self._recognition, None
        if recognition is not None:
            recognition.cancel()

    # --- front half: samples to tasks -------------------------------------------------------------

    def _flush_front(self, events: list[ListenEvent]) -> None:
        end = self._received * LISTEN_RATE_HZ // self._options.rate_hz
        heard, probabilities = self._front.flush(end - self._history.end)
        self._history.append(heard)
        self._follow(self._segmenter.process(probabilities), events)
        self._follow(self._segmenter.flush(end), events)

    def _follow(self, actions: list[SegmentAction], events: list[ListenEvent]) -> None:
        """Turn what the segmenter decided into tasks for the recogniser."""
        for action in actions:
            match action:
                case Open(start):
                    self._utterances += 1
                    utt = f"u{self._utterances}"
                    self._heard = _Heard(utt, start)
                    self._tasks.append(_Begin(start, utt, self._options.recognise))
                    events.append(SpeechStart(utt, samples_to_ms(start, LISTEN_RATE_HZ)))
                case Extend(end):
                    self._extend(end)
                case Shut(end):
                    utterance = self._extend(end)
                    self._heard = None
                    self._tasks.append(_End(end, utterance.utt))
                    events.append(SpeechEnd(utterance.utt, samples_to_ms(end, LISTEN_RATE_HZ)))

    def _extend(self, end: int) -> _Heard:
        utterance = self._heard
        if utterance is None:
            raise AssertionError("the segmenter opens a span before it extends or shuts it")
        end = min(
            end, self._history.end
        )  # the last window of a stream is judged with zeros behind the samples
        if end > utterance.end:
            samples = self._history.slice(utterance.end, end)
            self._tasks.append(_Audio(utterance.end, utterance.utt, samples))
            utterance.end = end
        return utterance

    # --- back half: tasks to words ----------------------------------------------------------------

    def _work(self, events: list[ListenEvent]) -> None:
        """Do tasks until none is left or a place at the recogniser is awaited."""
        while self._tasks:
            task = self._tasks[0]
            try:
                if isinstance(task, _Begin) and not self._begin(task):
                    return
                self._tasks.popleft()
                if isinstance(task, _Audio):
                    self._hear(task, events)
                elif isinstance(task, _End):
                    self._finish(task, events)
                elif isinstance(task, _Flush):
                    events.append(Flushed(task.flush_id))
            except GaplessError as error:
                self._give_up(task, error, events)

    def _begin(self, task: _Begin) -> bool:
        """Whether the utterance has its place."""
        if self._opening is None:
            self._opening = self._recogniser.open(task.options)
        if not self._opening.done():
            return False
        opening, self._opening = self._opening, None
        self._recognition = opening.result()
        self._utterance_start = task.start
        return True

    def _hear(self, task: _Audio, events: list[ListenEvent]) -> None:
        if self._recognition is None:
            return
        hypothesis = self._recognition.accept(task.samples)
        # A partial is of use only while its utterance goes on.
        if hypothesis is None or self._heard is None or self._heard.utt != task.utt:
            return
        if self._options.recognise.partials:
            events.append(
                Partial(
                    task.utt,
                    hypothesis.text,
                    hypothesis.stable_chars,
                    samples_to_ms(self._utterance_start, LISTEN_RATE_HZ),
                    samples_to_ms(task.start + len(task.samples), LISTEN_RATE_HZ),
                )
            )

    def _finish(self, task: _End, events: list[ListenEvent]) -> None:
        recognition, self._recognition = self._recognition, None
        if recognition is None:
            return
        result = recognition.finish()
        if result.text:
            events.append(Final(_utterance(task.utt, self._utterance_start, task.start, result)))

    def _give_up(self, task: _Task, error: GaplessError, events: list[ListenEvent]) -> None:
        """The utterance of ``task`` is lost: say so, and let its remaining tasks pass."""
        if self._tasks and self._tasks[0] is task:
            self._tasks.popleft()
        self._opening = None
        recognition, self._recognition = self._recognition, None
        if recognition is not None:
            recognition.cancel()
        if not isinstance(task, _Flush):
            events.append(Failed(task.utt, error))


def settle(listener: Listener, events: list[ListenEvent]) -> Iterator[ListenEvent]:
    """``events`` and all that follow from what was already heard; blocks while places are awaited.

    For callers with a thread to spare: ``yield from settle(listener, listener.accept(samples))``.
    """
    yield from events
    while (place := listener.waiting) is not None:
        wait([place])
        yield from listener.step()


def _utterance(utt: str, start: int, end: int, result: Result) -> Utterance:
    start_ms = samples_to_ms(start, LISTEN_RATE_HZ)
    end_ms = samples_to_ms(end, LISTEN_RATE_HZ)
    return Utterance(
        utt=utt,
        text=result.text,
        start_ms=start_ms,
        end_ms=end_ms,
        language=result.language,
        confidence=result.confidence,
        words=tuple(
            Word(
                word.text,
                min(start_ms + word.start_ms, end_ms),
                min(start_ms + word.end_ms, end_ms),
                word.confidence,
            )
            for word in result.words
        ),
        avg_logprob=result.avg_logprob,
        no_speech_prob=result.no_speech_prob,
        compression_ratio=result.compression_ratio,
        tokens=result.tokens,
        temperature=result.temperature,
    )


class _Heard:
    """The utterance being heard, and the position up to which its samples are on their way to the recogniser."""

    def __init__(self, utt: str, start: int) -> None:
        self.utt = utt
        self.end = start


# Tasks of the back half; ``start`` is the position in the stream, at 16 kHz, that each is about.


class _Begin(msgspec.Struct, frozen=True):
    start: int
    utt: str
    options: RecogniseOptions


class _Audio(msgspec.Struct, frozen=True):
    start: int
    utt: str
    samples: Samples


class _End(msgspec.Struct, frozen=True):
    start: int
    utt: str


class _Flush(msgspec.Struct, frozen=True):
    start: int
    flush_id: str


_Task: TypeAlias = _Begin | _Audio | _End | _Flush
