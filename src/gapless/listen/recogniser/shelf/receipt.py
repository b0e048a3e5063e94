"""What is written down about a model when it comes: from where, under which terms, and the sum of every file.

In: a model's folder. Out: ``receipt.json`` in it, and later what no longer agrees with it. Invariants: sums are taken
of what lies on the disk, not of what was sent; files that came later (an 8-bit version, a report) are not looked at.
Thread: any; blocks while files are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from gapless.errors import ModelError

RECEIPT_FILE: Final = "receipt.json"

BLOCK_BYTES: Final = 1024 * 1024


class ReceiptFile(msgspec.Struct, frozen=True):
    """One file, as it came."""

    name: str
    """Relative to the model's folder, with slashes."""
    size_bytes: int
    sha256: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A model, as it came."""

    source: str
    revision: str = ""
    licence: str = ""
    files: tuple[ReceiptFile, ...]

    @property
    def size_bytes(self) -> int:
        """All files."""
        return sum(file.size_bytes for file in self.files)


def write_receipt(folder: Path, *, source: str, revision: str = "", licence: str = "") -> Receipt:
    """Sum all files of a folder and write the receipt beside them."""
    files = tuple(
        ReceiptFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path))
        for path in sorted(_files(folder))
    )
    receipt = Receipt(source=source, revision=revision, licence=licence, files=files)
    (folder / RECEIPT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(receipt)) + b"\n")
    return receipt


def read_receipt(folder: Path) -> Receipt | None:
    """The receipt of a model; None for one that was put here by hand.

    Raises:
        ModelError: it is there and cannot be read.
    """
    path = folder / RECEIPT_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Receipt)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(
            f"{path} cannot be read ({error}); remove the model and pull or add it again"
        ) from error


def differences(
    folder: Path, receipt: Receipt, checked: Callable[[int], None] = lambda _bytes: None
) -> tuple[str, ...]:
    """What is no longer as it came, a few words a file.

    Args:
        folder: the model.
        receipt: what it was.
        checked: told the bytes of each file that was looked at.
    """
    return tuple(
        trouble for file in receipt.files if (trouble := _difference(folder, file, checked))
    )


def sha256_of(path: Path) -> str:
    """Of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _difference(folder: Path, file: ReceiptFile, checked: Callable[[int], None]) -> str:
    path = folder / file.name
    try:
        if path.stat().st_size != file.size_bytes:
            return f"{file.name} has {path.stat().st_size} bytes and not {file.size_bytes}"
        found = sha256_of(path)
    except FileNotFoundError:
        return f"{file.name} is missing"
    except OSError as error:
        return f"{file.name} cannot be read ({error.strerror})"
    checked(file.size_bytes)
    return "" if found == file.sha256 else f"{file.name} is damaged"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path != folder / RECEIPT_FILE)
