"""A program's file is read whenever it is saved; what cannot be played is told once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gapless.errors import ConfigError
from gapless.play.live.watch import MOST_BYTES, Watch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "x.ph"
    found.write_text("out: saw 1", "utf-8")
    return found


def test_each_text_is_told_once(path: Path) -> None:
    watch = Watch(path)

    assert [watch.look(), watch.look()] == ["out: saw 1", None]
    path.write_text("out: saw 100", "utf-8")
    assert [watch.look(), watch.look()] == ["out: saw 100", None]
    assert watch.remarks() == ()


def test_a_file_that_is_not_there_at_the_beginning_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        Watch(tmp_path / "y.ph")


def test_a_file_that_is_gone_for_a_moment_is_asked_for_again(path: Path) -> None:
    watch = Watch(path)
    text = path.read_text("utf-8")
    path.unlink()

    assert watch.look() is None
    path.write_text(text, "utf-8")
    assert watch.look() == text
    assert watch.remarks() == ()


@pytest.mark.parametrize(
    ("written", "about"),
    [(b'out: s "b\xe4ss"', "byte 10 is no UTF-8"), (b"-" * (MOST_BYTES + 1), "make it smaller")],
    ids=["no UTF-8", "too long"],
)
def test_what_cannot_be_played_is_told_once_until_it_is_mended(
    path: Path, written: bytes, about: str
) -> None:
    watch = Watch(path)
    watch.look()
    path.write_bytes(written)

    looks = [(watch.look(), [one.text for one in watch.remarks()]) for _ in range(4)]

    assert looks[0] == (None, [])
    assert looks[1][0] is None
    assert about in looks[1][1][0]
    assert looks[2:] == [(None, [])] * 2
    path.write_text("out: saw 3", "utf-8")
    assert watch.look() == "out: saw 3"
