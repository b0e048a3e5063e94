"""The half of a stream that computes and keeps: bytes to samples to events, and finals into the store.

In: jobs. Out: their results. Invariants: a final is reported only when the store has it, or after a ``NotKept`` that
says it has not; what the store refused is tried again, in order, with every later final and at the end.
Thread: one at a time. ``keep`` blocks, and so does ``do`` for jobs that are not ``quick``.
"""

from __future__ import annotations

import time
from collections import deque
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
from gapless.listen.recogniser.contract import Wake
from gapless.observe.traces import Record
from gapless.serve.services import Services
from gapless.serve.stream.messages import HearingOptions, StreamOptions, with_options
from gapless.serve.stream.work import (
    ClearJob,
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
        wake: called from any thread when ``step`` has something to do.
        alone: whether models are asked for its rows one by one, and never together with those of other streams.
        record: takes how long what took, for its traces.
    """

    def __init__(
        self,
        services: Services,
        session: str,
        wake: Wake | None = None,
        *,
        alone: bool = False,
        record: Record | None = None,
    ) -> None:
        self._services = services
        self._alone = alone
        self._record = record
        self._session = session
        self._wake = wake
        self._transcripts = 0
        """Kept so far, of earlier streams of this session."""
        self._options = StreamOptions()
        self._format = AudioFormat()
        self._decoder: Decoder | None = None
        self._listener: Listener | None = None
        self._keeper: Keeper | None = None

    @property
    def busy(self) -> bool:
        """Whether something is under way that ``step`` will have to follow."""
        return self._listener is not None and self._listener.busy

    def wait(self) -> None:
        """Block until there is something to ``step`` for; without a ``wake`` only."""
        self._heard_by.wait()

    def quick(self, job: Job | None = None) -> bool:
        """Whether the job, or a step, takes so little time that an event loop can do it itself."""
        if self._listener is None or self._listener.blocks:
            return False
        # PCM and G.711 are decoded in microseconds; the rest by FFmpeg.
        return self._format.frame_bytes is not None and (
            job is None or isinstance(job, HearJob | FlushJob | ClearJob | EndJob)
        )

    def keeps(self, heard: Heard) -> bool:
        """Whether ``keep`` has something to do."""
        return self._keeper is not None and any(
            isinstance(event, FinalEvent) for event in heard.events
        )

    def do(self, job: Job) -> Result:  # noqa: PLR0911 - one for each kind
        """Do a job; what it heard is still to be kept.

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
            case ClearJob():
                return self._report(self._heard_by.clear())
            case EndJob():
                return self._end()
            case FinishJob():
                return self._finish()
            case _:
                assert_never(job)

    def step(self) -> Heard:
        """Go on after ``wake`` was called; what was heard is still to be kept."""
        return self._report(self._heard_by.step())

    def keep(self, heard: Heard) -> Heard:
        """Keep the finals among what was heard; return it with what could not be kept."""
        keeper = self._keeper
        if keeper is None:
            return heard
        told: list[ListenEvent | NotKept] = []
        failure: GaplessError | None = None
        for event in heard.events:
            if isinstance(event, FinalEvent):
                if failure is None:
                    failure = keeper.keep(event.utterance)
                else:  # the store was waited for already
                    keeper.put_off(event.utterance)
                if failure is not None:
                    told.append(NotKept(event.utterance.utt, failure))
            told.append(event)
        return msgspec.structs.replace(heard, events=tuple(told))

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

    def _listen_options(self, options: StreamOptions) -> ListenOptions:
        wanted = listen_options_of(self._services.listen_options, options)
        if not self._alone and self._record is None:
            return wanted
        recognise = msgspec.structs.replace(
            wanted.recognise, alone=self._alone, record=self._record
        )
        return msgspec.structs.replace(wanted, recognise=recognise)

    def _open(self, options: StreamOptions) -> Opened:
        if self._keeper is not None and self._listener is not None:
            kept = self._keeper.finish(self._listener.received_ms)
            self._transcripts += kept is not None
        self.close()
        self._options = options
        self._format = options.audio
        listen_options = self._listen_options(options)
        self._listener = self._services.open_listener(options.model, listen_options, self._wake)
        self._decoder = open_decoder(self._format)
        store = self._services.store
        if store is None or options.save is False:
            self._keeper = None
        else:
            record = SessionRecord(
                id=f"{self._session}-{self._transcripts}" if self._transcripts else self._session,
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
            events = self._heard_by.configure(self._listen_options(options))
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
        return Heard(
            tuple(events),
            received_ms=listener.received_ms,
            processed_ms=listener.processed_ms,
            waiting=listener.busy,
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
        self.put_off(utterance)
        try:
            self._keep_all()
        except (StoreError, OverloadError) as error:
            return error
        return None

    def put_off(self, utterance: Utterance) -> None:
        """Keep an utterance with the next one, or at the end."""
        self._unkept.append(utterance)

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
    wanted = {
        "endpointing_ms": options.endpointing_ms,
        "threshold": options.vad_threshold,
        "padding_ms": options.padding_ms,
    }
    segment = msgspec.structs.replace(
        segment, **{name: value for name, value in wanted.items() if value is not None}
    )
    return msgspec.structs.replace(
        base,
        rate_hz=options.audio.output_rate_hz,
        turns=options.turns or base.turns,
        voice=base.voice if options.voice is None else options.voice,
        denoise=amount_of(options.denoise, base.denoise),
        segment=segment,
        recognise=msgspec.structs.replace(
            recognise,
            language=options.language or recognise.language,
            prompt=options.prompt or recognise.prompt,
            bulk=options.priority == "bulk",
            hotwords=recognise.hotwords if options.hotwords is None else options.hotwords,
            n_best=options.n_best or recognise.n_best,
            words=recognise.words if options.words is None else options.words,
            partials=recognise.partials if options.interim is None else options.interim,
        ),
    )
