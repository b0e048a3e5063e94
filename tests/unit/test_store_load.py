"""What the load of the database suites takes for kept."""

from __future__ import annotations

import pytest

from gapless.testing.store_load import Said, holds


@pytest.mark.parametrize(
    ("kept", "unsaved", "well"),
    [
        pytest.param(["a", "b", "a"], (), True, id="all"),
        pytest.param(["a", "b"], (), False, id="one_lost"),
        pytest.param(["a", "b", "a", "a"], (), False, id="one_doubled"),
        pytest.param(["b", "a", "a"], (), False, id="another_order"),
        pytest.param(["a", "x", "a"], (), False, id="another_text"),
        pytest.param(["a", "a"], (1,), True, id="unsaved_and_missing"),
        pytest.param(["a", "b", "a"], (1,), True, id="unsaved_but_kept_later"),
        pytest.param(["b", "a"], (1,), False, id="another_than_the_unsaved_one_missing"),
        pytest.param([], (0, 1, 2), True, id="nothing_saved"),
    ],
)
def test_what_was_acknowledged_is_there_once_and_in_order(
    kept: list[str], unsaved: tuple[int, ...], well: bool
) -> None:
    said = Said("stream", "a.flac", ("a", "b", "a"), frozenset(unsaved))

    assert holds(kept, said) is well
