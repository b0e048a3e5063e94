from __future__ import annotations

import numpy as np
import pytest

from gapless.clean.repair import LOUDEST, repaired


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.nan, 0.0),
        (np.inf, LOUDEST),
        (-np.inf, -LOUDEST),
        (3e38, LOUDEST),
        (-2.5, -LOUDEST),
        (2.0, 2.0),
        (1.5, 1.5),
        (1e-40, 1e-40),
    ],
    ids=str,
)
def test_each_sample_is_judged_by_itself(given: float, expected: float) -> None:
    samples = np.array([0.25, given, -0.0], np.float32)
    before = samples.copy()

    assert repaired(samples).tobytes() == np.array([0.25, expected, -0.0], np.float32).tobytes()
    assert samples.tobytes() == before.tobytes()


def test_the_result_is_the_callers_own() -> None:
    samples = np.zeros(4, np.float32)
    repaired(samples).fill(1)
    assert not samples.any()
