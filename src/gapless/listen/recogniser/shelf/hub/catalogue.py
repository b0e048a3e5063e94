"""Open models that are known by a name of their own: where they are, what they weigh, and what they may be used for.

In: ``catalogue.toml`` beside this. Out: a ``CatalogueModel`` each. Invariants: names and files are plain, so that none
leads out of its folder; a model's files are fetched from one revision. Nothing here was measured by Gapless:
``quality`` and ``cpus`` are expectations that order models, taken from published word error rates and from size.
Thread: any (immutable data).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import msgspec

MEBIBYTE: Final = 1024 * 1024

SMALL_BYTES: Final = 200 * MEBIBYTE
MEDIUM_BYTES: Final = 1024 * MEBIBYTE

PLAIN_NAME: Final = re.compile(r"(?!\.)[\w.-]{1,128}", re.ASCII)
"""What a model, and a file of one, may be called: no folders, nothing hidden."""


class CatalogueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model."""

    path: str
    """In the repository."""
    name: str = ""
    """On this machine; empty: the last part of ``path``."""
    size_bytes: int | None = None
    sha256: str | None = None
    """Hexadecimal. None: not known here, what the hub says counts."""

    @property
    def local_name(self) -> str:
        """What it is called here."""
        return self.name or self.path.rpartition("/")[2]


class CatalogueModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model that can be pulled by name."""

    name: str
    repository: str
    revision: str
    """A commit, or ``main`` where none was found."""
    engine: Literal["ctranslate2", "gapless"]
    """What runs it: faster-whisper's CTranslate2, or the inference engine with our decoders."""
    family: str
    languages: tuple[str, ...]
    """ISO 639-1; empty: about a hundred, and it tells them apart itself."""
    quality: int
    """1 to 5, how well it should write down whatever is said; from published word error rates."""
    cpus: int
    """Usable CPUs from which on it should keep up with one live stream; from its size."""
    licence: str
    word_times: bool
    description: str
    files: tuple[CatalogueFile, ...]

    @property
    def live(self) -> bool:
        """Whether it gives partial results while speech goes on."""
        return self.engine == "gapless"

    @property
    def size_bytes(self) -> int | None:
        """All its files; None while one is not known."""
        sizes = [file.size_bytes for file in self.files if file.size_bytes is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    @property
    def size_class(self) -> Literal["small", "medium", "large", "unknown"]:
        """Up to 200 MB, up to 1 GB, more."""
        if self.size_bytes is None:
            return "unknown"
        if self.size_bytes <= SMALL_BYTES:
            return "small"
        return "medium" if self.size_bytes <= MEDIUM_BYTES else "large"

    @property
    def verified(self) -> bool:
        """Whether the sum of every file was known before it is pulled."""
        return all(file.sha256 for file in self.files)


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: tuple[CatalogueModel, ...]


@cache
def catalogue() -> dict[str, CatalogueModel]:
    """All models, by name, in the order of the file."""
    text = files(__package__).joinpath("catalogue.toml").read_text("utf-8")
    models = msgspec.toml.decode(text, type=_Catalogue).model
    return {model.name: model for model in models}
