"""What models are measured with: rows of noise from a fixed seed. Thread: any (pure functions)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapless.bench.small_model import SEED, WIDTHS

if TYPE_CHECKING:
    from gapless.infer.contract import Array

WINDOW_SAMPLES = 576
"""What the voice detector takes: 64 samples of context and 512 new ones."""


def rows(count: int) -> dict[str, Array]:
    """Rows for the small model."""
    import numpy as np

    return {"x": np.random.default_rng(SEED).standard_normal((count, WIDTHS[0]), np.float32)}


def voice_window() -> dict[str, Array]:
    """A window of faint noise for the voice detector, at 16 kHz."""
    import numpy as np

    noise = np.random.default_rng(SEED).standard_normal((1, WINDOW_SAMPLES), np.float32)
    return {"input": noise * np.float32(0.01)}
