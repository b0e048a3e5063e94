"""Statements that replace each other, mistakes that change nothing, and the prompt that takes them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import main
from gapless.cli.repl_prompt import Prompt, completions
from gapless.errors import ConfigError
from gapless.play.language.load import compile_program
from gapless.play.program import Program
from gapless.play.prompt.entry import entries, is_open, joined
from gapless.play.prompt.session import Changed, Found, Session, Wrong
from gapless.play.prompt.vocabulary import about, names


class Player:
    """Keeps the texts that it was given, and takes no mistakes."""

    def __init__(self) -> None:
        self.programs: list[Program] = []
        self.texts: list[str] = []
        self.is_full = False

    def __call__(self, text: str) -> Program:
        if self.is_full:
            raise ConfigError("too many changes at a time")
        self.programs.append(compile_program(text))
        self.texts.append(text)
        return self.programs[-1]


@pytest.fixture
def player() -> Player:
    return Player()


@pytest.fixture
def session(player: Player) -> Session:
    return Session(player)


def enter(session: Session, *texts: str) -> None:
    for text in texts:
        answer = session.enter(text)
        assert isinstance(answer, Changed), answer


def wrong(answer: object) -> str:
    assert isinstance(answer, Wrong), answer
    return answer.shown


def table(answer: object) -> list[tuple[Fraction, Fraction, str]]:
    assert isinstance(answer, Found), answer
    return [(row.begin, row.end, row.value) for row in answer.rows]


# --- statements ---


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        pytest.param('o1: s "bd"', 'o1: s "sn"', "o1", id="output"),
        pytest.param('d1 $ s "bd"', 'out1: s "sn"', "o1", id="output, other words"),
        pytest.param('out: s "bd"', 'out $ s "sn"', "out", id="main output"),
        pytest.param("~x: saw 110", "~x: saw 220", "~x", id="bus"),
        pytest.param("~x: saw 110", "~x # lpf 300", "~x", id="bus that modifies"),
        pytest.param("fn f x = rev x", "fn f x = fast 2 x", "fn f", id="function"),
        pytest.param('%p: "1 2"', '%p: "3"', "%p", id="pattern"),
        pytest.param("@t: saw 110", "@t: saw 220", "@t", id="template"),
        pytest.param("bpm: 120", "cps: 1", "tempo", id="tempo"),
        pytest.param("outmix: tanh", "outmix: hard", "outmix", id="outmix"),
    ],
)
def test_a_statement_replaces_the_one_of_its_name(
    session: Session, first: str, second: str, name: str
) -> None:
    enter(session, first, 'o9: s "hh"', second)

    assert session.names == (name, "o9"), "in its place"
    assert session.text == f'{second}\no9: s "hh"\n'


def test_kinds_of_names_are_apart(session: Session) -> None:
    enter(session, "~f: saw 110", "fn f x = rev x", '%f: "1"', "@f: saw 220")

    assert session.names == ("~f", "fn f", "%f", "@f")


def test_the_whole_program_is_played_anew(session: Session, player: Player) -> None:
    enter(session, "~x: saw 110 # lpf 300", 'o1: s "~x*4"', "bpm: 60")

    assert player.programs[-1].cps == Fraction(1, 4)
    assert set(player.programs[-1].outputs) == {"o1"}
    assert set(player.programs[-1].buses) == {"x"}


def test_a_mistake_is_shown_where_it_was_typed_and_changes_nothing(
    session: Session, player: Player
) -> None:
    enter(session, "bpm: 120", 'o1: s "bd*4"')
    before, texts = session.text, list(player.texts)

    shown = wrong(session.enter('o1: s "sn*4"\n  # lfp 300', line=7))

    assert shown.splitlines() == [
        "typed:8:5: there is no function called lfp",
        "      # lfp 300",
        "        ^^^",
        "did you mean lpf?",
    ]
    assert (session.text, player.texts) == (before, texts)


def test_a_mistake_that_an_entry_makes_elsewhere_is_shown_there(session: Session) -> None:
    enter(session, "~x: saw 110", "-- a beat\no1: ~x # lpf 300")

    shown = wrong(session.delete("~x"))

    assert shown.startswith("program:2:5: there is no bus ~x\n    o1: ~x # lpf 300\n")
    assert session.names == ("~x", "o1")


def test_an_indented_statement_keeps_its_columns(session: Session) -> None:
    shown = wrong(session.enter("    o1: s (foo 3)", line=2))

    assert shown.splitlines()[:3] == [
        "typed:2:12: there is no function called foo",
        "        o1: s (foo 3)",
        "               ^^^",
    ]
    enter(session, '    o1: s\n      "bd"')
    assert session.text == 'o1: s\n  "bd"\n'


def test_all_mistakes_are_told(session: Session) -> None:
    shown = wrong(session.replace("o1: foo 1\no2: bar 2\n", "beat.ph"))

    assert "beat.ph:1:5" in shown
    assert "beat.ph:2:5" in shown


def test_no_room_for_it_is_a_mistake(session: Session, player: Player) -> None:
    enter(session, 'o1: s "bd"')
    player.is_full = True

    assert "too many changes" in wrong(session.enter('o2: s "sn"'))
    assert session.names == ("o1",)


def test_a_remark_is_told_once(session: Session) -> None:
    answer = session.enter("o1: note sine", line=4)
    assert isinstance(answer, Changed)
    assert [one.partition(" ")[0] for one in answer.remarks] == ["typed:4:1:"]

    answer = session.enter('o2: s "bd"')
    assert isinstance(answer, Changed)
    assert answer.remarks == ()


# --- commands ---


def test_commands_act_once(session: Session, player: Player) -> None:
    enter(session, 'o1: s "bd"', "setCycle 8", 'o2: s "sn"')

    acts = [[order.what for order in program.transport] for program in player.programs]
    assert acts == [[], ["setCycle"], []]
    assert session.names == ("o1", "o2")


@pytest.mark.parametrize(
    ("entered", "silent"),
    [
        pytest.param(("hush",), {"o1", "o2", "out"}, id="all"),
        pytest.param(("hush1",), {"o1"}, id="one"),
        pytest.param(("hush", "unhush2"), {"o1", "out"}, id="all but one"),
        pytest.param(("hush", "unhush"), set(), id="none"),
        pytest.param(("panic",), {"o1", "o2", "out"}, id="panic"),
        pytest.param(("hush", "bpm: 90"), {"o1", "o2", "out"}, id="still"),
        pytest.param(("hush", 'o1: s "cp"'), {"o2", "out"}, id="one is entered anew"),
        pytest.param(("hush", 'out: s "cp"'), {"o1", "o2"}, id="the main one is"),
        pytest.param(("hush", 'o3: s "cp"'), {"o1", "o2", "out"}, id="a new one sounds"),
        pytest.param(("hush1", 'o2: s "cp"'), {"o1"}, id="another is entered"),
    ],
)
def test_what_is_silent(
    session: Session, player: Player, entered: tuple[str, ...], silent: set[str]
) -> None:
    enter(session, 'o1: s "bd"', 'o2: s "sn"', 'out: s "hh"', *entered)

    assert session.hushed == player.programs[-1].hushed == silent
    assert "hush" not in session.text


def test_buses_that_are_outputs_are_silenced(session: Session) -> None:
    enter(session, '~d1: s "bd"', '~d2: s "sn"', "hush", '~d2: s "cp"')

    assert session.hushed == {"d1"}


def test_silence_is_not_undone(session: Session) -> None:
    enter(session, 'o1: s "bd"', 'o2: s "sn"', "hush1")
    session.delete("o1")
    assert session.hushed == set()

    session.undo()

    assert session.names == ("o1", "o2")
    assert session.hushed == {"o1"}


# --- undo, delete, files ---


def test_changes_are_undone_one_by_one(session: Session) -> None:
    enter(session, 'o1: s "bd"', 'o1: s "sn"', "hush", "unhush")
    session.delete("o1")
    texts = [session.text]
    for _ in range(3):
        assert isinstance(session.undo(), Changed)
        texts.append(session.text)

    assert texts == ["", 'o1: s "sn"\n', 'o1: s "bd"\n', ""]
    assert "nothing to undo" in wrong(session.undo())


@pytest.mark.parametrize("name", ["~bass", "bass", "d1", "bpm", "f"])
def test_statements_are_deleted_by_the_names_that_people_say(session: Session, name: str) -> None:
    enter(session, "~bass: saw 55", 'o1: s "bd"', "cps: 1", "fn f x = rev x")

    assert isinstance(session.delete(name), Changed)
    assert len(session.names) == 3


def test_an_unknown_statement_is_not_deleted(session: Session) -> None:
    enter(session, "~bass: saw 55")

    assert wrong(session.delete("~bas")) == "there is no statement called ~bas; did you mean ~bass?"


def test_a_file_replaces_the_program_and_keeps_its_comments(session: Session) -> None:
    enter(session, 'o5: s "bd"')
    text = '-- tempo\nbpm: 90\n\n-- drums\no1: stack [\n  s "bd",\n  s "sn"\n]\n\nhush1\n'

    assert isinstance(session.replace(text, "beat.ph"), Changed)

    assert session.text == text.replace("\n\n", "\n").replace("hush1\n", "")
    assert session.hushed == {"o1"}
    session.undo()
    assert session.names == ("o5",)


# --- expressions ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('"bd*2 <a b>"', [("0", "1/4", "bd"), ("1/4", "1/2", "bd"), ("1/2", "1", "a")], id="notation"),
        pytest.param('every 4 rev $ s "bd sn"', [("0", "1/2", "s sn"), ("1/2", "1", "s bd")], id="transform"),
        pytest.param('s "bd" # gain 0.5', [("0", "1", "s bd, gain 0.5")], id="voices"),
        pytest.param("%beat", [("0", "1/2", "1"), ("1/2", "1", "2")], id="own pattern"),
        pytest.param('twice (s "bd")', [("0", "1/2", "s bd"), ("1/2", "1", "s bd")], id="own function"),
        pytest.param('nudge 0.25 $ "a"', [("-3/4", "1/4", "a"), ("1/4", "5/4", "a")], id="named like a command"),
        pytest.param('slow 2 $ "a"', [("0", "2", "a")], id="longer than a cycle"),
        pytest.param("3/4", [("0", "1", "0.75")], id="number"),
        pytest.param("~x", [("0", "1", "s hh")], id="bus"),
    ],
)  # fmt: skip
def test_an_expression_is_looked_at(
    session: Session, player: Player, text: str, expected: list[tuple[str, str, str]]
) -> None:
    enter(session, '%beat: "1 2"', "fn twice x = fast 2 x", '~x: s "hh"')
    played = len(player.texts)

    found = table(session.enter(text))

    assert found == [(Fraction(begin), Fraction(end), value) for begin, end, value in expected]
    assert len(player.texts) == played, "and not played"
    assert len(session.names) == 3


def test_a_wave_is_sampled(session: Session) -> None:
    rows = table(session.enter("saw"))

    assert [(row[0], float(row[2])) for row in rows] == [
        (Fraction(n, 8), n / 8 + 1 / 16) for n in range(8)
    ]


def test_events_are_those_of_the_cycle(session: Session) -> None:
    enter(session, 'o1: s "<bd sn>"', 'o2: s "hh"')

    assert [row[2] for row in table(session.enter('"<a b>"', cycle=1))] == ["b"]
    answer = session.events(begin=1, cycles=2)
    assert isinstance(answer, Found)
    assert [(row.begin, row.output, row.value) for row in answer.rows] == [
        (Fraction(1), "o2", "s hh"),
        (Fraction(1), "o1", "s sn"),
        (Fraction(2), "o1", "s bd"),
        (Fraction(2), "o2", "s hh"),
    ]


def test_a_long_table_is_cut(session: Session) -> None:
    answer = session.enter('"a*300"')

    assert isinstance(answer, Found)
    assert (len(answer.rows), answer.more) == (200, 100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("saw 110", "a sound has no events", id="sound"),
        pytest.param("fast 2", "the transform fast has no events", id="transform"),
        pytest.param('evry 4 rev $ "a"', "did you mean every?", id="name"),
        pytest.param('"bd [sn"', "typed:3:", id="notation"),
        pytest.param('"bd" )', "typed:3:6: ')' closes nothing", id="bracket"),
        pytest.param("bmp: 120", "did you mean bpm?", id="statement"),
        pytest.param("~x +", "typed:3:", id="half a statement"),
    ],
)
def test_what_is_neither_says_what_it_could_be(session: Session, text: str, expected: str) -> None:
    assert expected in wrong(session.enter(text, line=3))


# --- lines ---


def test_a_script_is_cut_into_what_belongs_together() -> None:
    script = """\
-- a beat
~x: saw 110
  # lpf 300
o1: stack [s "bd",
s "sn"
]

o2: s "bd*4 \\
sn"
:list
hush
bpm: 120 \\
"4/4"
"""
    assert list(entries(script.splitlines(keepends=True))) == [
        (1, "-- a beat\n~x: saw 110\n  # lpf 300"),
        (4, 'o1: stack [s "bd",\n  s "sn"\n]'),
        (8, 'o2: s "bd*4 sn"'),
        (10, ":list"),
        (11, "hush"),
        (12, 'bpm: 120 \n  "4/4"'),
    ]


def test_an_empty_line_ends_an_entry_before_the_next_one_is_read() -> None:
    given = iter(['o1: s "bd"\n', "\n", "o2: never asked for\n"])

    assert next(entries(given)) == (1, 'o1: s "bd"')
    assert next(given) == "o2: never asked for\n"


@pytest.mark.parametrize(
    ("text", "open_"),
    [
        pytest.param('o1: s "bd', True, id="quote"),
        pytest.param("o1: (fast 2 $", True, id="bracket"),
        pytest.param("o1: stack [", True, id="list"),
        pytest.param("o1: saw 110 \\", True, id="backslash"),
        pytest.param('o1: s "[bd" -- ([', False, id="in quotes and comments"),
        pytest.param("o1: (saw 110)", False, id="closed"),
    ],
)
def test_what_is_open_goes_on(text: str, *, open_: bool) -> None:
    assert is_open(text) is open_


def test_lines_that_go_on_lie_deeper() -> None:
    assert joined("  o1: (saw", "110)") == "  o1: (saw\n    110)"
    assert joined('o1: s "bd', '  sn"') == 'o1: s "bd sn"'


# --- help and Tab ---


@pytest.mark.parametrize("name", sorted(names()))
def test_every_name_has_help(name: str) -> None:
    lines = about(name)

    assert lines
    assert all(name in lines[0] and len(line) > len(name) + 5 for line in lines)


def test_names_are_completed() -> None:
    own = ("~bass", "fn bassline", "o1", ":load", ":list")

    assert completions("ba", own) == ["bassline"]
    assert completions("~b", own) == ["~bass"]
    assert completions(":l", own) == [":load", ":list"]
    assert "every" in completions("ever", own)


# --- the command ---


def repl(script: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["repl", "--silent", *arguments], input=script)


def test_a_script_is_answered_line_by_line(tmp_path: Path) -> None:
    saved = tmp_path / "saved.ph"
    result = repl(f"""\
bpm: 120
o1: s "bd*2"
  # gain 0.5
hush1
:list
:events
"<a b>"
:events 2 "<a b>"
:help lpf
:undo
:save {saved}
:load {saved}
:quit
o9: never read
""")
    assert result.stderr == ""
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "tempo",
        "o1",
        "hush1",
        "  1  bpm: 120",
        '  2  o1: s "bd*2"',
        "  3    # gain 0.5",
        "silent: o1",
        "begin  end  output  value",
        "0      1/2  o1      s bd, gain 0.5",
        "1/2    1    o1      s bd, gain 0.5",
        "begin  end  value",
        "0      1    a",
        "begin  end  value",
        "0      1    a",
        "1      2    b",
        *about("lpf"),
        "tempo",
        f"saved {saved}",
        "tempo",
    ]
    assert saved.read_text() == "bpm: 120\n"
    assert [one.name for one in tmp_path.iterdir()] == ["saved.ph"]


def test_mistakes_of_a_script_stop_nothing_and_make_it_fail(tmp_path: Path) -> None:
    result = repl('o1: foo 3\n:fly\n:help lfp\n:load nowhere.ph\n:save /nowhere/x.ph\no2: s "bd"\n')

    assert result.exit_code == 1
    assert result.stdout == "o2\n"
    assert "standard input:1:5: there is no function called foo" in result.stderr
    assert "there is no command :fly; there are :help :list" in result.stderr
    assert "did you mean lpf?" in result.stderr
    assert "cannot read nowhere.ph" in result.stderr
    assert "cannot write /nowhere/x.ph" in result.stderr


@pytest.mark.long
def test_a_file_is_where_it_begins(tmp_path: Path) -> None:
    source = tmp_path / "beat.ph"
    source.write_text('o1: s "bd"\n')

    result = repl('o2: s "sn"\n:save\n', str(source))

    assert result.exit_code == 0
    assert source.read_text() == 'o1: s "bd"\no2: s "sn"\n'


def test_commands_can_be_shortened_as_long_as_they_are_clear() -> None:
    result = repl("bpm: 90\n:li\n:l\n")

    assert "  1  bpm: 90" in result.stdout
    assert "there is no command :l;" in result.stderr


@pytest.fixture
def private_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_a_line_that_lies_deeper_goes_on_with_the_last(private_state: Path) -> None:
    lines = iter(
        ['o1: s "bd"', "  # gain 0.5", "", "o2: (saw", "110)", "Ctrl-C", ":list", "Ctrl-D"]
    )

    def read_line(_prompt: str) -> str:
        line = next(lines)
        if line == "Ctrl-C":
            raise KeyboardInterrupt
        if line == "Ctrl-D":
            raise EOFError
        return line

    with click.Context(main):
        typed = list(Prompt(read_line).entries(lambda: ()))

    assert typed == [
        (1, 'o1: s "bd"'),
        (1, 'o1: s "bd"\n  # gain 0.5'),
        (4, "o2: (saw\n  110)"),
        (6, ":list"),
    ]


@contextmanager
def terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command in a terminal, and our end of that."""
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "gapless", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "dumb"},
        ) as process:
            os.close(theirs)
            try:
                yield process, ours
            finally:
                process.kill()
    finally:
        os.close(ours)


def read_until(end: int, expected: bytes) -> bytes:
    found = b""
    while expected not in found:
        assert select.select([end], [], [], 60)[0], found
        found += os.read(end, 4096)
    return found


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="has no such terminals")
def test_a_person_types_with_history_and_tab(private_state: Path) -> None:
    pytest.importorskip("readline")
    with terminal("repl", "--silent") as (process, end):
        read_until(end, b"~ ")
        os.write(end, b"~bassline: saw 55\r")
        read_until(end, b"~bassline\r\n~ ")
        os.write(end, b"o1: ~bas\t # lpf 300\r")
        read_until(end, b"o1\r\n~ ")
        os.write(end, b"o1: fooo\r")
        read_until(end, b"typed:3:5: there is no function called fooo")
        os.write(end, b":list\r")
        assert b"2  o1: ~bassline" in read_until(end, b"# lpf 300\r\n~ ")
        os.write(end, b"\x04")
        assert process.wait(timeout=30) == 0
    history = (private_state / "gapless" / "repl_history").read_text()
    assert "~bassline: saw 55" in history
