from __future__ import annotations

import io

import pytest

from gapless.cli.progress import FileBars


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def work(bars: FileBars) -> None:
    """Two files: one is heard, one cannot be."""
    with bars:
        first = bars.begin("folder/first.wav")
        bars.advance(first, 30_000, 60_000)
        second = bars.begin("second.wav")  # which draws all bars anew
        bars.end(second)
        bars.complain("second.wav: no sound in it")
        bars.say("what was said\n")
        bars.end(first)


def test_a_terminal_shows_a_bar_for_each_file_and_one_in_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", screen)

    work(FileBars(2))

    shown = screen.getvalue()
    assert "first.wav" in shown
    assert "folder/" not in shown
    assert " 50%" in shown
    assert "00:00:30" in shown
    assert "2/2 files" in shown
    assert "second.wav: no sound in it" in shown
    assert capsys.readouterr().out == "what was said\n"


def test_results_go_above_the_bars_where_both_share_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("sys.stdout", screen)

    work(FileBars(2))

    # A bar is erased and drawn again below what is printed; nothing is written into its line.
    before, after = screen.getvalue().split("what was said")
    assert before.endswith("\x1b[2K")
    assert "first.wav" in after


def test_a_pipe_gets_results_and_complaints_and_no_bars(capsys: pytest.CaptureFixture[str]) -> None:
    work(FileBars(2))

    captured = capsys.readouterr()
    assert captured.out == "what was said\n"
    assert captured.err == "second.wav: no sound in it\n"
