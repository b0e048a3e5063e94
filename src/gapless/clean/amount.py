"""What people mean by "denoise": off, on, or an amount.

In: what was asked for and what the settings say. Out: an amount, 0..1. Thread: any.
"""

from __future__ import annotations

from typing import Final, Literal

USUAL_AMOUNT: Final = 0.8
"""What "on" means: in steady noise it saved most words, and unlike 1.0 it cost none on clean speech (see
docs/explanation/denoising-and-recognition.md)."""


def amount_of(asked: float | Literal["off", "on"] | None, default: float) -> float:
    """The amount to use, where ``default`` is what the settings say."""
    match asked:
        case None:
            return default
        case "off":
            return 0.0
        case "on":
            return default or USUAL_AMOUNT
    return float(asked)
