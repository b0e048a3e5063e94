"""The protocol of the native stream, as a state machine without I/O.

In: a client's frames, results of jobs, and the time. Out: jobs to do, messages to send, whether to read on, and when to
close with which code. Invariants: jobs are done one at a time and in order; ``seq`` counts the messages; no message
follows ``end`` or a refusal that closes; what a client said is recognised and kept however its connection ends.
Thread: the event loop's.

    opening ──> open ──> ending ──> finished          ending: stop, idle, shutdown, a fatal refusal, or lost for good
                 │ ↑
        lost     ↓ │  resume
               parked
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, assert_never

from msgspec import Struct

from gapless.errors import (
    GaplessError,
    OverloadError,
    ProtocolError,
    TooLargeError,
)
from gapless.listen.events import Final as FinalEvent
from gapless.serve.problem import INTERNAL
from gapless.serve.stream import close
from gapless.serve.stream.backlog import Backlog
from gapless.serve.stream.messages import (
    ClearMessage,
    ConfigureMessage,
    EndMessage,
    ErrorMessage,
    FlushMessage,
    KeepaliveMessage,
    Limits,
    PartialMessage,
    ReadyMessage,
    ResumeMessage,
    ServerMessage,
    StartMessage,
    StopMessage,
    StreamOptions,
    WarningMessage,
    decode_client,
    with_options,
)
from gapless.serve.stream.outgoing import Outgoing
from gapless.serve.stream.policy import NATIVE, Policy
from gapless.serve.stream.reports import error_message, event_message
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
    Opened,
    Result,
)
from gapless.settings import Settings

CHUNK_MS: Final = 40
"""What ``ready`` advises clients to put into a frame."""

SessionMessage: TypeAlias = (
    StartMessage | FlushMessage | ConfigureMessage | ClearMessage | KeepaliveMessage | StopMessage
)
"""What a client may want of a session it has."""

Reason: TypeAlias = Literal["stop", "idle_timeout", "shutdown"]


class Ending(Struct, frozen=True):
    """Why a session is coming to its end."""

    code: int
    """What closes the connection."""
    reason: Reason | None = None
    """What ``end`` says; None: there is nobody to say it to."""


class StreamSession:
    """One stream, from its first frame to its last message.

    Args:
        name: identifies the session.
        token: secret that resumes it.
        settings: the limits.
        options: what the query asked for.
        now_ms: the time, on any clock that does not go back.
        policy: what its dialect does otherwise.
    """

    def __init__(
        self,
        name: str,
        token: str,
        settings: Settings,
        options: StreamOptions,
        now_ms: int,
        *,
        policy: Policy = NATIVE,
    ) -> None:
        self.name: Final = name
        self.token: Final = token
        self._settings = settings
        self._policy = policy
        self._idle_timeout_ms = (
            settings.idle_timeout_ms if policy.idle_timeout_ms is None else policy.idle_timeout_ms
        )
        """0: never."""
        self._options = options
        self._backlog = Backlog(options)
        self._outgoing = Outgoing(name, settings.max_outgoing)
        self._busy: Job | None = None
        """The job being done."""
        self._waiting = False
        """Something is under way in the hearing."""
        self._opened: Opened | None = None
        self._ending: Ending | None = None
        self._muted = False
        """Nothing more is said."""
        self._active_ms = now_ms
        """When the client last gave a sign of life."""
        self._parked_until_ms: int | None = None
        """Not None: the connection was lost, and can be resumed until then."""
        self.close_code: int | None = None
        """Not None: close with this code once there is no message left."""
        self.congested = False
        """The client reads too slowly for anything but being cut off."""
        self.finished = False
        """All jobs are done; what is left is to send what is unsent."""
        self.finals = 0
        self.partials = 0
        self.warnings = 0
        self.error: str | None = None
        """Code of the last error that was said, or would have been to whoever listened."""
        self.wish: ResumeMessage | None = None
        """Not None: the client wants to go on with another session, which is for the shell to grant."""

    # --- what the shells ask ----------------------------------------------------------------------

    @property
    def reading(self) -> bool:
        """Whether to take more frames; while not, the client is held back by TCP."""
        backlog = self._backlog
        return backlog.lag_ms <= self._settings.pause_buffer_ms and not backlog.full

    @property
    def speaking(self) -> bool:
        """Whether there is something to send, be it only the end."""
        return len(self._outgoing) > 0 or self.close_code is not None

    @property
    def unsent(self) -> int:
        """Messages that wait to be sent."""
        return len(self._outgoing)

    @property
    def ending(self) -> bool:
        """Whether nothing more is taken in: what was is answered, then comes the end."""
        return self._ending is not None

    @property
    def parked(self) -> bool:
        """Whether the stream waits for its client to come back."""
        return self._parked_until_ms is not None

    @property
    def resumable(self) -> bool:
        """Whether a client that lost this stream may have it back."""
        return (
            self._policy.resumable
            and self._settings.resume_ms > 0
            and self._ending is None
            and not self.finished
            and self._backlog.incoming.position is not None
            and self._backlog.incoming.received > 0
        )

    @property
    def bulk(self) -> bool:
        """Whether others go first."""
        return self._options.priority == "bulk"

    @property
    def dialect(self) -> str:
        """Name of what its client speaks."""
        return self._policy.dialect

    @property
    def rate_hz(self) -> int:
        """Samples per second of what is heard."""
        return self._options.audio.output_rate_hz

    @property
    def model(self) -> str | None:
        """What hears it; None: it was not opened."""
        return None if self._opened is None else self._opened.model

    @property
    def received_bytes(self) -> int:
        """Audio received so far, and silence put in the place of what was lost."""
        return self._backlog.received_bytes

    @property
    def backlog_ms(self) -> int:
        """Audio that waits to be heard."""
        return self._backlog.lag_ms

    @property
    def audio_ms(self) -> int:
        """Audio received so far."""
        return self._backlog.incoming.received_ms

    @property
    def processed_ms(self) -> int:
        """Audio that waits for nothing any more."""
        meter = self._backlog.incoming
        return max(meter.received_ms - meter.lag_ms, 0)

    @property
    def deadline_ms(self) -> int | None:
        """When ``tick`` has something to do, if nothing happens before."""
        if self._parked_until_ms is not None:
            return self._parked_until_ms
        if self._ending is not None or self.finished or not self._idle_timeout_ms:
            return None
        return self._active_ms + self._idle_timeout_ms

    def next_message(self) -> ServerMessage | None:
        """The next message to send."""
        return self._outgoing.pop()

    def next_job(self) -> Job | None:
        """The next job to do; the one before must have been answered."""
        if self._busy is not None or self.finished:
            return None
        if self._backlog:
            if self._backlog.opens_next and self._waiting:
                return None  # what was heard before is answered before
            self._busy = self._backlog.take()
        elif self._ending is not None and not self._waiting:
            self._busy = FinishJob()
        return self._busy

    # --- what the client does ---------------------------------------------------------------------

    def receive_bytes(self, frame: bytes, now_ms: int) -> None:
        """A binary frame: audio."""
        self._active_ms = now_ms
        if self._ending is not None:
            self._refuse_what_follows()
            return
        most = self._settings.max_frame_bytes
        if len(frame) > most:
            self._give_up(
                TooLargeError(
                    f"the frame has {len(frame)} bytes, {most} are allowed; send smaller ones"
                ),
                close.TOO_BIG,
            )
            return
        self._backlog.receive(frame)
        lag_ms = self._backlog.lag_ms
        if lag_ms > self._settings.max_buffer_ms:
            self._give_up(
                OverloadError(
                    f"{lag_ms} ms of audio wait to be processed, "
                    f"{self._settings.max_buffer_ms} are allowed; send more slowly",
                    retry_after_ms=self._settings.pause_buffer_ms,
                ),
                close.OVERLOADED,
            )
            return
        self._report_progress(now_ms)

    def receive_text(self, frame: str, now_ms: int) -> None:
        """A text frame of the native dialect: a message, or a ``wish``."""
        self._active_ms = now_ms
        if self._ending is not None:
            self._refuse_what_follows()
            return
        if len(frame) > self._settings.max_frame_bytes:
            self._give_up(TooLargeError("the message is too long; send less"), close.TOO_BIG)
            return
        try:
            message = decode_client(frame)
        except ProtocolError as error:
            self._refuse(error)
            return
        if not isinstance(message, ResumeMessage):
            self.receive(message, now_ms)
        elif self._backlog.incoming.received == 0:
            self.wish = message
        else:
            self._refuse(ProtocolError("resume comes before all audio; open a new connection"))

    def receive(self, message: SessionMessage, now_ms: int) -> None:
        """What a client wants, in whichever dialect it said so."""
        self._active_ms = now_ms
        if self._ending is not None:
            self._refuse_what_follows()
            return
        match message:
            case StartMessage():
                self._start(message)
            case FlushMessage(flush_id):
                self._backlog.add(FlushJob(flush_id))
            case ConfigureMessage():
                self._backlog.add(ConfigureJob(message))
            case ClearMessage():
                self._backlog.add(ClearJob())
            case KeepaliveMessage():
                pass
            case StopMessage():
                self._stop()
            case _:
                assert_never(message)

    def reopen(self, options: StreamOptions, now_ms: int) -> None:
        """Go on as a new stream with other options.

        What was heard is made final first; then ``ready`` marks the border, and positions begin at 0 again.
        """
        self._active_ms = now_ms
        if self._ending is not None:
            self._refuse_what_follows()
            return
        if self._opened is not None or self._backlog.incoming.received:
            self._backlog.add(EndJob())
        self._open(options)

    def disconnect(self, code: int, now_ms: int) -> None:
        """The connection is gone: wait for its client to come back, or finish what was said."""
        if self.parked:
            return
        if code not in close.GOODBYES and self.resumable:
            self._parked_until_ms = now_ms + self._settings.resume_ms
        else:
            self._leave()

    def resume(self, request: ResumeMessage, now_ms: int) -> None:
        """Another connection takes over."""
        self._parked_until_ms = None
        self._active_ms = now_ms
        complete = request.last_seq is None or self._outgoing.replay(request.last_seq)
        self._say_ready()
        if not complete:
            self._warn(
                "messages_lost",
                "some messages since the last one you saw are gone; the transcript has all finals",
            )
        missing_ms = self._backlog.incoming.missing_ms(request.next_sample)
        if missing_ms > self._settings.max_buffer_ms:
            error = ProtocolError(
                f"{missing_ms} ms of audio are missing, {self._settings.max_buffer_ms} are allowed; "
                "open a new stream",
                param="next_sample",
            )
            self._give_up(error, close.POLICY)
        elif self._backlog.seek(request.next_sample):
            self._warn(
                "audio_gap", f"{missing_ms} ms of audio are missing; silence is in their place"
            )

    # --- what the server does ---------------------------------------------------------------------

    def refuse(self, error: GaplessError) -> None:
        """Refuse the whole stream, of which nothing was heard yet: a bad query, or nothing to resume."""
        self.wish = None
        self._give_up(error, close.close_code_of(error))
        self._backlog.clear()
        self.finished = True

    def abandon(self, code: int | None = None) -> None:
        """End at once, without a word: another session takes this one's place, or it is too late."""
        self._mute()
        self._backlog.clear()
        self.close_code = self.close_code or code
        self.finished = True

    def cut_off(self) -> None:
        """The client reads too slowly for anything but this."""
        self.congested = True
        self._close(close.OVERLOADED)
        self._mute()
        self._end(close.OVERLOADED)

    def park_no_longer(self) -> None:
        """Nobody will come back: finish what was said."""
        if self.parked:
            self._leave()

    def shut_down(self) -> None:
        """The server stops: answer what was heard, then close."""
        if self.parked:
            self._leave()
        else:
            self._end(close.RESTART, "shutdown")

    def tick(self, now_ms: int) -> None:
        """Time passes."""
        if self._parked_until_ms is not None:
            if now_ms >= self._parked_until_ms:
                self._leave()
        elif self._ending is not None or self.finished:
            return
        elif not self.reading:
            self._active_ms = now_ms  # it is us who do not listen
        elif self._idle_timeout_ms and now_ms - self._active_ms >= self._idle_timeout_ms:
            self._say(
                ErrorMessage(
                    code="idle_timeout",
                    message=f"nothing came for {self._idle_timeout_ms} ms; "
                    "send keepalive while there is no audio",
                    retryable=True,
                )
            )
            self._end(close.DONE, "idle_timeout")

    def done(self, result: Result, now_ms: int) -> None:
        """A job is done, or a step between two jobs."""
        job, self._busy = self._busy, None
        match result:
            case Opened():
                self._opened = result
                self._say_ready()
                if self._options.save and not result.keeps:
                    self._warn("not_saved", "this server keeps no transcripts; start it with save")
            case Heard():
                self._hear(result, job, now_ms)
            case Finished():
                self._finish(result)
            case _:
                assert_never(result)

    def failed(self, error: GaplessError) -> None:
        """The stream could not be opened."""
        self._busy = None
        self.refuse(error)

    def broke(self) -> None:
        """Something unexpected happened to a job; its details are in the server's log."""
        self._busy = None
        self._backlog.clear()
        self._say(ErrorMessage(code=INTERNAL.code, message=INTERNAL.message, retryable=True))
        self._close(close.INTERNAL)
        self.finished = True

    # --- what the client wants --------------------------------------------------------------------

    def _start(self, start: StartMessage) -> None:
        if self._backlog.incoming.received > 0:
            self._refuse(ProtocolError("start comes before all audio; use configure from then on"))
            return
        self._open(with_options(self._options, start))

    def _open(self, options: StreamOptions) -> None:
        self._options = options
        self._backlog.reopen(options)

    def _stop(self) -> None:
        rest = self._backlog.incoming.rest_bytes
        if rest:
            self._warn(
                "audio_truncated",
                f"the audio ended {rest} bytes into a sample, which are ignored; "
                "check encoding and channels",
            )
        self._end(close.DONE, "stop")

    # --- results ----------------------------------------------------------------------------------

    def _hear(self, heard: Heard, job: Job | None, now_ms: int) -> None:
        self._waiting = heard.waiting
        for event in heard.events:
            self.finals += isinstance(event, FinalEvent)
            self._say(event_message(event))
        self._backlog.being_heard.processed(heard, job.cost if isinstance(job, HearJob) else 0)
        if heard.error is not None:
            if isinstance(job, ConfigureJob):
                self._refuse(heard.error)
            else:
                self._give_up(heard.error, close.close_code_of(heard.error))
        self._report_progress(now_ms)

    def _report_progress(self, now_ms: int) -> None:
        if self._opened is None:
            return  # `ready` comes first
        progress = self._backlog.being_heard.progress(now_ms)
        if progress is not None:
            self._say(progress)

    # --- the end ----------------------------------------------------------------------------------

    def _end(self, code: int, reason: Reason | None = None) -> None:
        """No more audio comes in: what did is answered before the end. The first reason stands."""
        if self._ending is None and not self.finished:
            self._ending = Ending(code, reason)
            self._backlog.add(EndJob())

    def _finish(self, finished: Finished) -> None:
        ending = self._ending
        if ending is not None and ending.reason is not None:
            self._say(
                EndMessage(
                    reason=ending.reason,
                    audio_ms=finished.audio_ms,
                    transcript_id=finished.transcript_id,
                )
            )
            self._close(ending.code)
        self.finished = True

    def _leave(self) -> None:
        """Nobody listens any more."""
        self._parked_until_ms = None
        self._mute()
        self._end(close.DONE)

    def _give_up(self, error: GaplessError, code: int) -> None:
        """Refuse the stream for good; what it said before is still recognised and kept."""
        self._refuse(error)
        self._close(code)
        self._end(code)

    def _close(self, code: int) -> None:
        if self.close_code is None:
            self.close_code = code
        self._muted = True

    # --- messages ---------------------------------------------------------------------------------

    def _say(self, message: ServerMessage) -> None:
        match message:
            case PartialMessage():
                self.partials += 1
            case WarningMessage():
                self.warnings += 1
            case ErrorMessage():
                self.error = message.code
        if self._muted:
            return
        self._outgoing.push(message)
        if not self._outgoing.full:
            return
        if self.parked:
            self._leave()
        else:
            self.cut_off()

    def _mute(self) -> None:
        self._muted = True
        self._outgoing.clear()

    def _say_ready(self) -> None:
        if self._opened is None:
            return
        settings = self._settings
        self._say(
            ReadyMessage(
                resume_token=self.token,
                model=self._opened.model,
                sample_rate=self._options.audio.output_rate_hz,
                chunk_ms=CHUNK_MS,
                limits=Limits(
                    max_frame_bytes=settings.max_frame_bytes,
                    max_buffer_ms=settings.max_buffer_ms,
                    idle_timeout_ms=settings.idle_timeout_ms,
                ),
                next_sample=self._backlog.incoming.position or 0,
            )
        )

    def _refuse(self, error: GaplessError) -> None:
        self._say(error_message(error))

    def _refuse_what_follows(self) -> None:
        self._refuse(ProtocolError("the stream is ending; open another one for more"))

    def _warn(
        self,
        code: Literal["audio_truncated", "audio_gap", "messages_lost", "not_saved"],
        message: str,
    ) -> None:
        self._say(WarningMessage(code=code, message=message))
