"""Wyoming's dialect over one stream: the audio of one utterance in, one transcript out.

In: audio, and the end of it; messages of a session. Out: calls on the session, events as bytes. Invariants: there is
exactly one ``transcript``, whatever happens, for clients wait for it; what was said in chunks is never taken back.
Thread: the event loop's.

    transcript-start   transcript-chunk*   [error]   transcript   transcript-stop
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

from gapless.serve.stream.dialect import Dialect, Frame
from gapless.serve.stream.messages import (
    EndMessage,
    ErrorMessage,
    FinalMessage,
    PartialMessage,
    ServerMessage,
    StopMessage,
    StreamOptions,
)
from gapless.serve.stream.session import StreamSession
from gapless.serve.wyoming.wire import encode

AUDIO_STOP: Final = "audio-stop"
"""The frame, besides audio, that the dialect knows: there is no more."""


@final
class UtteranceDialect:
    """The translation of one utterance.

    Args:
        options: how it is to be heard.
    """

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._text = ""
        """What is final."""
        self._told = ""
        """What was sent in chunks."""
        self._language: str | None = None
        self._begun = False
        """``transcript-start`` was sent."""
        self.stopped = False
        """The client has said that there is no more audio."""
        self.answered = False
        """The transcript was sent."""

    @property
    def options(self) -> StreamOptions:
        """As the client asked."""
        return self._options

    def greet(self, session: StreamSession) -> Iterable[Frame]:  # noqa: ARG002 - the contract's signature
        """Nothing: the client speaks first."""
        return ()

    def receive(self, frame: Frame, session: StreamSession, now_ms: int) -> Iterable[Frame]:
        """Audio, or ``AUDIO_STOP``."""
        if isinstance(frame, bytes):
            session.receive_bytes(frame, now_ms)
        else:
            self.stopped = True
            session.receive(StopMessage(), now_ms)
        return ()

    def say(self, message: ServerMessage) -> Iterable[Frame]:
        """Tell text as it becomes certain, errors, and all of it at the end."""
        match message:
            case PartialMessage(text=text, stable_chars=stable_chars):
                return self._grow(text[:stable_chars])
            case FinalMessage(text=text, language=language):
                chunk = self._grow(text)
                self._text = _join(self._text, text)
                self._language = self._language or language
                return chunk
            case ErrorMessage(code=code, message=reason):
                return (encode("error", {"text": reason, "code": code}),)
            case EndMessage():
                return self.answer()
        return ()

    def farewell(self, code: int) -> tuple[int, str]:
        """Nobody hears it: the connection stays open for the next utterance."""
        return code, ""

    def answer(self) -> Iterable[Frame]:
        """The transcript of what is final; nothing if it was sent."""
        if self.answered:
            return ()
        self.answered = True
        language = {"language": self._language} if self._language else {}
        return (
            *self._begin(),
            encode("transcript", {"text": self._text, **language}),
            encode("transcript-stop"),
        )

    def _grow(self, text: str) -> Iterable[Frame]:
        """Send what ``text``, of the latest utterance, adds to what was sent."""
        whole = _join(self._text, text)
        if len(whole) <= len(self._told) or not whole.startswith(self._told):
            return ()
        chunk, self._told = whole[len(self._told) :], whole
        return (*self._begin(), encode("transcript-chunk", {"text": chunk}))

    def _begin(self) -> Iterable[Frame]:
        if self._begun:
            return ()
        self._begun = True
        return (encode("transcript-start"),)


def _join(before: str, text: str) -> str:
    return f"{before} {text}" if before and text else before or text


_: type[Dialect] = UtteranceDialect
