"""What Wyoming's clients learn of the recognisers here, and which of them a request means.

In: the recognisers, a wish. Out: the data of ``info``; one of the recognisers. Invariants: Home Assistant takes the
first program and the languages of all its models, and then asks by language alone: so there is one program, and a
language that it offers is always heard by a model that knows it. Thread: any (pure functions).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

from gapless.errors import ModelNotFoundError, ProtocolError
from gapless.listen.recogniser.contract import RecogniserInfo
from gapless.listen.recogniser.shelf.shelf import DEFAULT_NAMES

PROGRAM: Final = "gapless"
NO_URL: Final = ""
"""Clients want an address beside each name; what is carried or was added by hand has none."""


def describe(models: Iterable[RecogniserInfo]) -> dict[str, Any]:
    """The data of ``info``: one program for speech, its models in the given order."""
    program = {
        "name": PROGRAM,
        "description": "Gapless",
        "attribution": {"name": "Gapless", "url": NO_URL},
        "installed": True,
        "version": version("gapless"),
        "models": [_model(info) for info in models],
        "supports_transcript_streaming": True,
        # The client says where an utterance ends.
        "requires_external_vad": True,
    }
    others = ("tts", "handle", "intent", "wake", "mic", "snd")
    return {"asr": [program], **{name: [] for name in others}}


def _model(info: RecogniserInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "description": info.description,
        "attribution": {"name": info.owner, "url": NO_URL},
        "installed": True,
        "version": None,
        "languages": list(info.languages),
    }


def choose(
    models: Sequence[RecogniserInfo], name: str | None, language: str | None
) -> RecogniserInfo:
    """The model of that name; without one, the first that knows the language.

    Args:
        models: the default first.
        name: as in ``transcribe``.
        language: ISO 639-1.

    Raises:
        ModelNotFoundError: no such model.
        ProtocolError: no model knows the language.
    """
    if name and name not in DEFAULT_NAMES and name != PROGRAM:
        for model in models:
            if model.name == name:
                model.require_language(language)
                return model
        raise ModelNotFoundError(
            f"there is no model {name[:200]!r} here; `describe` lists those there are", param="name"
        )
    for model in models:
        if language is None or not model.languages or language in model.languages:
            return model
    raise ProtocolError(
        f"no model here knows the language {language!r}; add one, or ask for another language",
        param="language",
    )
