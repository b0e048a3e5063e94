"""The page on status names every target, field and series that there is, with its bound."""

from __future__ import annotations

import re
from pathlib import Path

from gapless.observe.status import (
    BreakerStatus,
    CacheStatus,
    DialectStatus,
    History,
    ModelStatus,
    Quantiles,
    Series,
    Status,
    StreamsStatus,
    TargetStatus,
)
from gapless.observe.targets import TARGETS
from gapless.serve.status.figures import OUR_FAULTS
from gapless.serve.status.history import LINES

PAGE = (Path(__file__).parents[2] / "docs/reference/status.md").read_text("utf-8")
WHOLE = (Status, TargetStatus, StreamsStatus, Quantiles, History, Series)
NAMED = (DialectStatus, ModelStatus, CacheStatus, BreakerStatus)
"""What they are called by is told in words."""
NAMES = {"dialect", "namespace", "version"}


def test_every_target_is_there_with_its_bound() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| (\w\d) \| ([\d.]+) (\S+) \|", PAGE, re.MULTILINE)

    assert [(name, row, float(bound), unit) for name, row, bound, unit in rows] == [
        (target.name, target.row, target.bound, target.unit) for target in TARGETS
    ]


def test_every_field_is_there() -> None:
    fields = {field for shape in WHOLE for field in shape.__struct_fields__}
    fields |= {field for shape in NAMED for field in shape.__struct_fields__} - NAMES

    assert sorted(field for field in fields if f"`{field}`" not in PAGE) == []


def test_every_series_is_there_with_unit_and_target() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) ?\| ([^|]*) ?\| [^|]*\|$", PAGE, re.MULTILINE)
    told = [(name, unit.strip(), target.strip()) for name, unit, target in rows]

    expected = [
        (line.name, line.unit, "" if line.target is None else f"{line.target.bound:g}")
        for line in LINES
    ]
    assert [row for row in told if row[0] in {line.name for line in LINES}] == expected


def test_every_code_that_counts_as_a_fault_is_there() -> None:
    assert sorted(code for code in OUR_FAULTS if f"`{code}`" not in PAGE) == []
