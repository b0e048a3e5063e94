"""The events of Realtime, exactly as they are on the wire.

In: text frames of clients. Out: frozen structs, and back again. Invariants: a frame that makes no sense is a
``ProtocolError`` that names the field; every event of the server has its ``event_id``. Thread: any (immutable data).
Source: the types of the ``openai`` package (``types/realtime``).
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gapless.errors import ProtocolError
from gapless.serve.openai.messages import DetectedLanguage, Logprob, Usage

ANSWERS: Final = ("response.", "conversation.item.", "output_audio_buffer.")
"""What clients ask of servers that talk back."""

# --- client to server -----------------------------------------------------------------------------


class ClientEvent(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all events of a client have."""

    event_id: str | None = None
    """Named by the ``error`` that it may cause."""


class SessionUpdate(ClientEvent, frozen=True, kw_only=True, tag="session.update"):
    """Changes the session: what is absent stays, null clears. Answered by ``session.updated``."""

    session: dict[str, Any]


class BetaSessionUpdate(ClientEvent, frozen=True, kw_only=True, tag="transcription_session.update"):
    """The same, as the beta has it, and from here on so are the answers."""

    session: dict[str, Any]


class AppendAudio(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """More audio; not answered."""

    audio: bytes
    """In base64."""


class CommitAudio(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """The turn ends here. Answered by ``input_audio_buffer.committed``."""


class ClearAudio(ClientEvent, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Forget the audio that is not committed. Answered by ``input_audio_buffer.cleared``."""


RealtimeClientEvent: TypeAlias = (
    SessionUpdate | BetaSessionUpdate | AppendAudio | CommitAudio | ClearAudio
)


# --- server to client -----------------------------------------------------------------------------


class ServerEvent(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all events of the server have."""

    event_id: str = ""


class SessionCreated(ServerEvent, frozen=True, kw_only=True, tag="session.created"):
    """The first event: the session as it is without being told anything."""

    session: dict[str, Any]


class SessionUpdated(ServerEvent, frozen=True, kw_only=True, tag="session.updated"):
    """The session as it is from here on."""

    session: dict[str, Any]


class BetaSessionCreated(
    ServerEvent, frozen=True, kw_only=True, tag="transcription_session.created"
):
    """The first event, in the beta."""

    session: dict[str, Any]


class BetaSessionUpdated(
    ServerEvent, frozen=True, kw_only=True, tag="transcription_session.updated"
):
    """The session as it is from here on, in the beta."""

    session: dict[str, Any]


class SpeechStartedEvent(
    ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"
):
    """Somebody began to speak."""

    audio_start_ms: int
    """Where the audio of the item begins, padding included, from the first audio of the session."""
    item_id: str


class SpeechStoppedEvent(
    ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"
):
    """The speech is over."""

    audio_end_ms: int
    item_id: str


class TimeoutTriggered(
    ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"
):
    """There was no speech for ``idle_timeout_ms`` of audio, which become an item."""

    audio_start_ms: int
    audio_end_ms: int
    item_id: str


class AudioCommitted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    """The audio has become an item."""

    item_id: str
    previous_item_id: str | None


class AudioCleared(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """The audio that was not committed is forgotten."""


class InputAudio(Struct, frozen=True, tag_field="type", tag="input_audio"):
    """The one content of an item."""

    transcript: str | None = None
    """Always null here: it comes by itself."""


class Item(Struct, frozen=True, kw_only=True):
    """A turn of the one who speaks."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["message"] = "message"
    role: Literal["user"] = "user"
    status: Literal["completed"] = "completed"
    content: tuple[InputAudio, ...] = (InputAudio(),)


class ItemAdded(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.added"):
    """There is an item."""

    item: Item
    previous_item_id: str | None


class ItemDone(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.done"):
    """The item has all its audio."""

    item: Item
    previous_item_id: str | None


class BetaItemCreated(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.created"):
    """There is an item, in the beta."""

    item: Item
    previous_item_id: str | None


class TranscriptDelta(
    ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"
):
    """More text of an item; it is not taken back."""

    item_id: str
    content_index: int = 0
    delta: str


class TranscriptSegment(
    ServerEvent,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.segment",
):
    """Who said it, where a model tells speakers apart."""

    id: str
    item_id: str
    content_index: int = 0
    text: str
    speaker: str
    start: float
    """In seconds."""
    end: float


class TranscriptCompleted(
    ServerEvent,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.completed",
):
    """The text of an item: where it differs from its deltas, this is right."""

    item_id: str
    content_index: int = 0
    transcript: str
    usage: Usage
    logprobs: tuple[Logprob, ...] | UnsetType = UNSET
    """Only if the session includes them."""
    languages: tuple[DetectedLanguage, ...] | UnsetType = UNSET
    """Only if the model says."""


class RealtimeProblem(Struct, frozen=True, kw_only=True):
    """What went wrong."""

    type: str
    code: str
    message: str
    """For people; ends with what to do."""
    param: str | None = None
    """The field at fault."""
    event_id: str | None = None
    """The client's event at fault."""


class TranscriptFailed(
    ServerEvent,
    frozen=True,
    kw_only=True,
    tag="conversation.item.input_audio_transcription.failed",
):
    """The item will have no text; the session goes on."""

    item_id: str
    content_index: int = 0
    error: RealtimeProblem


class RealtimeError(ServerEvent, frozen=True, kw_only=True, tag="error"):
    """Something was refused; unless the connection closes, the session goes on."""

    error: RealtimeProblem


RealtimeServerEvent: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | BetaSessionCreated
    | BetaSessionUpdated
    | SpeechStartedEvent
    | SpeechStoppedEvent
    | TimeoutTriggered
    | AudioCommitted
    | AudioCleared
    | ItemAdded
    | ItemDone
    | BetaItemCreated
    | TranscriptDelta
    | TranscriptSegment
    | TranscriptCompleted
    | TranscriptFailed
    | RealtimeError
)

# --- text to structs and back ---------------------------------------------------------------------


class Envelope(Struct, frozen=True):
    """What is known of an event that cannot be read."""

    type: str = ""
    event_id: str | None = None


_decoder: Final[msgspec.json.Decoder[RealtimeClientEvent]] = msgspec.json.Decoder(
    RealtimeClientEvent
)
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)
_encoder: Final = msgspec.json.Encoder()


def decode(frame: str) -> RealtimeClientEvent:
    """Read a client's event.

    Raises:
        ProtocolError: no JSON, an unknown event, or a field that cannot be read; names it.
    """
    try:
        return _decoder.decode(frame)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _refusal(frame, error) from error


def event_id_of(frame: str | bytes) -> str | None:
    """How the client calls an event that cannot be read, if that much can be."""
    return _envelope(frame).event_id


def encode(event: RealtimeServerEvent) -> str:
    """An event as the text frame that carries it."""
    return _encoder.encode(event).decode()


def _envelope(frame: str | bytes) -> Envelope:
    try:
        return _envelope_decoder.decode(frame)
    except (msgspec.MsgspecError, RecursionError):
        return Envelope()


def _refusal(frame: str, error: Exception) -> ProtocolError:
    kind = _envelope(frame).type
    if kind.startswith(ANSWERS):
        return ProtocolError(
            f"{kind[:100]} is not served: this server hears and does not answer; send audio, and "
            "read conversation.item.input_audio_transcription.completed",
            param="type",
        )
    sentence, _, path = str(error).partition(" - at ")
    found = re.search(r"\$\.(\w+)", path) or re.search(r"required field `(\w+)`", sentence)
    return ProtocolError(
        f"the event cannot be read: {sentence[:200]}; see the reference of Realtime for what is allowed",
        param=found[1] if found else None,
    )
