"""Which models lie in the folders, and which of their versions.

In: folders that hold ``NAME/manifest.toml`` (or ``config.pbtxt``) and ``NAME/VERSION/model.onnx``. A folder that holds
``recogniser.toml`` is a recogniser's: the models in it are its parts, and are called ``NAME.PART``. Out: an ``Entry``
for each model. Invariants: what changes counts once two scans in a row saw it the same, so that nothing is taken while
it is being written; nothing in a folder stops a scan: a model that cannot be served is an entry that says why; names
are plain, so that none leads out of its folder. No model is loaded here. Thread: one at a time; the caller locks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias, final

import msgspec

from gapless.errors import GaplessError
from gapless.infer.repository.manifest import Manifest
from gapless.infer.repository.manifest_file import DESCRIPTIONS, read_manifest

REMOTE_VERSION: Final = 1
"""The version here of a model that runs elsewhere."""

PARTED: Final = "recogniser.toml"
"""The file by which a folder says that it holds the parts of one recogniser."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")

FileMark: TypeAlias = tuple[str, int, int, int]
"""A file's name, size, time of its last change and number on the disk: what tells one state of it from another."""
Marks: TypeAlias = tuple[FileMark, ...]


class VersionEntry(msgspec.Struct, frozen=True):
    """One version of a model."""

    number: int
    path: Path | None
    """Its file; None for a model that runs elsewhere."""
    marks: Marks
    """Of all files that it depends on: when they change, it is another model."""


class Entry(msgspec.Struct, frozen=True):
    """A model, as its folder has it."""

    name: str
    manifest: Manifest | None
    """None if what the folder says cannot be read."""
    versions: tuple[VersionEntry, ...] = ()
    """Those that are to be served, ascending."""
    trouble: str = ""
    """Why none is served."""


class _Snapshot(msgspec.Struct, frozen=True):
    """All that a model's folder holds, as it was at one moment."""

    folder: Path
    marks: Marks
    """Of the files that lie beside the versions."""
    versions: tuple[tuple[int, Marks], ...]


@final
class Repository:
    """Models in folders.

    Args:
        roots: folders of models; where two hold the same name, the later one's counts.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(roots)
        self._seen: dict[str, _Snapshot] | None = None
        self._settled: dict[str, tuple[_Snapshot, Entry]] = {}

    def scan(self) -> dict[str, Entry]:
        """Look once at everything; the first scan takes what it finds.

        Raises:
            OSError: a folder is there and cannot be read.
        """
        before, self._seen = self._seen, self._snapshots()
        for name in self._seen.keys() | self._settled.keys():
            now = self._seen.get(name)
            if before is None or before.get(name) == now:
                self._settle(name, now)
        return {name: entry for name, (_, entry) in sorted(self._settled.items())}

    def look(self, name: str) -> Entry | None:
        """One model as it is at this moment, be it still being written; None if there is none.

        Raises:
            OSError: a folder is there and cannot be read.
        """
        snapshot = self._snapshots().get(name)
        if self._seen is not None:
            if snapshot is None:
                self._seen.pop(name, None)
            else:
                self._seen[name] = snapshot
        self._settle(name, snapshot)
        return self._settled[name][1] if snapshot else None

    def _settle(self, name: str, snapshot: _Snapshot | None) -> None:
        if snapshot is None:
            self._settled.pop(name, None)
        elif name not in self._settled or self._settled[name][0] != snapshot:
            self._settled[name] = snapshot, _entry(name, snapshot)

    def _snapshots(self) -> dict[str, _Snapshot]:
        return {
            name: snapshot
            for root in self._roots
            for name, folder in _models(root)
            if (snapshot := _snapshot(folder)) is not None
        }


def _models(root: Path) -> Iterator[tuple[str, Path]]:
    """Folders in a root that may be models', each with the name it would have."""
    for name, folder in _folders(root):
        if (folder / PARTED).is_file():
            for part, inner in _folders(folder):
                yield f"{name}.{part}", inner
        else:
            yield name, folder


def _folders(root: Path) -> Iterator[tuple[str, Path]]:
    """Folders that are not hidden; a name that is none for a model is given with its odd characters spelled out."""
    try:
        found = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in found:
        if not name.startswith("."):
            yield name.encode("ascii", "backslashreplace").decode(), root / name


def _snapshot(folder: Path) -> _Snapshot | None:
    """What a folder holds; None if it is no model's."""
    try:
        marks, folders = _look_into(folder)
        versions = tuple(
            (int(name), _look_into(folder / name)[0])
            for name in folders
            if _VERSION.fullmatch(name)
        )
    except OSError:
        # It vanished meanwhile, or may not be read; the next scan tells.
        return None
    described = any(name in DESCRIPTIONS for name, *_ in marks)
    if not described and not any(marks for _, marks in versions):
        return None
    return _Snapshot(folder, marks, versions)


def _look_into(folder: Path) -> tuple[Marks, list[str]]:
    """The files and folders in a folder that are not hidden."""
    marks, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif entry.is_file():
                stat = entry.stat()
                marks.append((entry.name, stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(sorted(marks)), folders


def _entry(name: str, snapshot: _Snapshot) -> Entry:
    if not _NAME.fullmatch(name):
        return Entry(
            name,
            None,
            trouble=f"a model cannot be called {name!r}; rename its folder to letters, digits, '_', '.' and '-'",
        )
    try:
        manifest = read_manifest(snapshot.folder)
    except GaplessError as error:
        return Entry(name, None, trouble=error.message)
    except Exception as error:  # noqa: BLE001  whatever a file does to its parser, the others are served
        return Entry(name, None, trouble=f"its description cannot be read: {error!r}")
    if manifest.platform == "triton":
        return Entry(name, manifest, (VersionEntry(REMOTE_VERSION, None, snapshot.marks),))
    complete = [
        VersionEntry(number, snapshot.folder / str(number) / manifest.file, snapshot.marks + marks)
        for number, marks in sorted(snapshot.versions)
        if any(file == manifest.file for file, *_ in marks)
    ]
    kept = _kept(manifest, complete)
    if kept:
        return Entry(name, manifest, kept)
    return Entry(name, manifest, trouble=_nothing_kept(manifest, complete))


def _kept(manifest: Manifest, versions: list[VersionEntry]) -> tuple[VersionEntry, ...]:
    """Those that the manifest's ``versions`` asks for."""
    wanted = manifest.versions
    if wanted == "all":
        return tuple(versions)
    if isinstance(wanted, int):
        return tuple(versions[-wanted:])
    return tuple(version for version in versions if version.number in wanted)


def _nothing_kept(manifest: Manifest, versions: list[VersionEntry]) -> str:
    if not versions:
        return f"there is no version with a {manifest.file}; put one into the folder 1 beside the manifest"
    here = ", ".join(str(version.number) for version in versions)
    return f"of the versions that the manifest asks for none is here; here are {here}"
