"""The native stream's messages, exactly as they are on the wire.

In: text frames and query strings of clients. Out: frozen structs, and back again.
Invariants: what a client sends is checked for names, types and bounds here and nowhere else; a refusal is a
``ProtocolError`` that names the field. Times are audio time in milliseconds from sample 0.
Thread: any (immutable data).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from gapless.audio.format import AudioFormat, Encoding
from gapless.errors import ProtocolError

SUBPROTOCOL: Final = "voice.v1"

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
"""A model, a session or whatever else has a short name."""

# --- options: the same names in the query, in `start` and in `configure` --------------------------


class HearingOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may change while a stream goes on. A field that is absent keeps its value."""

    language: Annotated[str, Meta(min_length=2, max_length=16)] | None = None
    """ISO 639-1 code, such as ``en``."""
    interim: bool | None = None
    """Whether partial results are sent."""
    words: bool | None = None
    """Whether finals carry words with times."""
    endpointing_ms: Annotated[int, Meta(ge=100, le=10_000)] | None = None
    """Silence that ends an utterance."""
    denoise: Annotated[float, Meta(ge=0, le=1)] | Literal["off", "on"] | None = None
    """Amount of noise removed before listening."""
    hotwords: (
        Annotated[
            tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=100)
        ]
        | None
    ) = None
    """Words to expect; in a query, separated by commas."""
    n_best: Annotated[int, Meta(ge=1, le=10)] | None = None
    """Ways to understand an utterance that finals carry; with models that search for several."""
    prompt: Annotated[str, Meta(max_length=4000)] | None = None
    """Text that sets the style, for models that take one."""
    turns: Literal["auto", "manual"] | None = None
    """Who says where an utterance ends: the voice detector, or the client with ``flush``."""
    vad_threshold: Annotated[float, Meta(ge=0.05, le=0.95)] | None = None
    """Probability from which a sound counts as speech."""
    padding_ms: Annotated[int, Meta(ge=0, le=2000)] | None = None
    """Audio before and behind speech that belongs to the utterance."""
    voice: bool | None = None
    """Whether features of the voice are told while somebody speaks."""


class StreamOptions(HearingOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a stream is opened with."""

    model: Name | None = None
    encoding: Encoding | None = None
    sample_rate: Annotated[int, Meta(ge=8000, le=48_000)] | None = None
    channels: Annotated[int, Meta(ge=1, le=8)] | None = None
    priority: Literal["live", "bulk"] | None = None
    save: bool | None = None
    """Whether the transcript is kept, where the server keeps any."""

    @property
    def audio(self) -> AudioFormat:
        """What the bytes of the stream are."""
        default = AudioFormat()
        return AudioFormat(
            self.encoding or default.encoding,
            self.sample_rate or default.rate_hz,
            self.channels or default.channels,
        )


# --- client to server -----------------------------------------------------------------------------


class StartMessage(StreamOptions, frozen=True, forbid_unknown_fields=True, tag="start"):
    """Options of the stream; only before audio, and answered by another ``ready``."""


class FlushMessage(Struct, frozen=True, forbid_unknown_fields=True, tag="flush"):
    """Make everything sent so far final; answered by ``flushed``, and the stream goes on."""

    id: Annotated[str, Meta(max_length=200)] = ""


class ConfigureMessage(HearingOptions, frozen=True, forbid_unknown_fields=True, tag="configure"):
    """Other options from here on; what was sent before is made final with the old ones."""


class KeepaliveMessage(Struct, frozen=True, forbid_unknown_fields=True, tag="keepalive"):
    """There is no audio now, but there will be."""


class ClearMessage(Struct, frozen=True, forbid_unknown_fields=True, tag="clear"):
    """Forget what was said and is not final yet; the stream goes on."""


class StopMessage(Struct, frozen=True, forbid_unknown_fields=True, tag="stop"):
    """There is no more audio: answer what there was, say ``end`` and close."""


class ResumeMessage(Struct, frozen=True, forbid_unknown_fields=True, tag="resume"):
    """Go on with a stream whose connection was lost; only before audio."""

    session: Name
    token: Name
    next_sample: Annotated[int, Meta(ge=0)]
    """Position, in samples of one channel, of the audio that follows."""
    last_seq: Annotated[int, Meta(ge=0)] | None = None
    """The last message that arrived: later ones are sent again."""


ClientMessage: TypeAlias = (
    StartMessage
    | FlushMessage
    | ConfigureMessage
    | ClearMessage
    | KeepaliveMessage
    | StopMessage
    | ResumeMessage
)


# --- server to client -----------------------------------------------------------------------------


class Message(Struct, frozen=True, kw_only=True):
    """What all messages of the server have."""

    seq: int = 0
    """Counts the messages of a session from 1, without gaps."""
    session: str = ""

    @property
    def type(self) -> str:
        """What the wire calls this kind of message: ``partial``, ``final`` ..."""
        return str(self.__struct_config__.tag)


class Limits(Struct, frozen=True):
    """What the server bears."""

    max_frame_bytes: int
    max_buffer_ms: int
    idle_timeout_ms: int


class ReadyMessage(Message, frozen=True, kw_only=True, tag="ready"):
    """The stream is open. Follows the connection, and every ``start`` and ``resume``."""

    resume_token: str
    model: str
    sample_rate: int
    chunk_ms: int
    """Audio per frame that is short enough not to add to the latency, and long enough to be cheap."""
    limits: Limits
    next_sample: int = 0
    """Position of the audio that is expected next; not 0 after ``resume``."""


class SpeechStartMessage(Message, frozen=True, kw_only=True, tag="speech_start"):
    """Somebody began to speak."""

    utt: str
    at_ms: int


class SpeechEndMessage(Message, frozen=True, kw_only=True, tag="speech_end"):
    """The utterance is over."""

    utt: str
    at_ms: int


class PartialMessage(Message, frozen=True, kw_only=True, tag="partial"):
    """What is understood so far: replaces the partial before; ``text[:stable_chars]`` never changes again."""

    utt: str
    text: str
    stable_chars: int
    start_ms: int
    end_ms: int


class WordTime(Struct, frozen=True):
    """One word of a final."""

    w: str
    start_ms: int
    end_ms: int
    conf: float | None = None


class OtherText(Struct, frozen=True, omit_defaults=True):
    """Another way to understand an utterance."""

    text: str
    confidence: float | None = None


class FinalMessage(Message, frozen=True, kw_only=True, tag="final"):
    """What was said; where transcripts are kept it is on disk when this is sent."""

    utt: str
    text: str
    start_ms: int
    end_ms: int
    language: str | None = None
    confidence: float | None = None
    words: tuple[WordTime, ...] = ()
    speaker: str | None = None
    alternatives: tuple[OtherText, ...] = ()
    """Where ``n_best`` asks for them; the likeliest first."""


class EmptyMessage(Message, frozen=True, kw_only=True, tag="empty"):
    """The utterance held no words: no final will come for it."""

    utt: str


class VoiceMessage(Message, frozen=True, kw_only=True, tag="voice"):
    """How a voice sounds, for each 100 ms of speech; see ``listen/voice.py``."""

    utt: str
    at_ms: int
    pitch_hz: float | None
    loudness_dbfs: float
    centroid_hz: float
    flux: float
    flatness: float
    elp: tuple[float, float, float]
    flux_position: int


class FlushedMessage(Message, frozen=True, kw_only=True, tag="flushed"):
    """All audio before the ``flush`` of this id has been answered."""

    id: str


class ProgressMessage(Message, frozen=True, kw_only=True, tag="progress"):
    """How far the server has come; at most once a second, and when it falls behind or has caught up."""

    received_ms: int
    processed_ms: int
    lag_ms: int


class WarningMessage(Message, frozen=True, kw_only=True, tag="warning"):
    """Something to know; nothing was refused."""

    code: Literal["audio_truncated", "audio_gap", "messages_lost", "not_saved"]
    message: str
    utt: str | None = None
    """The utterance that it is about."""


class ErrorMessage(Message, frozen=True, kw_only=True, tag="error"):
    """Something was refused or failed; unless the connection closes, the stream goes on."""

    code: str
    message: str
    param: str | None = None
    """The field at fault."""
    utt: str | None = None
    """The utterance that it is about."""
    retryable: bool = False
    retry_after_ms: int | None = None


class EndMessage(Message, frozen=True, kw_only=True, tag="end"):
    """The last message: all audio has been answered."""

    reason: Literal["stop", "idle_timeout", "shutdown"]
    audio_ms: int
    transcript_id: str | None
    """Where the transcript is kept: ``GET /v1/transcripts/{id}``; None where nothing was."""


ServerMessage: TypeAlias = (
    ReadyMessage
    | SpeechStartMessage
    | SpeechEndMessage
    | PartialMessage
    | FinalMessage
    | EmptyMessage
    | VoiceMessage
    | FlushedMessage
    | ProgressMessage
    | WarningMessage
    | ErrorMessage
    | EndMessage
)

# --- bytes to structs and back --------------------------------------------------------------------

TICKET_PARAM: Final = "token"
"""The one name in the query that is no option: the ticket of a browser, which sets no headers."""

AnyOptions = TypeVar("AnyOptions", bound=HearingOptions)

_client_decoder: Final[msgspec.json.Decoder[ClientMessage]] = msgspec.json.Decoder(ClientMessage)
_server_decoder: Final[msgspec.json.Decoder[ServerMessage]] = msgspec.json.Decoder(ServerMessage)
_encoder: Final = msgspec.json.Encoder()


def decode_client(text: str | bytes) -> ClientMessage:
    """Read a client's text frame.

    Raises:
        ProtocolError: no JSON, an unknown type or field, or a value out of its bounds.
    """
    try:
        return _client_decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise _refusal(error) from error


def decode_server(text: str | bytes) -> ServerMessage:
    """Read a server's text frame; fields that this version does not know are passed over.

    Raises:
        ProtocolError: no message that this version knows.
    """
    try:
        return _server_decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise ProtocolError(
            f"the server's message cannot be read ({error}); use the same version on both sides"
        ) from error


def encode(message: ServerMessage | ClientMessage) -> str:
    """A message as the text frame that carries it."""
    return _encoder.encode(message).decode()


def options_of_query(pairs: Iterable[tuple[str, str]]) -> StreamOptions:
    """Read the options of a stream from the pairs of its query string.

    Raises:
        ProtocolError: an unknown or repeated name, or a value out of its bounds.
    """
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name == TICKET_PARAM:
            continue
        if name in values:
            raise ProtocolError(f"{name} is given twice; give it once", param=name)
        values[name] = value
    if "hotwords" in values:
        words = (word.strip() for word in values["hotwords"].split(","))
        values["hotwords"] = [word for word in words if word]
    try:
        return msgspec.convert(values, StreamOptions, strict=False)
    except msgspec.ValidationError as error:
        raise _refusal(error) from error


def with_options(options: AnyOptions, change: HearingOptions) -> AnyOptions:
    """``options`` with the fields of ``change`` that are given."""
    given = {
        name: value
        for name in change.__struct_fields__
        if (value := getattr(change, name)) is not None
    }
    return msgspec.structs.replace(options, **given)


def _refusal(error: msgspec.MsgspecError) -> ProtocolError:
    """The sentence of msgspec, with the field it is about and what to do."""
    sentence = str(error)
    found = re.search(r"`\$\.(\w+)|(?:unknown|required) field `(\w+)", sentence)
    param = (found[1] or found[2]) if found else None
    about = f"{param} is not usable" if param else "the message cannot be read"
    return ProtocolError(
        f"{about}: {sentence.partition(' - at ')[0]}; see the stream's reference for what is allowed",
        param=param,
    )
