"""Playing once: what is refused before a device is opened, what is said, and where a program ends."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import main
from gapless.cli.play_status import StatusLine, status_text
from gapless.errors import DeviceError
from gapless.play.language.load import compile_program
from gapless.play.live.level import Level
from gapless.play.live.limit import first_cycle, limited
from gapless.play.live.performance import Performance


def run(*arguments: str, said: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=said)


@pytest.fixture
def no_device(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Servers that were looked for, in vain."""
    asked: list[str | None] = []

    def find(wanted: str | None = None) -> NoReturn:
        asked.append(wanted)
        raise DeviceError("no sound server runs here; start one")

    monkeypatch.setattr("gapless.audio.device.find.find_server", find)
    return asked


@pytest.mark.parametrize("command", ["play", "live", "repl"])
def test_without_a_device_it_says_what_else_there_is(
    command: str, no_device: list[str | None], tmp_path: Path
) -> None:
    source = tmp_path / "beat.ph"
    source.write_text('o1: s "bd"\n')

    result = run(command, str(source), "--server", "jack")

    assert (result.exit_code, result.stdout, no_device) == (1, "", ["jack"])
    assert result.stderr == (
        "gapless: no sound server runs here; start one. Without a sound device: gapless render makes a recording, "
        "and gapless serve plays in a browser, at /play\n"
    )


@pytest.mark.parametrize(
    "given", [pytest.param(("--code", "o1: foo 3"), id="code"), pytest.param(("-",), id="stdin")]
)
def test_a_mistake_is_shown_before_a_device_is_opened(
    given: tuple[str, ...], no_device: list[str | None]
) -> None:
    result = run("play", *given, said="o1: foo 3\n")

    assert (result.exit_code, result.stdout, no_device) == (1, "", [])
    assert ":1:5: there is no function called foo\n    o1: foo 3\n        ^^^\n" in result.stderr


def test_a_mistake_for_programs_is_a_line(no_device: list[str | None]) -> None:
    result = run("play", "--code", "o1: foo 3", "--json")

    assert (result.exit_code, result.stderr) == (1, "")
    line = msgspec.json.decode(result.stdout)
    assert (line["v"], line["event"]) == (1, "mistake")
    assert line["text"].startswith("--code:1:5: there is no function called foo")


def test_remarks_are_told(no_device: list[str | None]) -> None:
    result = run("play", "--code", 'o1: s "bd"\nhush7')

    assert result.stderr.startswith("--code:2:1: there is no output o7 that hush7 could mean\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param((), "give one program", id="nothing"),
        pytest.param(("a.ph", "--code", "o1: saw 110"), "give one program", id="two programs"),
        pytest.param(("no-such.ph",), "cannot read", id="no file"),
        pytest.param(
            ("--code", "o1: saw 110", "--cycles", "1", "--duration", "1"), "not both", id="two lengths"
        ),
        pytest.param(("--code", "o1: saw 110", "--cycles", "x"), "no number", id="no number"),
        pytest.param(("--code", "o1: saw 110", "--cycles", "0"), "give more", id="no length"),
        pytest.param(("--code", "o1: saw 110", "--lead", "1"), "--lead", id="lead"),
    ],
)  # fmt: skip
def test_wrong_usage_opens_no_device(
    arguments: tuple[str, ...], expected: str, no_device: list[str | None]
) -> None:
    result = run("play", *arguments)

    assert (result.exit_code, no_device) == (2, [])
    assert expected in result.stderr


@pytest.mark.parametrize("command", ["play", "live", "render", "profile", "repl"])
def test_shared_options_are_the_same_everywhere(command: str) -> None:
    context = main.make_context("gapless", [command, "--help"], resilient_parsing=True)
    found = main.get_command(context, command)
    assert found is not None
    options = {one.name: one for one in found.params}
    live = main.get_command(context, "live")
    assert live is not None

    for shared in live.params:
        if shared.name in ("rate", "samples", "server", "lead") and shared.name in options:
            one, other = options[shared.name].to_info_dict(), shared.to_info_dict()
            assert {**one, "default": 0} == {**other, "default": 0}
    assert options["rate"].default == (44_100 if command in ("render", "profile") else 48_000)


# --- where it ends ---


def test_a_limited_program_begins_nothing_after_its_end() -> None:
    program = compile_program('~x: saw 110\no1: s "bd*4" # lpf 300\no2: s "~x(3,8)"\no3: ~x\n')

    short = limited(program, Fraction(3, 2))

    for name, events in short.events(0, 4).items():
        expected = [
            one.part for one in program.events(0, 4)[name] if one.part.begin < Fraction(3, 2)
        ]
        assert [one.part for one in events] == expected
    assert len(short.events(0, 4)["o1"]) == 6
    assert [short.outputs.keys(), short.buses.keys(), short.cps] == [
        program.outputs.keys(),
        program.buses.keys(),
        program.cps,
    ]


@pytest.mark.parametrize(
    ("text", "cycle"),
    [
        pytest.param("", Fraction(0), id="nothing"),
        pytest.param("setCycle 8", Fraction(8), id="setCycle"),
        pytest.param("setCycle 8\nnudge 1/8", Fraction(65, 8), id="nudge"),
        pytest.param("setCycle 8\nresetCycles", Fraction(0), id="reset"),
        pytest.param("panic", Fraction(0), id="panic"),
    ],
)
def test_where_a_program_begins(text: str, cycle: Fraction) -> None:
    program = compile_program(f'o1: s "bd"\n{text}\n')

    assert first_cycle(program) == cycle
    assert limited(program, cycle + 1).transport == ()


# --- what is said ---


@pytest.mark.parametrize(
    ("peak", "bar", "db"),
    [
        pytest.param(0.0, 0, "-60", id="silence"),
        pytest.param(1e-9, 0, "-60", id="almost"),
        pytest.param(10 ** (-30 / 20), 10, "-30", id="half"),
        pytest.param(1.0, 20, "0", id="full"),
        pytest.param(4.0, 20, "12", id="too loud"),
    ],
)
def test_the_status_tells_cycle_tempo_and_level(peak: float, bar: int, db: str) -> None:
    text = status_text(Fraction(7, 2), Fraction(1, 2), peak, 0)

    assert text.split() == ["cycle", "3.50", "0.5", "cps", "#" * bar + "." * (20 - bar), db, "dB"]
    assert status_text(Fraction(0), Fraction(1), 0.0, 3).endswith("3 xruns")


class Terminal(io.StringIO):
    """Shows what a person would see."""

    def isatty(self) -> bool:
        return True

    def seen(self) -> list[str]:
        lines = []
        for line in self.getvalue().split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return lines


def test_the_line_is_written_over_and_makes_way() -> None:
    terminal = Terminal()
    with StatusLine(terminal) as line:
        line.show("cycle 10")
        line.show("cycle 9")
        assert terminal.seen() == ["cycle 9"]
        line.clear()
        terminal.write("said\n")
        line.show("cycle 8")
        assert terminal.seen() == ["said", "cycle 8"]
    assert terminal.seen() == ["said", ""]


def test_nothing_is_written_where_nobody_looks() -> None:
    file, terminal = io.StringIO(), Terminal()
    for line in (StatusLine(file), StatusLine(terminal, shown=False)):
        with line:
            line.show("cycle 1")
    assert file.getvalue() == terminal.getvalue() == ""


@pytest.mark.long
@pytest.mark.xdist_group("play-live")
def test_the_level_is_that_of_what_is_heard() -> None:
    with Performance(48_000) as performance:
        level = Level(performance.player.block)
        assert level.peak() == 0
        performance.set("o1: sine 6000 * 0.25\n", "level.ph")
        for _ in range(100):
            performance.player.advance()
            heard = performance.read(64)
        assert level.peak() == np.abs(heard).max() == pytest.approx(0.25, rel=0.01)
        performance.hush()
        for _ in range(200):
            performance.player.advance()
            performance.read(64)
        assert level.peak() == 0
