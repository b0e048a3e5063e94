"""The parameters of ``/v1/listen``: what a client of Deepgram asks for, in our terms.

In: the names and values of a query. Out: an ``Asked``, or a refusal that names the parameter.
Invariants: what cannot be done and would leave the client with something else than it must have (text that should be
redacted, results that should go elsewhere) is refused; anything else that cannot be done is told in ``warnings``; a
parameter that says ``false`` asks for nothing. Thread: any (pure functions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec

from gapless.audio.format import (
    MAX_CHANNELS,
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    SAMPLE_BYTES,
    Encoding,
)
from gapless.errors import ProtocolError, UnsupportedAudioError
from gapless.listen.recogniser.shelf.shelf import DEFAULT_NAMES
from gapless.serve.deepgram.messages import DeepgramWarning
from gapless.serve.stream.messages import StreamOptions

ENCODINGS: Final[dict[str, Encoding]] = {
    "linear16": "pcm_s16le",
    "linear32": "pcm_f32le",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "opus": "opus",
    "ogg-opus": "auto",
    "flac": "auto",
}

FOREIGN_MODELS: Final = re.compile(
    r"(nova|enhanced|base|flux|whisper|general|meeting|phonecall|finance|conversationalai"
    r"|voicemail|video|medical|drivethru|automotive)\b.*"
)
"""Names of Deepgram's own models: clients send one by default, and get the default of this server."""

MIN_ENDPOINTING_MS: Final = 100
MAX_ENDPOINTING_MS: Final = 10_000
MAX_ALTERNATIVES: Final = 10
MAX_HOTWORDS: Final = 100
MAX_HOTWORD_CHARS: Final = 100

REFUSED: Final = {
    "redact": "nothing is redacted here; leave it out, or redact the text yourself",
    "callback": "results go to whoever asked; leave it out, and read the answer",
    "multichannel": "channels are mixed into one; leave it out, or send a channel a stream",
}

WITHOUT_EFFECT: Final = frozenset(
    {
        "punctuate",
        "smart_format",
        "version",
        "tag",
        "extra",
        "mip_opt_out",
        "callback_method",
        "tier",
    }
)
"""Passed over without a word: text has the punctuation that its model writes, and the rest changes no text."""

KEYWORD: Final = re.compile(r"(.+?)(?::(-?[\d.]+))?", re.DOTALL)
"""A word and its weight."""

OFF: Final = ("false", "")

Value = TypeVar("Value")
Default = TypeVar("Default")


class Asked(msgspec.Struct, frozen=True):
    """What a query asks for."""

    options: StreamOptions
    interim: bool = False
    vad_events: bool = False
    utterance_end_ms: int | None = None
    """Silence after the last word that is to be told."""
    pauses: bool = True
    """Whether pauses are told with ``speech_final``."""
    utterances: bool = False
    """Whether the answer to a recording lists its utterances."""
    warnings: tuple[DeepgramWarning, ...] = ()


def read_query(items: Iterable[tuple[str, str]]) -> Asked:
    """Read the parameters, which may repeat.

    Raises:
        ProtocolError: a value that cannot be used, or a wish that cannot be followed.
        UnsupportedAudioError: audio that cannot be decoded here.
    """
    query = _Query(items)
    for name, reason in REFUSED.items():
        if query.take(name, str, "false") not in OFF:
            raise ProtocolError(f"{name} cannot be had: {reason}", param=name)
    interim = query.take("interim_results", _truth, default=False)
    endpointing = query.take("endpointing", _endpointing, default=True)
    encoding, rate_hz, channels = _audio(query)
    asked = Asked(
        options=StreamOptions(
            model=query.take("model", _model, None),
            language=_language(query),
            interim=interim,
            words=True,
            endpointing_ms=None if isinstance(endpointing, bool) else endpointing,
            hotwords=_hotwords(query),
            n_best=query.take("alternatives", _whole(1, MAX_ALTERNATIVES), None),
            encoding=encoding,
            sample_rate=rate_hz,
            channels=channels,
        ),
        interim=interim,
        vad_events=query.take("vad_events", _truth, default=False),
        utterance_end_ms=query.take("utterance_end_ms", _whole(1000, 5000), None),
        pauses=endpointing is not False,
        utterances=query.take("utterances", _truth, default=False),
    )
    return msgspec.structs.replace(asked, warnings=query.warnings())


class _Query:
    """Parameters, and which of them were looked at."""

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in items:
            self._values.setdefault(name, []).append(value)

    def take(self, name: str, read: Callable[[str], Value], default: Default) -> Value | Default:
        """The last value of ``name``."""
        values = self.take_all(name)
        if not values:
            return default
        try:
            return read(values[-1])
        except ValueError as error:
            raise ProtocolError(
                f"{name} = {values[-1][:100]!r} is not usable; {error}", param=name
            ) from error

    def take_all(self, name: str) -> list[str]:
        """All values of ``name``."""
        return self._values.pop(name, [])

    def warnings(self) -> tuple[DeepgramWarning, ...]:
        """What was not taken, and asks for something."""
        left = (
            name
            for name, values in self._values.items()
            if name not in WITHOUT_EFFECT and values[-1] not in OFF
        )
        return tuple(
            DeepgramWarning(
                name[:64], "unsupported_parameter", "this server cannot do it; it was ignored"
            )
            for name, _ in zip(left, range(16), strict=False)
        )


def _audio(query: _Query) -> tuple[Encoding, int | None, int | None]:
    """Encoding, rate and channels; the last two are None where the bytes say them."""
    name = query.take("encoding", str, "")
    rate_hz = query.take("sample_rate", _whole(MIN_RATE_HZ, MAX_RATE_HZ), None)
    channels = query.take("channels", _whole(1, MAX_CHANNELS), None)
    if not name:
        return "auto", None, None
    if name not in ENCODINGS:
        raise UnsupportedAudioError(
            f"encoding {name[:100]!r} is not known here; use one of {', '.join(ENCODINGS)}",
            param="encoding",
        )
    encoding = ENCODINGS[name]
    if encoding not in SAMPLE_BYTES:
        return encoding, None, None
    if rate_hz is None:
        raise ProtocolError(f"{name} needs a sample_rate; add it", param="sample_rate")
    return encoding, rate_hz, channels


def _hotwords(query: _Query) -> tuple[str, ...] | None:
    """Words to expect. ``keywords`` may carry a weight: a negative one means the opposite, and is left out."""
    weighed = (KEYWORD.fullmatch(word) for word in query.take_all("keywords"))
    keywords = [found[1] for found in weighed if found and not (found[2] or "").startswith("-")]
    words = tuple(word for word in (*query.take_all("keyterm"), *keywords) if word.strip())
    if len(words) > MAX_HOTWORDS or any(len(word) > MAX_HOTWORD_CHARS for word in words):
        raise ProtocolError(
            f"{MAX_HOTWORDS} terms of {MAX_HOTWORD_CHARS} characters are allowed; leave some out",
            param="keyterm",
        )
    return words or None


def _language(query: _Query) -> str | None:
    """``en`` for ``en-US``; None where the model is to decide."""
    detect = query.take("detect_language", str, "false") not in OFF
    language = query.take("language", str, "multi").partition("-")[0].lower()
    if detect or language == "multi":
        return None
    if not re.fullmatch("[a-z]{2,3}", language):
        raise ProtocolError(
            "language is not usable; give a code such as en or en-US", param="language"
        )
    return language


def _model(name: str) -> str | None:
    if not name or name in DEFAULT_NAMES or FOREIGN_MODELS.fullmatch(name):
        return None
    if len(name) > 200:
        raise ValueError("give the name of a model that is here")
    return name


def _endpointing(value: str) -> int | bool:
    if value in ("true", "false"):
        return value == "true"
    silence_ms = _whole(0, 60_000)(value)
    return min(max(silence_ms, MIN_ENDPOINTING_MS), MAX_ENDPOINTING_MS)


def _truth(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("say true or false")
    return value == "true"


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise ValueError(f"give a whole number from {low} to {high}")
        return int(value)

    return read
