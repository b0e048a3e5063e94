"""The half of a stream that computes and keeps: bytes to samples to events, and finals into the store.

In: jobs. Out: their results. Invariants: a final is reported only when the store has it, or after a ``NotKept`` that
says it has not; what the store refused is tried again, in order, with every later final and at the end.
Thread: one at a time, in ``services.executor``; every method but ``waiting`` blocks.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future
from typing import Final, assert_never

import msgspec
import numpy as np

from gapless.audio.codec import Decoder, open_decoder
from gapless.audio.format import AudioFormat
from gapless.audio.types import Samples
from gapless.clean.amount import amount_of
from gapless.errors import AudioError, GaplessError, OverloadError, StoreError
from gapless.listen.events import Final as FinalEvent
from gapless.listen.events import ListenEvent
from gapless.listen.listener import Listener, ListenOptions
from gapless.listen.recogniser.contract import Recognition
from gapless.serve.services import Services
from gapless.serve.stream.messages import HearingOptions, StreamOptions, with_options
from gapless.serve.stream.work import (
    ConfigureJob,
    EndJob,
    Finished,
    FinishJob,
    FlushJob,
    Heard,
    HearJob,
    Job,
    NotKept,
    Opened,
    OpenJob,
    Result,
)
from gapless.store.contract import SessionRecord, Store
from gapless.transcript import Utterance

MAX_UNKEPT: Final = 1000
"""Utterances that wait for a store that fails; older ones are given up."""


class Hearing:
    """Hears one stream.

    Args:
        services: the engine.
        session: the stream's name, under which its transcript is kept.
    """

    def __init__(self, services: Services, session: str) -> None:
        self._services = services
        self._session = session
        self._options = StreamOptions()
        self._format = AudioFormat()
        self._decoder: Decoder | None = None
        self._listener: Listener | None = None
        self._keeper: Keeper | None = None

    @property
    def waiting(self) -> Future[Recognition] | None:
        """Not None: call ``step`` when it is done. May be read by any thread while no job runs."""
        return self._listener.waiting if self._listener is not None else None

    def do(self, job: Job) -> Result:
        """Do a job.

        Raises:
            GaplessError: the stream cannot be opened.
        """
        match job:
            case OpenJob(options):
                return self._open(options)
            case HearJob(frames):
                return self._hear(frames)
            case FlushJob(flush_id):
                return self._report(self._heard_by.flush(flush_id))
            case ConfigureJob(change):
                return self._configure(change)
            case EndJob():
                return self._end()
            case FinishJob():
                return self._finish()
            case _:
                assert_never(job)

    def step(self) -> Heard:
        """Go on after ``waiting`` was done."""
        return self._report(self._heard_by.step())

    def close(self) -> None:
        """Let go of everything; what was not final is lost. Idempotent."""
        if self._listener is not None:
            self._listener.close()
        if self._decoder is not None:
            self._decoder.close()

    @property
    def _heard_by(self) -> Listener:
        if self._listener is None:
            raise AssertionError("a session opens its stream before anything else")
        return self._listener

    def _open(self, options: StreamOptions) -> Opened:
        self.close()
        self._options = options
        self._format = options.audio
        listen_options = listen_options_of(self._services.listen_options, options)
        self._listener = self._services.open_listener(options.model, listen_options)
        self._decoder = open_decoder(self._format)
        store = self._services.store
        if store is None or options.save is False:
            self._keeper = None
        else:
            record = SessionRecord(
                id=self._session,
                source="stream",
                model=self._listener.model,
                started_at_ms=time.time_ns() // 1_000_000,
                language=listen_options.recognise.language,
            )
            self._keeper = Keeper(store, record)
        return Opened(self._listener.model, keeps=self._keeper is not None)

    def _hear(self, frames: tuple[bytes, ...]) -> Heard:
        decoder = self._decoder
        if decoder is None:
            raise AssertionError("a session opens its stream before it is heard")
        decoded: list[Samples] = []
        failure: AudioError | None = None
        try:
            # What was decoded before a bad frame stays in the list, and is heard.
            decoded.extend(map(decoder.process, frames))
        except AudioError as error:
            failure = error
        samples = np.concatenate(decoded) if decoded else np.empty(0, np.float32)
        return self._report(self._heard_by.accept(samples), failure)

    def _configure(self, change: HearingOptions) -> Heard:
        options = with_options(self._options, change)
        try:
            events = self._heard_by.configure(
                listen_options_of(self._services.listen_options, options)
            )
        except GaplessError as error:
            return self._report([], error)
        self._options = options
        return self._report(events)

    def _end(self) -> Heard:
        failure: AudioError | None = None
        events: list[ListenEvent] = []
        # PCM holds back nothing but a part of a sample, which the session has counted.
        if self._decoder is not None and self._format.frame_bytes is None:
            try:
                events = self._heard_by.accept(self._decoder.flush())
            except AudioError as error:
                failure = error
        return self._report(events + self._heard_by.flush(), failure)

    def _finish(self) -> Finished:
        audio_ms = self._heard_by.received_ms
        transcript_id = self._keeper.finish(audio_ms) if self._keeper is not None else None
        return Finished(audio_ms, transcript_id)

    def _report(self, events: list[ListenEvent], error: GaplessError | None = None) -> Heard:
        listener = self._heard_by
        told: list[ListenEvent | NotKept] = []
        for event in events:
            if isinstance(event, FinalEvent) and self._keeper is not None:
                failure = self._keeper.keep(event.utterance)
                if failure is not None:
                    told.append(NotKept(event.utterance.utt, failure))
            told.append(event)
        return Heard(
            tuple(told),
            received_ms=listener.received_ms,
            processed_ms=listener.processed_ms,
            waiting=listener.waiting is not None,
            error=error,
        )


class Keeper:
    """Keeps one stream's transcript, which begins with its first words: silence leaves nothing behind."""

    def __init__(self, store: Store, record: SessionRecord) -> None:
        self._store = store
        self._record = record
        self._begun = False
        self._unkept: deque[Utterance] = deque(maxlen=MAX_UNKEPT)
        """Not yet in the store, in order."""

    def keep(self, utterance: Utterance) -> GaplessError | None:
        """Keep an utterance, and those before it that could not be kept; return what went wrong."""
        self._unkept.append(utterance)
        try:
            self._keep_all()
        except (StoreError, OverloadError) as error:
            return error
        return None

    def finish(self, audio_ms: int) -> str | None:
        """The stream is over: return where its transcript is, if anywhere."""
        try:
            self._keep_all()
            if self._begun:
                self._store.end_session(
                    self._record.id, ended_at_ms=time.time_ns() // 1_000_000, audio_ms=audio_ms
                )
        except (StoreError, OverloadError):
            # Every utterance that is missing was reported when it was said.
            pass
        return self._record.id if self._begun else None

    def _keep_all(self) -> None:
        while self._unkept:
            if not self._begun:
                self._store.begin_session(self._record)
                self._begun = True
            self._store.add_utterance(self._record.id, self._unkept[0])
            self._unkept.popleft()


def listen_options_of(base: ListenOptions, options: StreamOptions) -> ListenOptions:
    """How a stream is to be heard: the server's ``base``, changed by what its client asked for."""
    segment, recognise = base.segment, base.recognise
    if options.endpointing_ms is not None:
        segment = msgspec.structs.replace(segment, endpointing_ms=options.endpointing_ms)
    return msgspec.structs.replace(
        base,
        rate_hz=options.audio.output_rate_hz,
        denoise=amount_of(options.denoise, base.denoise),
        segment=segment,
        recognise=msgspec.structs.replace(
            recognise,
            language=options.language or recognise.language,
            hotwords=recognise.hotwords if options.hotwords is None else options.hotwords,
            words=recognise.words if options.words is None else options.words,
            partials=recognise.partials if options.interim is None else options.interim,
        ),
    )
