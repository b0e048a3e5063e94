"""A recogniser's folder: what a profile makes of a model's files, and writing it down.

In: what a profile found out. Out: part folders with their manifests, tokens, and ``recogniser.toml``. Invariants:
``recogniser.toml`` is written last, so that a folder that has it is whole; files that were linked from elsewhere are
never written to. Thread: one at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from gapless.infer.repository.manifest import Manifest
from gapless.infer.repository.manifest_file import MANIFEST_FILE as PART_MANIFEST
from gapless.listen.recogniser.profiles.files import weight_files
from gapless.listen.recogniser.profiles.toml import to_toml
from gapless.listen.recogniser.streaming.manifest import MANIFEST_FILE, RecogniserManifest

VERSION: Final = "1"


class PartLayout(msgspec.Struct, frozen=True):
    """One network of a recogniser."""

    name: str
    file: Path
    manifest: Manifest


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """A recogniser, described."""

    manifest: RecogniserManifest
    tokens: tuple[str, ...]
    parts: tuple[PartLayout, ...]


def lay_out(folder: Path, layout: Layout) -> None:
    """Make a recogniser of the files in a folder; they are moved into the folders of their parts.

    Raises:
        ModelError: a file with weights is missing.
        OSError: the folder cannot be written.
    """
    moves = []
    for part in layout.parts:
        inner = folder / part.name / VERSION
        moves += [(part.file, inner / part.manifest.file)]
        moves += [(weights, inner / weights.name) for weights in weight_files(part.file)]
    for source, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(source, target)
    for part in layout.parts:
        _write(folder / part.name / PART_MANIFEST, to_toml(part.manifest))
    lines = "".join(f"{token} {number}\n" for number, token in enumerate(layout.tokens))
    _write(folder / layout.manifest.tokens, lines)
    write_manifest(folder, layout.manifest)


def write_manifest(folder: Path, manifest: RecogniserManifest) -> None:
    """Write ``recogniser.toml``, in place of one that is there.

    Raises:
        OSError: it cannot be written.
    """
    _write(folder / MANIFEST_FILE, to_toml(manifest))


def _move(source: Path, target: Path) -> None:
    if source.is_symlink():
        # What it points to may be said from where it lies.
        target.symlink_to(source.resolve())
        source.unlink()
    else:
        source.rename(target)


def _write(path: Path, text: str) -> None:
    """Put a whole file in the place of one that may be a link to somebody's own."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, "utf-8")
    draft.replace(path)
