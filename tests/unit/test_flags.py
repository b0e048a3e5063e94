"""Flags: how they are written, who is within a share, and a file that changes them while a server runs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gapless.errors import ConfigError, StoreError
from gapless.serve.flags.flags import Flags
from gapless.settings import Settings
from gapless.settings.flags import (
    FILE_NAME,
    FLAGS,
    LARGEST_FILE_BYTES,
    Shares,
    is_within,
    parse_shares,
    share_text,
)
from gapless.settings.flags_file import FlagsFile

KEYS = [f"session {number}" for number in range(2000)]


def make(folder: Path, text: str = "") -> Flags:
    return Flags(Settings(data_dir=str(folder), flags=text))


def put(folder: Path, content: str) -> None:
    """What stands in the file, by whichever program."""
    draft = folder / "draft"
    draft.write_text(content)
    draft.replace(folder / FILE_NAME)


def test_shares_are_read_as_people_write_them() -> None:
    assert parse_shares("") == {}
    assert parse_shares(" batching = 10% , answers=off,quick=on,, batching=2.5 %") == {
        "batching": 2.5,
        "answers": 0.0,
        "quick": 100.0,
    }


@pytest.mark.parametrize("share", [0.0, 0.25, 10.0, 99.9999, 100.0])
def test_a_share_is_written_as_it_is_read(share: float) -> None:
    assert parse_shares(f"quick={share_text(share)}") == {"quick": share}


@pytest.mark.parametrize(
    "text", ["batching", "fast=on", "quick=", "quick=101%", "quick=-1%", "quick=5"]
)
def test_what_is_no_share_of_a_flag_says_what_is(text: str) -> None:
    with pytest.raises(ConfigError, match=r"=off|answers, batching|write on, off"):
        parse_shares(text)


def test_a_server_does_not_start_with_a_flag_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no flag 'fast'"):
        make(tmp_path, "fast=on")


def test_about_as_many_sessions_are_within_a_share_as_it_says() -> None:
    for share in (1.0, 10.0, 50.0, 90.0):
        within = sum(is_within("batching", key, share) for key in KEYS)
        assert within == pytest.approx(len(KEYS) * share / 100, abs=0.025 * len(KEYS))


def test_who_is_within_a_share_is_within_every_larger_one() -> None:
    shares = (0.0, 1.0, 10.0, 20.0, 99.0, 100.0)
    members = [{key for key in KEYS if is_within("batching", key, share)} for share in shares]
    assert all(less < more for less, more in pairwise(members))
    assert not members[0]
    assert len(members[-1]) == len(KEYS)


def test_other_flags_take_other_sessions() -> None:
    chosen = [{key for key in KEYS if is_within(flag, key, 50)} for flag in ("batching", "answers")]
    both = len(chosen[0] & chosen[1])
    assert both == pytest.approx(len(KEYS) / 4, abs=0.05 * len(KEYS))


def test_any_text_is_a_key() -> None:
    assert {is_within("quick", key, 50) for key in ("", "\ud800", "é" * 1000)} <= {True, False}


def test_the_file_goes_before_the_setting_and_is_followed(tmp_path: Path) -> None:
    flags = make(tmp_path, "answers=off,quick=10%")
    assert dict(flags.shares) == dict.fromkeys(FLAGS, 100.0) | {"answers": 0.0, "quick": 10.0}

    put(tmp_path, '{"answers": "on", "batching": "25%"}')
    assert flags.shares["answers"] == 0.0
    flags.look()
    assert flags.shares["answers"] == 100.0
    assert flags.shares["batching"] == 25.0
    assert flags.shares["quick"] == 10.0

    (tmp_path / FILE_NAME).unlink()
    flags.look()
    assert flags.shares["answers"] == 0.0
    assert flags.shares["batching"] == 100.0


def test_a_server_that_starts_follows_the_file_too(tmp_path: Path) -> None:
    put(tmp_path, '{"batching": "off"}')
    assert not make(tmp_path).is_on("batching", "anybody")


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"batching": 10}',
        '{"fast": "on"}',
        '{"batching": "most"}',
        "[" * 100_000,
        " " * (LARGEST_FILE_BYTES + 1),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing_and_is_told_once(
    tmp_path: Path, content: str
) -> None:
    flags = make(tmp_path)
    put(tmp_path, '{"batching": "off"}')
    flags.look()
    put(tmp_path, content)
    with capture_logs() as lines:
        flags.look()
        flags.look()
    assert not flags.is_on("batching", "anybody")
    assert [line["log_level"] for line in lines] == ["warning"]
    put(tmp_path, '{"batching": "on"}')
    flags.look()
    assert flags.is_on("batching", "anybody")


def test_nobody_needs_to_ask_while_all_is_on_and_nothing_was_changed(tmp_path: Path) -> None:
    flags = make(tmp_path)
    seen = [flags.plain]
    changes: tuple[Shares, ...] = ({"quick": 50.0}, {})
    for shares in changes:
        flags.write(shares)
        flags.look()
        seen.append(flags.plain)
    # It was changed: its sides go on being compared with each other.
    assert seen == [True, False, False]
    assert flags.compared == {"quick"}
    assert not make(tmp_path, "quick=off").plain


def test_sides_are_counted_of_flags_that_are_compared_alone(tmp_path: Path) -> None:
    flags = make(tmp_path, "batching=50%,answers=off")
    assert flags.compared == {"batching"}
    flags.observe({"batching": True, "answers": False}, failed=False, seconds=0.004)
    flags.observe({"batching": True}, failed=True, seconds=3.0)
    flags.observe({"batching": False}, failed=False, seconds=None)

    off, on = flags.snapshot()
    assert (off.flag, off.on, off.calls, off.failed, off.seconds.count) == (
        "batching",
        False,
        1,
        0,
        0,
    )
    assert (on.flag, on.on, on.calls, on.failed, on.seconds.count) == ("batching", True, 2, 1, 2)
    assert on.seconds.sum == pytest.approx(3.004)


def test_the_file_is_there_as_long_as_something_is_changed(tmp_path: Path) -> None:
    file = FlagsFile(tmp_path / "data")
    assert file.read() == {}
    file.write({"batching": 10.0, "answers": 0.0})
    assert json.loads(file.path.read_text()) == {"answers": "off", "batching": "10%"}
    assert file.read() == {"batching": 10.0, "answers": 0.0}
    file.write({})
    assert list(file.path.parent.iterdir()) == []


def test_a_folder_that_takes_no_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    with pytest.raises(StoreError, match=r"flags\.json cannot be written"):
        FlagsFile(tmp_path / "data").write({"batching": 10.0})
