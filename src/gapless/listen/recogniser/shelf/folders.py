"""Folders that hold a recogniser: which kind each is, what is known of it unloaded, and making one of ONNX files.

In: folders. Out: a kind, or a ``RecogniserInfo``. Kinds: ``whisper`` (CTranslate2 format) and ``streaming`` (a
``recogniser.toml`` with the networks it names). Invariants: no model is loaded here; a folder that is broken is told,
and stops no listing. Thread: any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from gapless.errors import ModelError
from gapless.listen.recogniser.contract import RecogniserInfo
from gapless.listen.recogniser.shelf.hub.catalogue import catalogue
from gapless.listen.recogniser.streaming.manifest import MANIFEST_FILE
from gapless.listen.recogniser.whisper.recogniser import (
    MODEL_FILES,
    is_whisper_folder,
    whisper_info,
)

FolderKind: TypeAlias = Literal["whisper", "streaming"]

WHISPER_FILES: Final = (*MODEL_FILES, "vocabulary.*", "preprocessor_config.json")
"""Patterns of all files of a Whisper."""

CARRIED: Final = Path(__file__).parents[1] / "carried"
"""Recognisers that come with Gapless."""


def folder_kind(folder: Path) -> FolderKind | None:
    """What a folder holds; None: no recogniser."""
    if (folder / MANIFEST_FILE).is_file():
        return "streaming"
    return "whisper" if is_whisper_folder(folder) else None


def recogniser_folders(root: Path) -> dict[str, Path]:
    """Folders with recognisers in a folder, by name. A dot hides what is still being pulled or removed."""
    if not root.is_dir():
        return {}
    return {
        entry.name: entry
        for entry in sorted(root.iterdir())
        if not entry.name.startswith(".") and folder_kind(entry) is not None
    }


def folder_info(name: str, folder: Path) -> RecogniserInfo:
    """What is known of a recogniser before it is loaded."""
    if folder_kind(folder) == "whisper":
        info, known = whisper_info(name), catalogue().get(name)
        if known is None or known.engine != "ctranslate2":
            return info
        return msgspec.structs.replace(
            info, languages=known.languages, licence=known.licence, description=known.description
        )
    from gapless.listen.recogniser.streaming.recogniser import read_folder

    try:
        said = read_folder(folder)
    except ModelError as error:
        return _streaming_info(name, owner="local", licence="", description=str(error))
    return _streaming_info(
        name,
        languages=said.languages,
        owner=said.owner,
        licence=said.licence,
        description=said.description,
    )


class Facts(msgspec.Struct, frozen=True):
    """What is known of a model beside its files."""

    languages: tuple[str, ...]
    owner: str
    licence: str
    description: str


def make_recogniser(folder: Path, facts: Facts | None = None) -> FolderKind:
    """See to it that a folder is a recogniser; ONNX files of a known profile get a ``recogniser.toml``.

    Args:
        folder: with the model's files.
        facts: written into that ``recogniser.toml``.

    Raises:
        ModelError: it holds nothing that runs here.
    """
    kind = folder_kind(folder)
    if kind is not None:
        return kind
    if not any(folder.glob("*.onnx")):
        raise ModelError(
            f"{folder.name} holds no Whisper model in CTranslate2 format ({', '.join(MODEL_FILES)} and a vocabulary) "
            "and no ONNX files; choose another folder or model"
        )
    from gapless.listen.recogniser.profiles.detect import describe
    from gapless.listen.recogniser.profiles.layout import write_manifest

    manifest = describe(folder)
    if facts is not None:
        write_manifest(folder, msgspec.structs.replace(manifest, **msgspec.structs.asdict(facts)))
    return "streaming"


def _streaming_info(
    name: str, *, owner: str, licence: str, description: str, languages: tuple[str, ...] = ()
) -> RecogniserInfo:
    return RecogniserInfo(
        name=name,
        kind="streaming",
        languages=languages,
        word_times=True,
        owner=owner,
        licence=licence,
        description=description,
        blocks=False,
    )
