"""OpenAI's Realtime dialect, for transcription.

In: events of a client, messages of a session. Out: calls on the session, events for the client.
Invariants: the events of an item come in the order speech_started, speech_stopped, committed, added, done, completed
(or failed), with deltas anywhere before the last; ``session.updated`` says what is in force, when it is; times go on
where the stream is opened anew; nothing but a refusal is an ``error``, for some clients end at the first one.
Thread: the event loop's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final, final

from msgspec.structs import replace

from gapless.errors import GaplessError, OverloadError, ProtocolError, TooLargeError
from gapless.serve.realtime.awaited import (
    Awaited,
    Clear,
    CommitBuffer,
    CommitSpeech,
    Refused,
    Update,
)
from gapless.serve.realtime.config import Config, SessionTerms, shown, stream_options, updated
from gapless.serve.realtime.events import (
    AppendAudio,
    AudioCleared,
    BetaSessionCreated,
    BetaSessionUpdate,
    BetaSessionUpdated,
    ClearAudio,
    CommitAudio,
    RealtimeClientEvent,
    RealtimeError,
    RealtimeProblem,
    RealtimeServerEvent,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    SpeechStartedEvent,
    SpeechStoppedEvent,
    TimeoutTriggered,
    decode,
    encode,
    event_id_of,
)
from gapless.serve.realtime.items import Items, Turn
from gapless.serve.realtime.timeline import Timeline
from gapless.serve.stream.dialect import Dialect, Frame
from gapless.serve.stream.messages import (
    ClearMessage,
    ConfigureMessage,
    EmptyMessage,
    ErrorMessage,
    FinalMessage,
    FlushedMessage,
    FlushMessage,
    HearingOptions,
    PartialMessage,
    ProgressMessage,
    ReadyMessage,
    ServerMessage,
    SpeechEndMessage,
    SpeechStartMessage,
    StopMessage,
    StreamOptions,
)
from gapless.serve.stream.session import StreamSession

SERVER_CODES: Final = frozenset({"gapless_error", "internal_error", "model_error"})
"""Errors that are not the client's, besides those that may be tried again."""

MAX_AWAITED: Final = 256
"""Answers that may wait for audio to be heard."""

AWAITED_RETRY_MS: Final = 1000

ROUNDING_MS: Final = 1
"""What positions in milliseconds may be off."""


@final
class RealtimeDialect:
    """The translation of one connection.

    What can only be answered when all audio before it has been is followed by a ``flush``: ``_awaited`` has what each
    ``flushed`` will be the time for, in order.

    Args:
        terms: the session's name and bounds.
        config: what the address and the client's secret ask for.
        beta: whether the client expects the shapes of the beta.
    """

    def __init__(self, terms: SessionTerms, config: Config, *, beta: bool = False) -> None:
        self._terms = terms
        self._beta = beta
        self._said = 0
        """Events sent so far."""
        self._config = config
        """What was asked for last."""
        self._in_force = config
        """What the audio that is being heard is heard with."""
        self._model: str | None = None
        """What recognises it."""
        self._options = stream_options(config)
        self._awaited: deque[Awaited] = deque()
        self._timeline = Timeline()
        self._items = Items(f"item_{terms.id}")
        self._utterances: dict[str, Turn] = {}
        """What each utterance that is not over is a part of."""
        self._buffers: deque[Turn] = deque([self._items.begin()])
        """Turns that the client ends: the first is being heard, the last takes what is appended."""
        self._has_uncommitted = False
        """Whether there is anything for the client to commit."""
        self._spoken = 0
        """Items made of what the voice has ended."""
        self._answered = 0
        """How many of them commits were answered with, or came before one that was answered."""

    @property
    def options(self) -> StreamOptions:
        """What the address asks for."""
        return self._options

    # --- what the client says -------------------------------------------------------------------------

    def greet(self, session: StreamSession) -> Iterable[Frame]:  # noqa: ARG002 - the contract's signature
        """The session as it is."""
        kind = BetaSessionCreated if self._beta else SessionCreated
        return self._frames([kind(session=self._shown())])

    def receive(self, frame: Frame, session: StreamSession, now_ms: int) -> Iterable[Frame]:
        """An event; one that makes no sense is answered with ``error``."""
        if session.ending:
            return ()  # an error would be the end for clients that could connect again
        if now_ms >= self._terms.ends_ms:
            return self._frames([self._expire(session, now_ms)])
        try:
            event = decode(self._text(frame))
        except ProtocolError as error:
            return self._frames([_refusal(error, event_id_of(frame))])
        try:
            return self._frames(self._follow(event, session, now_ms))
        except (ProtocolError, OverloadError) as error:
            return self._frames([_refusal(error, event.event_id)])

    def _text(self, frame: Frame) -> str:
        if not isinstance(frame, str):
            raise ProtocolError(
                "binary frames mean nothing here; send audio in input_audio_buffer.append, as base64"
            )
        if len(frame) > self._terms.max_event_bytes:
            raise TooLargeError(
                f"the event has {len(frame)} bytes, {self._terms.max_event_bytes} are allowed; "
                "send the audio in smaller pieces"
            )
        return frame

    def _follow(
        self, event: RealtimeClientEvent, session: StreamSession, now_ms: int
    ) -> list[RealtimeServerEvent]:
        if isinstance(event, AppendAudio):
            self._append(event.audio, session, now_ms)
            return []
        if len(self._awaited) >= MAX_AWAITED:
            raise OverloadError(
                f"{MAX_AWAITED} commits, clears and updates wait to be answered; wait for some",
                retry_after_ms=AWAITED_RETRY_MS,
            )
        match event:
            case CommitAudio():
                return self._commit(event, session, now_ms)
            case ClearAudio():
                self._clear(session, now_ms)
                return []
            case _:
                return self._update(event, session, now_ms)

    def _append(self, audio: bytes, session: StreamSession, now_ms: int) -> None:
        if not audio:
            return
        self._timeline.received_ms += len(audio) / self._config.audio.input.format.bytes_per_ms
        self._has_uncommitted = True
        session.receive_bytes(audio, now_ms)

    def _commit(
        self, event: CommitAudio, session: StreamSession, now_ms: int
    ) -> list[RealtimeServerEvent]:
        if not self._has_uncommitted:
            problem = RealtimeProblem(
                type="invalid_request_error",
                code="input_audio_buffer_commit_empty",
                message="there is no audio to commit; append some first",
                event_id=event.event_id,
            )
            return [RealtimeError(error=problem)]
        self._has_uncommitted = False
        if self._config.vad is not None:
            self._await(CommitSpeech(self._received_ms, self._spoken), session, now_ms)
            return []
        return self._commit_buffer(session, now_ms)

    def _commit_buffer(self, session: StreamSession, now_ms: int) -> list[RealtimeServerEvent]:
        turn = self._buffers[-1]
        events = self._items.commit(turn, self._received_ms, beta=self._beta)
        self._begin_buffer()
        self._await(CommitBuffer(), session, now_ms)
        return events

    def _clear(self, session: StreamSession, now_ms: int) -> None:
        self._buffers[-1].end_ms = self._received_ms
        self._begin_buffer()
        session.receive(ClearMessage(), now_ms)
        self._await(Clear(self._received_ms), session, now_ms)

    def _begin_buffer(self) -> None:
        self._buffers.append(self._items.begin(self._received_ms))
        self._has_uncommitted = False

    def _update(
        self, event: SessionUpdate | BetaSessionUpdate, session: StreamSession, now_ms: int
    ) -> list[RealtimeServerEvent]:
        config = updated(self._config, event.session)
        options, before = stream_options(config), self._options
        self._beta |= isinstance(event, BetaSessionUpdate)
        events: list[RealtimeServerEvent] = []
        if self._config.vad is None and config.vad is not None and self._has_uncommitted:
            events = self._commit_buffer(session, now_ms)  # nobody else will
        if config.vad is None and self._config.vad is not None:
            self._buffers.pop()  # what it took was the voice's
            self._begin_buffer()
        self._config, self._options = config, options
        update = Update(config, event, self._received_ms)
        if options == before and not any(isinstance(one, Update) for one in self._awaited):
            return [*events, self._confirm(update)]
        if _goes_on(before, options):
            change = {name: getattr(options, name) for name in HearingOptions.__struct_fields__}
            session.receive(ConfigureMessage(**change), now_ms)
        else:
            self._timeline.reopen()
            session.reopen(options, now_ms)
        self._await(update, session, now_ms)
        return events

    def _await(self, what: Awaited, session: StreamSession, now_ms: int) -> None:
        self._awaited.append(what)
        session.receive(FlushMessage(), now_ms)

    def _expire(self, session: StreamSession, now_ms: int) -> RealtimeError:
        session.receive(StopMessage(), now_ms)
        problem = RealtimeProblem(
            type="invalid_request_error",
            code="session_expired",
            message="the session has lasted as long as sessions may; connect again",
        )
        return RealtimeError(error=problem)

    @property
    def _received_ms(self) -> int:
        return round(self._timeline.received_ms)

    # --- what the session says ------------------------------------------------------------------------

    def say(self, message: ServerMessage) -> Iterable[Frame]:
        """Tell what happens to the audio and its text."""
        return self._frames(self._tell(message))

    def _tell(self, message: ServerMessage) -> list[RealtimeServerEvent]:
        events: list[RealtimeServerEvent] = []
        match message:
            case ReadyMessage(model=model):
                self._model = model
                self._utterances.clear()
                self._timeline.ready()
            case SpeechStartMessage():
                events = self._begin(message)
            case SpeechEndMessage() | PartialMessage() | FinalMessage() | EmptyMessage():
                turn = self._utterances.get(message.utt)
                events = [] if turn is None else self._grow(turn, message)
            case ErrorMessage():
                events = self._fail(message)
            case FlushedMessage():
                events = self._answer(self._awaited.popleft())
            case ProgressMessage(processed_ms=processed_ms):
                events = self._watch_silence(self._timeline.at(processed_ms))
        return events

    def farewell(self, code: int) -> tuple[int, str]:
        """The codes of the native stream: after those that are worth it, OpenAI's client connects again."""
        return code, ""

    def _begin(self, start: SpeechStartMessage) -> list[RealtimeServerEvent]:
        """An utterance begins: a turn of its own, where the voice decides, or more of what the client will commit.

        It may be told before all that was said before it has been understood, and so before the answers that are
        awaited: where it begins says what it belongs to.
        """
        start_ms = self._timeline.at(start.at_ms)
        if self._config_at(start_ms).vad is None:
            self._utterances[start.utt] = self._buffer_at(start_ms)
            return []
        turn = self._items.begin(start_ms, by_voice=True)
        self._utterances[start.utt] = turn
        return [SpeechStartedEvent(audio_start_ms=start_ms, item_id=turn.item_id)]

    def _config_at(self, at_ms: int) -> Config:
        """What the audio of that time was to be heard with."""
        config = self._in_force
        for what in self._awaited:
            if isinstance(what, Update) and what.at_ms <= at_ms + ROUNDING_MS:
                config = what.config
        return config

    def _buffer_at(self, at_ms: int) -> Turn:
        """The turn that took the audio of that time."""
        for turn in self._buffers:
            if turn.end_ms is None or turn.end_ms > at_ms + ROUNDING_MS:
                return turn
        return self._buffers[-1]

    def _grow(
        self,
        turn: Turn,
        message: SpeechEndMessage | PartialMessage | FinalMessage | EmptyMessage,
    ) -> list[RealtimeServerEvent]:
        """Something happened to an utterance that is a part of ``turn``."""
        match message:
            case SpeechEndMessage(utt=utt, at_ms=at_ms):
                return self._end_speech(utt, turn, self._timeline.at(at_ms))
            case PartialMessage(text=text, stable_chars=stable_chars):
                return turn.settle(text[:stable_chars])
            case FinalMessage(utt=utt):
                return [*turn.add(message), *self._finish(utt, turn)]
            case EmptyMessage(utt=utt):
                return self._finish(utt, turn)

    def _end_speech(self, utt: str, turn: Turn, end_ms: int) -> list[RealtimeServerEvent]:
        self._timeline.quiet_from_ms = end_ms
        if not turn.by_voice or self._is_cleared(end_ms):
            return []
        self._spoken += 1
        stopped = SpeechStoppedEvent(audio_end_ms=end_ms, item_id=turn.item_id)
        committed = self._items.commit(turn, end_ms, beta=self._beta)
        return [stopped, *committed, *(self._finish(utt, turn) if turn.failed else [])]

    def _is_cleared(self, at_ms: int) -> bool:
        """Whether speech ends there because the client wants to hear no more of it."""
        ends = (
            what
            for what in self._awaited
            if isinstance(what, Update | CommitSpeech | Clear)
            and abs(what.at_ms - at_ms) <= ROUNDING_MS
        )
        return isinstance(next(ends, None), Clear)  # of several, the first ended it

    def _finish(self, utt: str, turn: Turn) -> list[RealtimeServerEvent]:
        """The utterance is over, and with it the turn that the voice has ended."""
        del self._utterances[utt]
        if not turn.by_voice or not turn.committed:  # it is not committed yet; or it was cleared
            return []
        return turn.end(logprobs=self._in_force.logprobs)

    def _fail(self, error: ErrorMessage) -> list[RealtimeServerEvent]:
        problem = _problem(error.code, error.message, error.param, retryable=error.retryable)
        if error.utt is None:
            return [RealtimeError(error=replace(problem, event_id=self._refuse_update()))]
        turn = self._utterances.get(error.utt)
        if turn is None:
            return []  # what cannot be kept is told all the same
        turn.fail(problem)
        if turn.by_voice and not turn.committed:  # somebody still speaks
            return []
        return self._finish(error.utt, turn)

    def _refuse_update(self) -> str | None:
        """The stream could not follow a change, if one is on its way: say which."""
        updates = [i for i, what in enumerate(self._awaited) if isinstance(what, Update)]
        if not updates:
            return None
        refused = self._awaited[updates[0]]
        self._awaited[updates[0]] = Refused()
        if len(updates) == 1:  # nothing was asked for since: all is as it was
            self._config, self._options = self._in_force, stream_options(self._in_force)
        return refused.event.event_id if isinstance(refused, Update) else None

    def _answer(self, what: Awaited) -> list[RealtimeServerEvent]:
        """All audio before has been heard."""
        match what:
            case Update():
                return [self._confirm(what)]
            case Clear(at_ms):
                self._buffers.popleft()
                self._utterances = {
                    utt: turn
                    for utt, turn in self._utterances.items()
                    if turn.committed or turn.start_ms + ROUNDING_MS >= at_ms
                }
                return [AudioCleared()]
            case CommitBuffer():
                turn = self._buffers.popleft()
                return turn.end(logprobs=self._in_force.logprobs)
            case CommitSpeech(spoken=spoken):
                answered, self._answered = max(spoken, self._answered), self._spoken
                return [] if self._spoken > answered else self._commit_silence()
        return []

    def _confirm(self, update: Update) -> RealtimeServerEvent:
        self._in_force = update.config
        kind = BetaSessionUpdated if isinstance(update.event, BetaSessionUpdate) else SessionUpdated
        return kind(session=self._shown())

    def _commit_silence(self) -> list[RealtimeServerEvent]:
        """An item in which nobody speaks."""
        at_ms = self._received_ms
        turn = self._items.begin(at_ms, by_voice=True)
        return [*self._items.commit(turn, at_ms, beta=self._beta), *turn.end(logprobs=False)]

    def _watch_silence(self, heard_ms: int) -> list[RealtimeServerEvent]:
        """Tell that nobody has spoken for long, if the client asked for that."""
        vad, start_ms = self._in_force.vad, self._timeline.quiet_from_ms
        if vad is None or any(not turn.committed for turn in self._utterances.values()):
            self._timeline.quiet_from_ms = heard_ms
            return []
        if vad.idle_timeout_ms is None or heard_ms - start_ms < vad.idle_timeout_ms:
            return []
        self._timeline.quiet_from_ms = heard_ms
        turn = self._items.begin(start_ms, by_voice=True)
        triggered = TimeoutTriggered(
            audio_start_ms=start_ms, audio_end_ms=heard_ms, item_id=turn.item_id
        )
        committed = self._items.commit(turn, heard_ms, beta=self._beta)
        return [triggered, *committed, *turn.end(logprobs=False)]

    # --- events ---------------------------------------------------------------------------------------

    def _shown(self) -> dict[str, Any]:
        return shown(self._in_force, self._model, self._terms, beta=self._beta)

    def _frames(self, events: Iterable[RealtimeServerEvent]) -> list[Frame]:
        frames: list[Frame] = []
        for event in events:
            self._said += 1
            frames.append(encode(replace(event, event_id=f"event_{self._terms.id}_{self._said}")))
        return frames


def _goes_on(before: StreamOptions, after: StreamOptions) -> bool:
    """Whether a stream can change from one to the other without being opened anew."""
    return (before.model, before.audio) == (after.model, after.audio) and (
        # A language can be changed on the way, but not forgotten.
        before.language is None or after.language is not None
    )


def _refusal(error: GaplessError, event_id: str | None) -> RealtimeError:
    problem = _problem(error.code, error.message, error.param, retryable=error.retryable)
    return RealtimeError(error=replace(problem, event_id=event_id))


def _problem(
    code: str, message: str, param: str | None, *, retryable: bool = False
) -> RealtimeProblem:
    of_server = retryable or code in SERVER_CODES
    return RealtimeProblem(
        type="server_error" if of_server else "invalid_request_error",
        code=code,
        message=message,
        param=param,
    )


_: type[Dialect] = RealtimeDialect
