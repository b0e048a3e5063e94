"""What a Realtime session was asked for, and what of it is in force.

In: ``session`` objects of clients, in today's nested shape (GA) or the flat one of the beta. Out: a checked ``Config``,
the options of the stream that follows it, and the same object as clients are shown it. Invariants: in an update what is
absent stays and ``null`` clears; what a client is shown is what is done: a field that it does not find there, or finds
changed, was not followed. Thread: any (immutable data, pure functions).
Source: the types of the ``openai`` package (``types/realtime``, ``types/beta/realtime``).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from gapless.clean.amount import USUAL_AMOUNT
from gapless.errors import ProtocolError
from gapless.serve.language import base_language
from gapless.serve.openai.fields import is_openai_model
from gapless.serve.openai.messages import Hotword, Language
from gapless.serve.stream.messages import Name, StreamOptions

LOGPROBS: Final = "item.input_audio_transcription.logprobs"

FormatType: TypeAlias = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
Threshold: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Silence: TypeAlias = Annotated[int, Meta(ge=100, le=10_000)]
Padding: TypeAlias = Annotated[int, Meta(ge=0, le=2000)]

PCM_RATE_HZ: Final = 24_000
G711_RATE_HZ: Final = 8000

ENCODINGS: Final[dict[FormatType, Literal["pcm_s16le", "mulaw", "alaw"]]] = {
    "audio/pcm": "pcm_s16le",
    "audio/pcmu": "mulaw",
    "audio/pcma": "alaw",
}
BETA_FORMATS: Final[dict[FormatType, str]] = {
    "audio/pcm": "pcm16",
    "audio/pcmu": "g711_ulaw",
    "audio/pcma": "g711_alaw",
}
BETA_FIELDS: Final = {
    "input_audio_noise_reduction": "noise_reduction",
    "input_audio_transcription": "transcription",
    "turn_detection": "turn_detection",
}
"""Where the flat fields of the beta are today, under ``audio.input``."""

NOISE_AMOUNTS: Final = {"near_field": 0.5, "far_field": USUAL_AMOUNT}
"""Noise removed at full strength: a microphone at the mouth needs less of it."""

EAGER_SILENCE_MS: Final = {"high": 500, "medium": 1000, "auto": 1000, "low": 2000}
"""Silence that ends a turn where a client asks for semantic turn detection, which is not here."""

MIN_THRESHOLD: Final = 0.05
MAX_THRESHOLD: Final = 0.95
"""Thresholds outside these would hear everything as speech, or nothing."""


class AudioFormat(Struct, frozen=True):
    """What the bytes of the audio are."""

    type: FormatType = "audio/pcm"
    rate: Annotated[int, Meta(ge=8000, le=48_000)] | None = None
    """None: 24000 for PCM, 8000 for G.711."""

    @property
    def rate_hz(self) -> int:
        """Samples a second."""
        return self.rate or (PCM_RATE_HZ if self.type == "audio/pcm" else G711_RATE_HZ)

    @property
    def bytes_per_ms(self) -> float:
        """How many bytes a millisecond takes."""
        return self.rate_hz * (2 if self.type == "audio/pcm" else 1) / 1000


class NoiseReduction(Struct, frozen=True):
    """Noise to be removed before anything is heard."""

    type: Literal["near_field", "far_field"] = "near_field"
    strength: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Transcription(Struct, frozen=True):
    """What recognises the speech, and what it is told."""

    model: Name | None = None
    """None, and the names of OpenAI's own models: the server's choice."""
    language: Language | None = None
    prompt: Annotated[str, Meta(max_length=4000)] | None = None
    languages: Annotated[tuple[Language, ...], Meta(max_length=32)] | None = None
    """A single one is taken as ``language``, several are left to the model."""
    keywords: Annotated[tuple[Hotword, ...], Meta(max_length=100)] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    """Not followed: how long a model waits is its own."""


class ServerVad(Struct, frozen=True, tag_field="type", tag="server_vad"):
    """The server says where a turn begins and ends, by voice and silence."""

    threshold: Threshold = 0.5
    prefix_padding_ms: Padding = 300
    silence_duration_ms: Silence = 500
    idle_timeout_ms: Annotated[int, Meta(ge=1000, le=3_600_000)] | None = None
    """Audio without speech after which ``input_audio_buffer.timeout_triggered`` is told."""


class SemanticVad(Struct, frozen=True, tag_field="type", tag="semantic_vad"):
    """The server says where a turn ends by what was said; here, by a longer silence."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


class AudioInput(Struct, frozen=True):
    """The audio of the client."""

    format: AudioFormat = AudioFormat()
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription = Transcription()
    turn_detection: ServerVad | SemanticVad | None = ServerVad()
    """None: the client says where a turn ends, with ``input_audio_buffer.commit``."""


class Audio(Struct, frozen=True):
    """The audio of the session."""

    input: AudioInput = AudioInput()


class SessionTerms(Struct, frozen=True):
    """What a session is told of itself, and what bounds it."""

    id: str
    expires_at: int
    """Unix time in seconds."""
    ends_ms: int
    """The same, on the clock that the session runs on."""
    max_event_bytes: int


class Config(Struct, frozen=True):
    """What a session was asked for."""

    type: Literal["transcription"] = "transcription"
    audio: Audio = Audio()
    include: Annotated[
        tuple[Literal["item.input_audio_transcription.logprobs"], ...], Meta(max_length=16)
    ] = ()

    @property
    def vad(self) -> ServerVad | None:
        """How turns are found; None: the client commits them."""
        turns = self.audio.input.turn_detection
        if isinstance(turns, SemanticVad):
            return ServerVad(silence_duration_ms=EAGER_SILENCE_MS[turns.eagerness])
        if turns is None:
            return None
        return replace(turns, threshold=min(max(turns.threshold, MIN_THRESHOLD), MAX_THRESHOLD))

    @property
    def logprobs(self) -> bool:
        """Whether results carry log probabilities."""
        return LOGPROBS in self.include


def updated(config: Config, session: dict[str, Any]) -> Config:
    """``config`` with what ``session`` says, in the shape of today or of the beta.

    Raises:
        ProtocolError: a field that is known is unusable; names it.
    """
    if session.get("type") == "realtime":
        raise ProtocolError(
            "only transcription is served here; set session.type to transcription",
            param="session.type",
        )
    try:
        return msgspec.convert(_merged(msgspec.to_builtins(config), _nested(session)), Config)
    except msgspec.ValidationError as error:
        sentence, _, path = str(error).partition(" - at ")
        # Arrays lose their index: no client looks there.
        param = "session" + re.sub(r"\[\.\.\.\]|\[\d+\]", "", path.strip("`").removeprefix("$"))
        raise ProtocolError(
            f"{param} is not usable: {sentence}; see the reference of Realtime for what is allowed",
            param=param,
        ) from error


def stream_options(config: Config) -> StreamOptions:
    """The stream that does what ``config`` says; all of it is said, so that nothing of an older one stays."""
    audio, transcription = config.audio.input, config.audio.input.transcription
    vad = config.vad
    heard = vad or ServerVad()
    return StreamOptions(
        model=_model(transcription),
        encoding=ENCODINGS[audio.format.type],
        sample_rate=audio.format.rate_hz,
        channels=1,
        language=_language(transcription),
        interim=True,
        words=config.logprobs,
        endpointing_ms=heard.silence_duration_ms,
        denoise=_amount(audio.noise_reduction),
        hotwords=transcription.keywords or (),
        prompt=transcription.prompt or "",
        turns="manual" if vad is None else "auto",
        vad_threshold=heard.threshold,
        padding_ms=heard.prefix_padding_ms,
    )


def shown(config: Config, model: str | None, terms: SessionTerms, *, beta: bool) -> dict[str, Any]:
    """The session object that tells a client what is in force.

    Args:
        config: what was asked for.
        model: what recognises the speech, once that is known.
        terms: the session's name and bounds.
        beta: whether in the shape of the beta.
    """
    audio, vad = config.audio.input, config.vad
    transcription = msgspec.to_builtins(
        replace(audio.transcription, model=_model(audio.transcription) or model, delay=None)
    )
    noise = None if audio.noise_reduction is None else msgspec.to_builtins(audio.noise_reduction)
    turns = None if vad is None else msgspec.to_builtins(vad)
    head = {
        "id": terms.id,
        "object": "realtime.transcription_session",
        "expires_at": terms.expires_at,
        "include": list(config.include) or None,
    }
    if beta:
        return {
            **head,
            "input_audio_format": BETA_FORMATS[audio.format.type],
            "input_audio_noise_reduction": noise,
            "input_audio_transcription": transcription,
            "turn_detection": turns,
        }
    audio_format: dict[str, Any] = {"type": audio.format.type}
    if audio.format.type == "audio/pcm" or audio.format.rate is not None:
        audio_format["rate"] = audio.format.rate_hz
    heard = {
        "format": audio_format,
        "noise_reduction": noise,
        "transcription": transcription,
        "turn_detection": turns,
    }
    return {**head, "type": "transcription", "audio": {"input": heard}}


# --- updates --------------------------------------------------------------------------------------


def _nested(session: dict[str, Any]) -> dict[str, Any]:
    """``session`` in the shape of today."""
    flat = {new: session[old] for old, new in BETA_FIELDS.items() if old in session}
    if "input_audio_format" in session:
        flat["format"] = _format_of(session["input_audio_format"])
    if not flat:
        return session
    audio = session.get("audio") or {}
    heard = audio.get("input") or {} if isinstance(audio, dict) else None
    if not isinstance(heard, dict):
        raise ProtocolError("session.audio is no object; send one", param="session.audio")
    return {**session, "audio": {**audio, "input": {**heard, **flat}}}


def _format_of(name: object) -> dict[str, Any] | None:
    if name is None:
        return None
    for kind, beta_name in BETA_FORMATS.items():
        if name == beta_name:
            return {"type": kind, "rate": None}
    raise ProtocolError(
        f"there is no format {str(name)[:100]!r}; choose from {', '.join(BETA_FORMATS.values())}",
        param="session.input_audio_format",
    )


def _merged(old: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``old`` with ``change``: what is absent stays, null clears (as in RFC 7396), and so does an empty text.

    Two objects are not mixed when they are of different kinds; and ``turn_detection: null`` is a value, not a default.
    """
    result = dict(old)
    for name, value in change.items():
        before = result.get(name)
        if value == "" or (value is None and name != "turn_detection"):
            result.pop(name, None)
        elif isinstance(value, dict):
            mixes = isinstance(before, dict) and _same_kind(name, before, value)
            result[name] = _merged(before if mixes and before else {}, value)
        else:
            result[name] = value
    return result


def _same_kind(name: str, before: dict[str, Any], value: dict[str, Any]) -> bool:
    if name not in ("format", "turn_detection"):
        return True
    return bool(value.get("type", before.get("type")) == before.get("type"))


def _model(transcription: Transcription) -> str | None:
    asked = transcription.model
    return None if asked is None or is_openai_model(asked) else asked


def _language(transcription: Transcription) -> str | None:
    asked = transcription.language
    if asked is None and transcription.languages is not None and len(transcription.languages) == 1:
        asked = transcription.languages[0]
    return base_language(asked)


def _amount(noise: NoiseReduction | None) -> float | Literal["off"]:
    return "off" if noise is None else NOISE_AMOUNTS[noise.type] * noise.strength
