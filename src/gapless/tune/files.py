"""Small files by which a system tells facts of itself.

In: a path. Out: its text, its numbers. Invariants: what cannot be read or is no number tells nothing. Thread: any.
"""

from __future__ import annotations

from pathlib import Path

MOST_CHARACTERS = 65_536
"""Read of a file at most; what is looked for stands near the beginning (128 processors write a megabyte)."""


def text_of(path: Path) -> str:
    """What a file holds; empty if it cannot be read (there are systems without it, and without parts of the kernel)."""
    try:
        with path.open("r", encoding="utf-8", errors="replace") as file:
            return file.read(MOST_CHARACTERS)
    except OSError:
        return ""


def number_of(text: str | None) -> float | None:
    """The number that a text is."""
    try:
        return float((text or "").strip())
    except ValueError:
        return None


def pairs_of(text: str, separator: str) -> dict[str, str]:
    """Lines such as ``MemTotal: 4 kB`` or ``inactive_file 4096``, the first of each name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, split, value = line.partition(separator)
        if split:
            found.setdefault(name.strip(), value.strip())
    return found


def listed(text: str) -> tuple[int, ...]:
    """The numbers of a list as the kernel writes it: ``0-3,8`` is 0, 1, 2, 3, 8; none if it is no list."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        try:
            numbers.extend(range(int(low), int(high or low) + 1))
        except ValueError:
            return ()
    return tuple(numbers)
