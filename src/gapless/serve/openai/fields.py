"""The forms of transcription and translation requests: fields as clients spell them, read into one checked struct.

In: names and values in the order they were sent. Out: a request, and from it the options to listen
with. Invariants: a value that would change the answer and cannot be honoured is refused with the field at fault; a
field that nobody knows is passed over and named. Thread: any (pure functions).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import replace

from gapless.clean.amount import amount_of
from gapless.errors import ProtocolError
from gapless.listen.listener import ListenOptions
from gapless.listen.segment import SegmentOptions
from gapless.serve.language import base_language
from gapless.serve.openai.messages import (
    RecordingRequest,
    ServerVad,
    Task,
    TranscriptionRequest,
)

OPENAI_MODELS: Final = ("gpt-", "whisper-1")
"""What the names of OpenAI's own models begin with: here they mean the default."""

Kind = TypeVar("Kind", bound=RecordingRequest)

LISTS: Final = frozenset(
    {
        "hotwords",
        "include",
        "keywords",
        "known_speaker_names",
        "known_speaker_references",
        "languages",
        "timestamp_granularities",
    }
)
"""Fields that may be repeated, as ``name``, ``name[]`` or ``name[0]``."""


def read_request(
    fields: Iterable[tuple[str, str]], kind: type[Kind]
) -> tuple[Kind, tuple[str, ...]]:
    """Read the fields of a form, in any spelling that OpenAI's clients use.

    Args:
        fields: names and values, as they were sent.
        kind: what the form asks for.

    Returns:
        The request, and the names of fields that nobody knows.

    Raises:
        ProtocolError: a field is missing, repeated, unusable, or asks for what is not here; names it.
    """
    values: dict[str, Any] = {}
    unknown: list[str] = []
    for key, value in fields:
        name, bracket, inner = key.partition("[")
        if name not in kind.__struct_fields__:
            unknown.append(key)
        elif value:
            _gather(values, name, inner.removesuffix("]") if bracket else None, value)
    _unfold(values)
    try:
        request = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _refusal(error, kind) from error
    if isinstance(request, TranscriptionRequest):
        _check(request)
    return request, tuple(unknown)


def _gather(values: dict[str, Any], name: str, inner: str | None, value: str) -> None:
    """Put one field where it belongs: a list grows, an object gets a key, anything else is given once."""
    if name in LISTS:
        values.setdefault(name, []).append(value)
        return
    place, key = (values, name) if inner is None else (values.setdefault(name, {}), inner)
    if not isinstance(place, dict) or key in place:
        raise ProtocolError(f"{name} is given twice; give it once", param=name)
    place[key] = value


def _unfold(values: dict[str, Any]) -> None:
    """Take apart what may be written as one string."""
    strategy = values.get("chunking_strategy")
    if isinstance(strategy, str) and strategy.startswith("{"):
        try:
            values["chunking_strategy"] = msgspec.json.decode(strategy)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProtocolError(
                f"chunking_strategy is no JSON object ({error}); send `auto` or an object",
                param="chunking_strategy",
            ) from error
    if "hotwords" in values:
        words = (word.strip() for line in values["hotwords"] for word in line.split(","))
        values["hotwords"] = [word for word in words if word]


def _check(request: TranscriptionRequest) -> None:
    """Refuse what is understood but not to be had."""
    no_speakers = "speakers are not told apart here"
    streamable = request.response_format in ("json", "text", "diarized_json")
    for wrong, param, sentence in (
        (
            request.known_speaker_names != (),
            "known_speaker_names",
            f"{no_speakers}; leave out known_speaker_names",
        ),
        (
            request.known_speaker_references != (),
            "known_speaker_references",
            f"{no_speakers}; leave out known_speaker_references",
        ),
        (
            request.include != () and request.response_format != "json",
            "include",
            "include goes with json only; set response_format to that",
        ),
        (
            request.timestamp_granularities != () and request.response_format != "verbose_json",
            "timestamp_granularities",
            "timestamp_granularities goes with verbose_json only; set response_format to that",
        ),
        (
            request.stream and not streamable,
            "stream",
            f"{request.response_format} cannot be streamed; set response_format to json",
        ),
    ):
        if wrong:
            raise ProtocolError(sentence, param=param)


def hearing(
    request: RecordingRequest, defaults: ListenOptions, task: Task = "transcribe"
) -> ListenOptions:
    """How to listen for ``request`` where the server by itself would do as in ``defaults``."""
    recognise = replace(
        defaults.recognise,
        language=language_of(request) or defaults.recognise.language,
        prompt=request.prompt,
        temperature=request.temperature,
        hotwords=(*request.hotwords, *request.keywords) or defaults.recognise.hotwords,
        partials=False,
        task=task,
    )
    return replace(
        defaults,
        denoise=amount_of(request.denoise, defaults.denoise),
        recognise=recognise,
        segment=_segmenting(request.chunking_strategy, defaults.segment),
    )


def _segmenting(strategy: Literal["auto"] | ServerVad, defaults: SegmentOptions) -> SegmentOptions:
    if strategy == "auto":
        return defaults
    given = {
        "padding_ms": strategy.prefix_padding_ms,
        "endpointing_ms": strategy.silence_duration_ms,
        "threshold": strategy.threshold,
    }
    return replace(defaults, **{name: value for name, value in given.items() if value is not None})


def language_of(request: RecordingRequest) -> str | None:
    """The language asked for, as ISO 639-1: ``en`` for ``en-US``. Several possible ones are left to the model."""
    asked = request.language
    if asked is None and len(request.languages) == 1:
        asked = request.languages[0]
    return base_language(asked)


def is_openai_model(name: str) -> bool:
    """Whether OpenAI has a model of that name, or might have one."""
    return name.startswith(OPENAI_MODELS)


def _refusal(error: msgspec.ValidationError, kind: type[RecordingRequest]) -> ProtocolError:
    """The sentence of msgspec, with the field it is about and what may be there instead."""
    reason, _, path = str(error).partition(" - at ")
    missing = re.search(r"required field `(\w+)`", reason)
    found = re.search(r"\$\.(\w+)(?:\.(\w+))?", path)
    if found is None:
        param = missing[1] if missing else None
        return ProtocolError(f"{param or 'a field'} is missing; add it to the form", param=param)
    name, inner = found.groups()
    param = f"{name}[{inner}]" if inner else name
    choices = [] if inner else _choices(get_type_hints(kind)[name])
    advice = f"choose from {', '.join(choices)}" if choices else "/docs says what is allowed"
    return ProtocolError(f"{param} is not usable: {reason}; {advice}", param=param)


def _choices(hint: Any) -> list[str]:
    """The words that a type allows, however deep they are."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [choice for inner in get_args(hint) for choice in _choices(inner)]
