"""What `gapless bench autoconfig` asks of a server, really asked."""

from __future__ import annotations

import pytest

from gapless.bench.contenders.served import FIGURES, everything, overall
from gapless.bench.speech import SOUNDS


@pytest.mark.long
def test_a_server_answers_everything_and_every_row_has_a_figure() -> None:
    asked = everything(
        settings={"tuning": "auto"},
        model="commands-en",
        speech=str(SOUNDS),
        streams=1,
        callers=2,
        uploads=1,
    )
    with asked as work:
        samples = work(0.1)

    assert samples.took_ns
    for name in (*FIGURES, "infer_per_s", "files_per_min", "resident_mib"):
        assert samples.figures[name] > 0, name
    assert samples.figures["overall_score"] == overall(samples.figures)


def test_twice_as_fast_in_all_rows_is_twice_the_score() -> None:
    slow = dict.fromkeys(FIGURES, 8.0)
    fast = dict.fromkeys(FIGURES, 4.0)
    assert overall(fast) == pytest.approx(2 * overall(slow))
    mixed = slow | {FIGURES[0]: 16.0, FIGURES[1]: 4.0}
    assert overall(mixed) == pytest.approx(overall(slow))
