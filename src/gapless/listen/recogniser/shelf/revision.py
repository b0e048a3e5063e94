"""Which state of a recogniser is here: what tells its answers from those of another under the same name.

In: a recogniser's folder. Out: a digest. Invariants: any file that is another, or another Gapless, has another digest.
Thread: any; blocks while all files are read, which takes about a second for a gigabyte.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Final

DIGEST_BYTES: Final = 16


def revision_of(folder: Path | None) -> str:
    """The digest of a recogniser, in hexadecimal.

    Args:
        folder: holds its files; None for PocketSphinx, whose files come with its package.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for package in ("gapless", "pocketsphinx") if folder is None else ("gapless",):
        digest.update(f"{package} {version(package)}\0".encode())
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder else ()
    for path in files:
        digest.update(f"{path.relative_to(folder or path).as_posix()}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
