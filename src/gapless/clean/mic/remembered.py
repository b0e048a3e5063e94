"""What a virtual microphone remembers of its devices until it runs again.

In: what to remember. Out: the same, in a small file in the user's state folder. Invariants: a file is written whole or
not at all; one that cannot be read is as if there were none. Thread: one at a time.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

from gapless.errors import StoreError


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """Devices of one virtual microphone."""

    wanted: str | None = None
    """What was asked for; None: the default."""
    last: str | None = None
    """Name of the device used last."""


def recall(file: Path) -> Remembered:
    """What is remembered; nothing where the file is missing or damaged."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Remembered)
    except (OSError, msgspec.DecodeError):
        return Remembered()


def remember(file: Path, devices: Remembered) -> None:
    """Write it down.

    Raises:
        StoreError: the file cannot be written.
    """
    write_atomically(file, msgspec.json.encode(devices))


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file, and the folders it lies in, so that a reader sees the old content or the new one.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            Path(draft).replace(file)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(
            f"{file} cannot be written ({error.strerror}); see that its folder is yours and has room"
        ) from error
