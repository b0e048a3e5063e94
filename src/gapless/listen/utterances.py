"""The back half of a listener: utterances, one after the other, to the recogniser and into events.

In: tasks, in the order of the stream: begin, audio, end, drop, flush. Out: events. Invariants: tasks are done in order;
one utterance at a time has a place at the recogniser; what waits is kept, and ``behind`` says where it begins; every
utterance that was begun ends in exactly one of ``Final``, ``Empty`` and ``Failed``.
Thread: one at a time. Nothing blocks, unless the recogniser's own ``accept`` and ``finish`` do: when ``busy``, call
``work`` again after ``wake`` was called.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import TypeAlias

import msgspec

from gapless.audio.types import LISTEN_RATE_HZ, Samples, samples_to_ms
from gapless.errors import GaplessError
from gapless.listen.endpoint import Endpointer, EndpointOptions
from gapless.listen.events import Empty, Failed, Final, Flushed, ListenEvent, Partial
from gapless.listen.recogniser.contract import (
    Hypothesis,
    RecogniseOptions,
    Recogniser,
    Recognition,
    Result,
    Wake,
)
from gapless.listen.times import Times
from gapless.transcript import Utterance, Word

# Tasks; positions are in samples of the stream at 16 kHz.


class Begin(msgspec.Struct, frozen=True):
    """An utterance begins at ``start``."""

    start: int
    utt: str
    options: RecogniseOptions


class Audio(msgspec.Struct, frozen=True):
    """The next samples of an utterance."""

    start: int
    utt: str
    samples: Samples


class End(msgspec.Struct, frozen=True):
    """An utterance ends at ``start``."""

    start: int
    utt: str


class Drop(msgspec.Struct, frozen=True):
    """Nobody wants to know what the utterance said."""

    start: int
    utt: str


class Flush(msgspec.Struct, frozen=True):
    """All before is to be answered."""

    start: int
    flush_id: str


Task: TypeAlias = Begin | Audio | End | Drop | Flush


class Utterances:
    """Works tasks off.

    Args:
        recogniser: gives a place to each utterance.
        wake: called from any thread when ``work`` may go on.
        endpoint: when nothing but silence is understood.
    """

    def __init__(self, recogniser: Recogniser, wake: Wake, endpoint: EndpointOptions) -> None:
        self._recogniser = recogniser
        self._wake = wake
        self._tasks: deque[Task] = deque()
        self._opening: Future[Recognition] | None = None
        self._recognition: Recognition | None = None
        self._finishing = False
        """The recognition has had all of its samples; its result is awaited."""
        self._utt = ""
        """The utterance being recognised."""
        self._start = 0
        """Where it begins."""
        self._endpoint = endpoint
        self._endpointer = Endpointer(endpoint)
        """Of the utterance being recognised."""
        self.over: str | None = None
        """The utterance in which nothing is being said any more."""
        self._told = ("", 0)
        """Text and stable characters of the last partial result."""
        self._heard = 0
        """Position up to which the recognition has its samples."""
        self._times: Times | None = None
        """Of the utterance being recognised, where somebody records them."""

    @property
    def busy(self) -> bool:
        """Whether something is under way that will call ``wake``."""
        return bool(self._tasks) or (
            self._recognition is not None and self._recognition.pending_samples > 0
        )

    @property
    def behind(self) -> int | None:
        """Position from which audio waits for the recogniser; None: all that was given has been answered."""
        pending = 0 if self._recognition is None else self._recognition.pending_samples
        if pending:
            return self._heard - pending
        return self._tasks[0].start if self._tasks else None

    def put(self, task: Task) -> None:
        """Something to do, behind all else."""
        self._tasks.append(task)

    def work(self, events: list[ListenEvent], live: str | None) -> None:
        """Do what can be done now.

        Args:
            events: what happens is put at their end.
            live: the utterance that goes on; partial results of others are of no use any more.
        """
        while self._tasks:
            task = self._tasks[0]
            try:
                if not self._do(task, events):
                    break
                self._tasks.popleft()
            except GaplessError as error:
                self._give_up(task, error, events)
        self._follow(events, live)

    def close(self) -> None:
        """Give back everything held; what was not final is lost. Idempotent."""
        self._tasks.clear()
        opening, self._opening = self._opening, None
        # A future that cannot be cancelled was given its place in the meantime: give that back instead.
        if opening is not None and not opening.cancel() and opening.exception() is None:
            opening.result().cancel()
        self._cancel()

    def _do(self, task: Task, events: list[ListenEvent]) -> bool:
        """Whether the task is done; otherwise something is awaited."""
        match task:
            case Begin():
                return self._begin(task)
            case Audio(start, _, samples):
                self._heard = start + len(samples)
                if self._recognition is not None:
                    self._recognition.accept(samples)
            case End():
                return self._end(task, events)
            case Drop(_, utt):
                if self._recognition is not None:
                    self._cancel()
                    events.append(Empty(utt))
            case Flush(_, flush_id):
                events.append(Flushed(flush_id))
        return True

    def _begin(self, task: Begin) -> bool:
        if self._opening is None:
            self._opening = self._recogniser.open(self._timed(task), self._wake)
            if not self._opening.done():
                self._opening.add_done_callback(lambda _: self._wake())
        if not self._opening.done():
            return False
        opening, self._opening = self._opening, None
        self._recognition = opening.result()
        if self._times is not None:
            self._times.placed()
        self._utt = task.utt
        self._told = ("", 0)
        self._endpointer = Endpointer(self._endpoint)
        self._start = self._heard = task.start
        return True

    def _end(self, task: End, events: list[ListenEvent]) -> bool:
        if self._recognition is None:  # it failed on the way, and that was said
            return True
        if not self._finishing:
            self._finishing = True
            if self._times is not None:
                self._times.finishing()
            self._recognition.finish()
        while (news := self._recognition.poll()) is not None:
            if isinstance(news, Result):
                self._recognition = None
                self._finishing = False
                self._over()
                if news.text:
                    said = _utterance(task.utt, self._start, task.start, news)
                    events.append(Final(said, news.alternatives))
                else:
                    events.append(Empty(task.utt))
                return True
        return False

    def _follow(self, events: list[ListenEvent], live: str | None) -> None:
        """What the recogniser has understood of the utterance that goes on."""
        if self._recognition is None or self._finishing:
            return
        try:
            news = self._recognition.poll()
        except GaplessError as error:
            self._recognition = None
            self._over(error)
            events.append(Failed(self._utt, error))
            return
        if live != self._utt:
            return
        heard_ms = samples_to_ms(
            self._heard - self._recognition.pending_samples - self._start, LISTEN_RATE_HZ
        )
        if isinstance(news, Hypothesis):
            self._endpointer.understand(news, heard_ms)
            self._tell(news, heard_ms, events)
        if self._recogniser.info.kind == "streaming" and self._endpointer.ended(heard_ms):
            self.over = self._utt

    def _tell(self, news: Hypothesis, heard_ms: int, events: list[ListenEvent]) -> None:
        """Report a hypothesis that says something else than the last one."""
        told, self._told = self._told, (news.text, news.stable_chars)
        if told == self._told:
            return
        start_ms = samples_to_ms(self._start, LISTEN_RATE_HZ)
        events.append(
            Partial(
                self._utt,
                news.text,
                news.stable_chars,
                start_ms,
                start_ms + heard_ms,
            )
        )

    def _give_up(self, task: Task, error: GaplessError, events: list[ListenEvent]) -> None:
        """The utterance of ``task`` is lost: say so, and let its remaining tasks pass."""
        self._tasks.popleft()
        self._opening = None
        self._over(error)
        self._cancel()
        if not isinstance(task, Flush):
            events.append(Failed(task.utt, error))

    def _timed(self, task: Begin) -> RecogniseOptions:
        """How the utterance is to be recognised, with its times recorded as its own if anybody records them."""
        if task.options.record is None:
            return task.options
        self._times = Times(task.options.record, task.utt)
        return msgspec.structs.replace(task.options, record=self._times.record)

    def _over(self, error: GaplessError | None = None) -> None:
        """The recogniser has done with the utterance."""
        times, self._times = self._times, None
        if times is not None:
            times.over(error)

    def _cancel(self) -> None:
        self._times = None
        recognition, self._recognition = self._recognition, None
        self._finishing = False
        if recognition is not None:
            recognition.cancel()


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
