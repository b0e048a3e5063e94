"""Deepgram's dialect on a WebSocket.

In: frames of a client, messages of a session. Out: calls on the session, Deepgram's JSON. Invariants: each ``Finalize``
is answered by exactly one result with ``from_finalize``, after everything before it and the last to hold its words;
``CloseStream`` is answered by the results that are left, then ``Metadata``, then close code 1000; ``UtteranceEnd`` is
said in audio time, once an utterance. Thread: the event loop's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, TypeAlias, final

import msgspec

from gapless.serve.deepgram import messages
from gapless.serve.deepgram.messages import (
    CHANNEL,
    Alternative,
    Channel,
    ClientMessage,
    CloseStream,
    Configure,
    ConfigureFailure,
    ConfigureSuccess,
    DeepgramError,
    DeepgramSpeechStarted,
    Finalize,
    KeepAlive,
    Metadata,
    Results,
    ResultsMetadata,
    UtteranceEnd,
    encode,
    model_info,
    model_uuid,
    words_of,
)
from gapless.serve.deepgram.query import Asked
from gapless.serve.stream import close
from gapless.serve.stream.dialect import Dialect, Frame
from gapless.serve.stream.messages import (
    ConfigureMessage,
    EmptyMessage,
    EndMessage,
    ErrorMessage,
    FinalMessage,
    FlushedMessage,
    FlushMessage,
    KeepaliveMessage,
    PartialMessage,
    ProgressMessage,
    ReadyMessage,
    ServerMessage,
    SpeechEndMessage,
    SpeechStartMessage,
    StartMessage,
    StopMessage,
    StreamOptions,
)
from gapless.serve.stream.session import StreamSession

Alternatives: TypeAlias = tuple[Alternative, ...]

IDLE_MS: Final = 10_000
"""Deepgram's own: a stream without audio or ``KeepAlive`` ends after this."""

NO_AUDIO: Final = (close.INTERNAL, "NET-0001")
BAD_AUDIO: Final = (close.POLICY, "DATA-0000")
"""What Deepgram's clients look for in a close frame."""

MAX_ECHO_CHARS: Final = 200
"""How much of a message that makes no sense comes back."""


@final
class DeepgramDialect:
    """The translation of one connection.

    Args:
        asked: what the query asked for.
        request_id: names the connection.
        created: when it began, as ISO 8601.
    """

    def __init__(self, asked: Asked, request_id: str, created: str) -> None:
        self._asked = asked
        self._request_id = request_id
        self._created = created
        self._model = ""
        self._sha256 = hashlib.sha256()
        self._begun = False
        """Audio has come."""
        self._idle = False
        """The client was silent for too long."""
        self._flushes = 0
        """``Finalize`` that are not answered."""
        self._held: Results | None = None
        """The latest final result while one is not answered: it may be the last one before the answer."""
        self._shown: set[str] = set()
        """Utterances of which an interim result was sent, and nothing final yet."""
        self._span_ms = (0, 0)
        """Where the latest utterance is."""
        self._open: set[str] = set()
        """Utterances that began, and of which it is not known yet what they say."""
        self._last_word_ms: int | None = None
        """End of the last word, as long as ``UtteranceEnd`` was not said of it."""

    @property
    def options(self) -> StreamOptions:
        """As the query asked."""
        return self._asked.options

    def greet(self, session: StreamSession) -> Iterable[Frame]:  # noqa: ARG002 - the contract's signature
        """Nothing: the first message is a result."""
        return ()

    # --- from the client --------------------------------------------------------------------------

    def receive(self, frame: Frame, session: StreamSession, now_ms: int) -> Iterable[Frame]:
        """Audio, or a message."""
        if isinstance(frame, str):
            return self._receive_text(frame, session, now_ms)
        if not frame:  # how streams were closed before there was a message for it
            session.receive(StopMessage(), now_ms)
            return ()
        if not self._begun and self.options.encoding == "opus" and frame.startswith(b"OggS"):
            session.receive(StartMessage(encoding="auto"), now_ms)  # not packets, but a file
        self._begun = True
        self._sha256.update(frame)
        session.receive_bytes(frame, now_ms)
        return self._utterance_end(session.processed_ms)

    def _receive_text(self, frame: str, session: StreamSession, now_ms: int) -> Iterable[Frame]:
        try:
            message = msgspec.json.decode(frame, type=ClientMessage)
        except (msgspec.DecodeError, RecursionError) as error:
            sentence = (
                f"the message cannot be used: {error}; send KeepAlive, Finalize or CloseStream"
            )
            return _frames(
                DeepgramError("SchemaError", sentence, "SchemaError", frame[:MAX_ECHO_CHARS])
            )
        match message:
            case KeepAlive():
                session.receive(KeepaliveMessage(), now_ms)
            case Finalize():
                self._flushes += 1
                session.receive(FlushMessage(), now_ms)
            case CloseStream():
                session.receive(StopMessage(), now_ms)
            case Configure(keyterms, features):
                return _frames(self._configure(keyterms, features or {}, session, now_ms))
        return ()

    def _configure(
        self,
        keyterms: tuple[str, ...] | None,
        features: dict[str, bool],
        session: StreamSession,
        now_ms: int,
    ) -> ConfigureSuccess | ConfigureFailure:
        wanted = [name[:64] for name, on in features.items() if on]
        if wanted:
            return ConfigureFailure(
                self._request_id,
                "CONFIGURE_INTERNAL_ERROR",
                f"text is as its model writes it; leave out {', '.join(wanted[:8])}",
            )
        if keyterms is not None:
            session.receive(ConfigureMessage(hotwords=keyterms), now_ms)
        return ConfigureSuccess(self._request_id, keyterms)

    # --- from the session -------------------------------------------------------------------------

    def say(self, message: ServerMessage) -> Iterable[Frame]:
        """Tell results as they come, errors, and the end."""
        answer: Iterable[Frame] = ()
        match message:
            case ReadyMessage(model=model):
                self._model = model
            case SpeechStartMessage() | SpeechEndMessage() | ProgressMessage():
                answer = self._follow(message)
            case PartialMessage() if self._asked.interim:
                self._shown.add(message.utt)
                span_ms = (message.start_ms, message.end_ms)
                answer = self._result(_plain(message.text), span_ms, is_final=False)
            case FinalMessage():
                answer = self._final(message)
            case EmptyMessage(utt=utt):
                answer = self._nothing(utt)
            case FlushedMessage():
                answer = self._flushed()
            case ErrorMessage(code="idle_timeout"):
                self._idle = True  # said with the close code
            case ErrorMessage():
                answer = self._error(message)
            case EndMessage():
                answer = (*self._release(), *self._end(message))
        return answer

    def _follow(
        self, message: SpeechStartMessage | SpeechEndMessage | ProgressMessage
    ) -> Iterable[Frame]:
        """Keep track of where in the audio we are."""
        match message:
            case SpeechStartMessage(utt=utt, at_ms=at_ms):
                self._open.add(utt)
                self._span_ms = (at_ms, at_ms)
                if self._asked.vad_events:
                    return _frames(DeepgramSpeechStarted(CHANNEL, at_ms / 1000))
            case SpeechEndMessage(at_ms=at_ms):
                self._span_ms = (self._span_ms[0], at_ms)
            case ProgressMessage(processed_ms=processed_ms):
                return self._utterance_end(processed_ms)
        return ()

    def farewell(self, code: int) -> tuple[int, str]:
        """The code and the reason that Deepgram's clients know."""
        if self._idle and code == close.DONE:
            return NO_AUDIO
        return BAD_AUDIO if code == close.BAD_FORMAT else (code, "")

    def _final(self, message: FinalMessage) -> Iterable[Frame]:
        self._shown.discard(message.utt)
        self._open.discard(message.utt)
        words = words_of(message.words)
        self._last_word_ms = message.words[-1].end_ms if message.words else message.end_ms
        best = Alternative(message.text, message.confidence or 0.0, words)
        others = (
            Alternative(other.text, other.confidence or 0.0) for other in message.alternatives
        )
        return self._result((best, *others), (message.start_ms, message.end_ms), is_final=True)

    def _nothing(self, utt: str) -> Iterable[Frame]:
        """An utterance without words; whoever was shown some is told that there are none."""
        self._open.discard(utt)
        if utt not in self._shown:
            return ()
        self._shown.discard(utt)
        return self._result(_plain(""), self._span_ms, is_final=True)

    def _error(self, message: ErrorMessage) -> Iterable[Frame]:
        error = _frames(DeepgramError(message.code, message.message, message.code))
        return (*self._nothing(message.utt or ""), *error)

    def _flushed(self) -> Iterable[Frame]:
        self._flushes -= 1
        last, self._held = self._held, None
        if last is None:
            end_ms = self._span_ms[1]
            last = self._make_result(_plain(""), (end_ms, end_ms), is_final=True)
        answer = msgspec.structs.replace(last, from_finalize=True, speech_final=False)
        return _frames(answer)

    def _result(
        self, alternatives: Alternatives, span_ms: tuple[int, int], *, is_final: bool
    ) -> Iterable[Frame]:
        result = self._make_result(alternatives, span_ms, is_final=is_final)
        before = self._release()
        if is_final and self._flushes:
            self._held = result
            return before
        return (*before, encode(result))

    def _make_result(
        self, alternatives: Alternatives, span_ms: tuple[int, int], *, is_final: bool
    ) -> Results:
        start_ms, end_ms = span_ms
        return Results(
            start=start_ms / 1000,
            duration=(end_ms - start_ms) / 1000,
            is_final=is_final,
            speech_final=is_final and self._asked.pauses,
            channel=Channel(alternatives),
            metadata=ResultsMetadata(
                self._request_id, model_info(self._model), model_uuid(self._model)
            ),
        )

    def _release(self) -> Iterable[Frame]:
        held, self._held = self._held, None
        return () if held is None else (encode(held),)

    def _utterance_end(self, processed_ms: int) -> Iterable[Frame]:
        last_ms, gap_ms = self._last_word_ms, self._asked.utterance_end_ms
        if last_ms is None or gap_ms is None or processed_ms < last_ms + gap_ms:
            return ()
        if self._open or self._flushes:  # more words may be under way
            return ()
        self._last_word_ms = None
        return _frames(UtteranceEnd(CHANNEL, last_ms / 1000))

    def _end(self, end: EndMessage) -> Iterable[Frame]:
        if end.reason == "idle_timeout":
            return ()  # the close code says all
        identifier = model_uuid(self._model)
        metadata = Metadata(
            request_id=self._request_id,
            sha256=self._sha256.hexdigest(),
            created=self._created,
            duration=end.audio_ms / 1000,
            channels=1,
            models=(identifier,),
            model_info={identifier: model_info(self._model)},
            warnings=self._asked.warnings,
        )
        return _frames(metadata)


def _plain(text: str) -> Alternatives:
    """Text whose words have no times and no confidence yet."""
    return (Alternative(text, 0.0),)


def _frames(message: messages.ServerMessage) -> Iterable[Frame]:
    return (encode(message),)


_: type[Dialect] = DeepgramDialect
