"""Errors of words, and CTC's rule of reading a path.

In: lists of words. Out: counts. Thread: any.
"""

from __future__ import annotations

from collections.abc import Sequence


def edit_distance(reference: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest words to insert, delete or replace (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other)),
            )
    return row[-1]


def word_error_rate(references: Sequence[Sequence[str]], heard: Sequence[Sequence[str]]) -> float:
    """Errors per word of the references."""
    errors = sum(edit_distance(a, b) for a, b in zip(references, heard, strict=True))
    return errors / max(1, sum(map(len, references)))


def collapsed(path: Sequence[int]) -> list[int]:
    """The labels of a CTC path: repetitions and blanks fall out."""
    return [t for i, t in enumerate(path) if t and (i == 0 or path[i - 1] != t)]
