"""The ASR v2 dialect on a WebSocket: binary frames of audio, control bytes, and one text that grows.

In: frames of a client, messages of a session. Out: calls on the session, JSON for the client. Invariants: ``ACTIVE``
carries all of the text so far; a stream that the client ends has exactly one ``COMPLETE``, after which nothing comes;
a frame that cannot be used is answered with ``ERROR`` and forgotten, and the stream goes on.
Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

import msgspec

from gapless.serve.asr_v2.messages import Decoded, Status, encode
from gapless.serve.stream.dialect import Dialect, Frame
from gapless.serve.stream.messages import (
    EmptyMessage,
    EndMessage,
    ErrorMessage,
    FinalMessage,
    KeepaliveMessage,
    PartialMessage,
    ServerMessage,
    StopMessage,
    StreamOptions,
)
from gapless.serve.stream.session import StreamSession


class ControlBytes(msgspec.Struct, frozen=True):
    """What a frame of one byte means."""

    end: int = 0x00
    """There is no more audio."""
    keepalive: int = 0x01
    """There is no audio now, but there will be."""


CONTROLS: Final = {"": ControlBytes(), "v2b": ControlBytes(end=0xFF, keepalive=0x00)}
"""By the value of ``?control=``."""


@final
class AsrV2Dialect:
    """The translation of one connection.

    Args:
        model: name of a recogniser; None: the default.
        controls: what a frame of one byte means.
        opaque: comes back with every message.
    """

    def __init__(
        self,
        model: str | None = None,
        controls: ControlBytes = CONTROLS[""],
        opaque: str | None = None,
    ) -> None:
        self._options = StreamOptions(
            model=model, encoding="pcm_s16le", sample_rate=16_000, channels=1, words=False
        )
        self._controls = controls
        self._opaque = opaque
        self._final = ""
        """Text of all utterances that are over."""
        self._partial = ""
        """Text of the one that is not."""
        self._timeout = ""
        """Not empty: the client was silent for too long, in words."""

    @property
    def options(self) -> StreamOptions:
        """16 kHz, 16 bit, one channel; what else there is to choose is the server's."""
        return self._options

    def greet(self, session: StreamSession) -> Iterable[Frame]:  # noqa: ARG002 - the contract's signature
        """Nothing: the client speaks first."""
        return ()

    def receive(self, frame: Frame, session: StreamSession, now_ms: int) -> Iterable[Frame]:
        """Audio, or a control byte."""
        if isinstance(frame, str):
            return self._refuse("text means nothing here; send audio as binary frames")
        if len(frame) == 1:
            return self._control(frame[0], session, now_ms)
        if len(frame) % 2:
            return self._refuse(
                f"a frame of {len(frame)} bytes ends within a sample and was passed over; "
                "send whole samples of 16 bits"
            )
        if frame:
            session.receive_bytes(frame, now_ms)
        return ()

    def _control(self, byte: int, session: StreamSession, now_ms: int) -> Iterable[Frame]:
        if byte == self._controls.end:
            session.receive(StopMessage(), now_ms)
            return ()
        if byte == self._controls.keepalive:
            session.receive(KeepaliveMessage(), now_ms)
            return self._say("PAUSED")
        return self._refuse(
            f"a frame of one byte is a control byte, and {byte:#04x} is none; "
            f"end with {self._controls.end:#04x}"
        )

    def say(self, message: ServerMessage) -> Iterable[Frame]:
        """Tell text as it grows, errors, and the end."""
        answer: Iterable[Frame] = ()
        match message:
            case PartialMessage(text=text):
                answer = self._update(self._final, text)
            case FinalMessage(text=text):
                answer = self._update(f"{self._final} {text}".strip(), "")
            case EmptyMessage():
                answer = self._update(self._final, "")
            case ErrorMessage(code="idle_timeout", message=reason):
                self._timeout = reason  # said with the end, when all that was said before is text
            case ErrorMessage(message=reason, utt=utt):
                self._partial = self._partial if utt is None else ""
                answer = self._refuse(reason)
            case EndMessage():
                answer = self._end(message)
        return answer

    def _end(self, end: EndMessage) -> Iterable[Frame]:
        if end.reason == "stop":
            return self._say("COMPLETE", metadata={"audio_length_seconds": end.audio_ms / 1000})
        return self._refuse(self._timeout or "the server stops; connect again for more")

    def farewell(self, code: int) -> tuple[int, str]:
        """The codes of the native stream."""
        return code, ""

    @property
    def _text(self) -> str:
        return f"{self._final} {self._partial}".strip()

    def _update(self, final: str, partial: str) -> Iterable[Frame]:
        """Take the text as it is now; tell it if it is another."""
        before = self._text
        self._final, self._partial = final, partial
        return self._say("ACTIVE") if self._text != before else ()

    def _refuse(self, reason: str) -> Iterable[Frame]:
        return self._say("ERROR", reason)

    def _say(
        self, status: Status, message: str | None = None, metadata: dict[str, float] | None = None
    ) -> Iterable[Frame]:
        return (encode(Decoded(self._text, status, message, metadata, self._opaque)),)


_: type[Dialect] = AsrV2Dialect
