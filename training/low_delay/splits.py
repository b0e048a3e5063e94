"""Who and what is heard in training, in validation and in the test: speakers, languages and families of noise.

In: nothing. Out: lists. Invariants: no speaker and no invented voice is in two splits; no language and no family of
noise that is ``HELD_OUT`` for the test is in another split. Thread: any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, get_args

from commands_en import speech

Split = Literal["train", "validation", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)


def listed(name: str) -> list[str]:
    """The words of a file in ``lists``."""
    return (Path(__file__).parent / "lists" / f"{name}.txt").read_text(encoding="utf-8").split()


VOICES: Final[dict[Split, list[str]]] = {
    "train": speech.TRAINING_VOICES,
    "validation": speech.VALIDATION_VOICES,
    "test": speech.TEST_VOICES,
}
"""Variants of espeak-ng; those that ``commands_en`` keeps apart are kept apart here too."""

INVENTED_SHARE: Final[dict[Split, float]] = {"train": 0.5, "validation": 0.25, "test": 0.25}
"""How many of the synthetic speakers have a voice that espeak-ng does not have."""

LANGUAGES: Final[dict[Split, list[str]]] = {
    "train": [*speech.ACCENTS, *listed("languages-of-train")],
    "validation": [*speech.ACCENTS, *listed("languages-of-validation")],
    "test": [*speech.UNSEEN_ACCENTS, *listed("languages-of-test")],
}
"""Voices of espeak-ng, which name languages and accents. Validation shares the accents of English with training."""

FAMILIES: Final = (
    *("coloured", "hum", "fan", "keyboard", "knocks", "hiss", "traffic", "babble", "music"),
    *("rustle", "dishes"),
)
"""Families of noise that every split has; the voices of a babble are those of the split."""

HELD_OUT: Final = ("rain", "siren", "drill", "wind")
"""Families of noise that only the test has."""


def families(split: Split) -> tuple[str, ...]:
    """The families of noise that a split may draw from."""
    return (*FAMILIES, *HELD_OUT) if split == "test" else FAMILIES
