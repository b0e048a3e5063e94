from __future__ import annotations

from typing import Literal

import pytest

from gapless.clean.amount import USUAL_AMOUNT, amount_of


@pytest.mark.parametrize(
    ("asked", "default", "amount"),
    [
        (None, 0.0, 0.0),
        (None, 0.3, 0.3),
        ("off", 0.3, 0.0),
        ("on", 0.0, USUAL_AMOUNT),
        ("on", 0.3, 0.3),
        (1, 0.3, 1.0),
        (0.0, 0.3, 0.0),
    ],
)
def test_what_is_asked_for_goes_before_the_setting(
    asked: float | Literal["off", "on"] | None, default: float, amount: float
) -> None:
    assert amount_of(asked, default) == amount
