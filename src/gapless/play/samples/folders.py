"""Which files are in the folders of sounds.

In: folders. Out: names (the folders in them) and the files of each, sorted. Invariants: bounded: nothing is looked at
deeper than ``folder/name/file``, and no more than so many entries of a folder; a folder that cannot be read is
remarked upon. Thread: any; blocks while the disk does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

ENDINGS: Final = frozenset({".wav", ".flac", ".aif", ".aiff", ".ogg"})
MAX_ENTRIES: Final = 20_000
"""Of a folder that are looked at."""

Say = Callable[[str], None]


def names_in(folders: Sequence[Path], say: Say) -> dict[str, Path]:
    """Folders in folders, by name; of those with the same name the one in the first of ``folders``."""
    found = {}
    for folder in reversed(folders):
        entries = [entry for entry in entries_of(folder, say) if is_kind(entry, os.DirEntry.is_dir)]
        if not entries:
            say(f"{folder} has no folders with sounds in them; put each kind of sound in one")
        found.update({entry.name: Path(entry.path) for entry in entries})
    return found


def files_in(folder: Path, say: Say) -> tuple[Path, ...]:
    """The files of sound in a folder, sorted by name."""
    return tuple(
        sorted(
            Path(entry.path)
            for entry in entries_of(folder, say)
            if not entry.name.startswith(".")
            and Path(entry.name).suffix.lower() in ENDINGS
            and is_kind(entry, os.DirEntry.is_file)
        )
    )


def entries_of(folder: Path, say: Say) -> list[os.DirEntry[str]]:
    """What is in a folder, in no order; nothing if it cannot be read."""
    try:
        with os.scandir(folder) as scan:
            entries = list(islice(scan, MAX_ENTRIES + 1))
    except OSError as error:
        reason = error.strerror or str(error)
        say(f"the folder {folder} cannot be read: {reason}; check its name and its permissions")
        return []
    if len(entries) > MAX_ENTRIES:
        say(f"{folder} has more than {MAX_ENTRIES} entries; the rest is left out: divide it")
        entries.pop()
    return entries


def is_kind(entry: os.DirEntry[str], kind: Callable[[os.DirEntry[str]], bool]) -> bool:
    """Whether an entry is, behind links, of a kind; one that cannot be looked at, such as a loop of links, is not."""
    try:
        return kind(entry)
    except OSError:
        return False
