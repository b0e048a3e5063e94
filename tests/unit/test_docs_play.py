"""Programs of the play language in the documentation load and sound, and what the reference says is the same is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapless.play.drums import kit
from gapless.play.fragments import defragment
from gapless.play.language.load import compile_program
from gapless.play.mini import mini
from gapless.play.program import Program
from gapless.play.remarks import Remarks
from gapless.play.render import RATE_HZ, open_player

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```ph\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    for number, text in enumerate(BLOCK.findall(page.read_text("utf-8")), 1)
]
CYCLES = 12
"""Longer than any alternation in the table."""

LANGUAGE = (ROOT / "docs" / "reference" / "play-language.md").read_text("utf-8")
NOTATION = LANGUAGE.split("\n## Mini-notation\n", 1)[1].split("\n## ", 1)[0]


def rows() -> list[tuple[list[str], list[str]]]:
    """What is written, and what it is said to be the same as, of each row of the table."""
    lines = [line.replace("\\|", "\0") for line in NOTATION.splitlines() if line.startswith("| `")]
    cells = [[cell.replace("\0", "|") for cell in line.split("|")[1:3]] for line in lines]
    return [(code(written), code(same)) for written, same in cells]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def played(text: str) -> Counter[tuple[Any, ...]]:
    events = defragment(mini(text).query(0, CYCLES))
    return Counter((event.whole, event.part, event.value) for event in events)


def load(text: str) -> Program:
    program = compile_program(text)
    assert program.remarks == ()
    return program


@pytest.mark.parametrize("text", PROGRAMS)
def test_every_program_of_the_documentation_is_one_without_a_remark(text: str) -> None:
    program = load(text)

    assert program.outputs


def test_there_are_programs_where_one_looks_first() -> None:
    names = [str(one.id) for one in PROGRAMS]

    for page in ("README.md", "docs/tutorial/first-beat.md", "docs/reference/play-language.md"):
        assert any(name.startswith(page) for name in names), page


@pytest.mark.long
@pytest.mark.xdist_group("play-docs")
@pytest.mark.parametrize("text", PROGRAMS)
def test_every_program_of_the_documentation_sounds(text: str) -> None:
    program, remarks = load(text), Remarks()

    with open_player(program, remarks=remarks) as player:
        sound = player.read(round(2 / program.cps * RATE_HZ))

    assert remarks.take() == ()
    assert not player.scheduler.unheard
    assert np.isfinite(sound).all()
    assert np.sqrt(np.mean(sound**2)) > 0.01
    assert np.abs(sound).max() <= 1.0


@pytest.mark.parametrize(
    ("written", "same"),
    [pytest.param(*row, id=row[0][0]) for row in rows() if row[1]],
)
def test_mini_notation_that_is_said_to_be_the_same_is(written: list[str], same: list[str]) -> None:
    for text in written:
        assert played(text) == played(same[0])


def test_all_other_mini_notation_of_the_reference_is_some() -> None:
    others = [text for written, same in rows() if not same for text in written]

    assert len(others) > 10
    for text in others:
        mini(text)


def test_the_reference_tells_all_sounds_that_there_are() -> None:
    page = (ROOT / "docs" / "reference" / "play-voices.md").read_text("utf-8")

    assert [name for name in sorted(kit.NAMES) if f"`{name}`" not in page] == []
