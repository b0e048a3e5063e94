"""Ask Strudel what patterns in mini-notation play, and keep its answers: tests/data/strudel/mini.json.

    .venv/bin/python tools/make_strudel_answers.py FOLDER

In: patterns written by hand (tests/data/strudel/patterns.txt), as many that are drawn by a seeded generator, and the
folder that Strudel was installed in (see ask_strudel.mjs). Out: the file that tests/unit/test_mini_strudel.py compares
with. Invariants: chance and rotated rhythms are left out, for there Strudel differs from TidalCycles on purpose, as are
the forms that the test lists as exceptions; the same Strudel gives the same file.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ASK: Final = Path(__file__).with_name("ask_strudel.mjs")
FOLDER: Final = Path(__file__).parents[1] / "tests" / "data" / "strudel"

CYCLES: Final = 4
DRAWN: Final = 300
SEED: Final = 6
DEEPEST: Final = 3
MOST_EVENTS: Final = 48
"""Of a drawn pattern, in all its cycles; larger ones say no more and cost space."""


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "folder", type=Path, help="where @strudel/core and @strudel/mini are installed"
    )
    folder = parser.parse_args().folder
    written = FOLDER.joinpath("patterns.txt").read_text(encoding="utf-8").splitlines()
    drawn = list(dict.fromkeys(drawn_patterns()))
    answers = dict(zip(written + drawn, ask(folder, written + drawn), strict=True))
    kept = written + [text for text in drawn if fits(answers[text])][:DRAWN]
    rows = (f"{json.dumps(text)}:{packed(answers[text])}" for text in kept)
    target = FOLDER / "mini.json"
    target.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    print(f"{target}: {len(written)} written and {len(kept) - len(written)} drawn patterns")


def ask(folder: Path, patterns: list[str]) -> list[Any]:
    """Strudel's answers, in order."""
    question = json.dumps([[text, CYCLES] for text in patterns])
    command = ["node", str(ASK), str(folder)]
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=True)
    answers: list[Any] = json.loads(done.stdout)
    return answers


def fits(answer: Any) -> bool:
    """Whether a drawn pattern is worth its space."""
    return isinstance(answer, list) and 0 < len(answer) <= MOST_EVENTS


def packed(answer: Any) -> str:
    """Events as JSON: ``[begin, end, value]``; where a part is not the whole, its times stand before the value."""
    if not isinstance(answer, list):
        message = f"Strudel does not understand a pattern of patterns.txt: {answer}"
        raise TypeError(message)
    events = [event[:2] + event[4:] if event[:2] == event[2:4] else event for event in answer]
    return json.dumps(events, separators=(",", ":"))


def drawn_patterns() -> Iterator[str]:
    """Texts in which the forms of the notation meet in all ways."""
    chance = random.Random(SEED)
    for _ in range(3 * DRAWN):
        yield sequence(chance, DEEPEST)


def sequence(chance: random.Random, depth: int) -> str:
    """Steps, each perhaps wider than the others or repeated."""
    steps = []
    for _ in range(chance.choice((1, 2, 2, 3, 3, 4))):
        step = term(chance, depth)
        step += chance.choice(("", "", "", "", "", "@2", "@3", "@1.5", "!2", "!", " _", " !"))
        steps.append(step)
    return " ".join(steps)


def term(chance: random.Random, depth: int) -> str:
    """A step with its operators."""
    if chance.random() < 0.08:
        return chance.choice(("a", "b", "<a b>", "7")) + rhythm(chance)
    operator = chance.choice(("", "", "", "*", "*", "/"))
    return atom(chance, depth) + (operator and operator + factor(chance))


def atom(chance: random.Random, depth: int) -> str:
    """What a step begins with."""
    if depth == 0 or chance.random() < 0.45:
        return chance.choice(("a", "b", "c", "bd", "hh", "0", "3", "-1", "0.5", "~", "a", "b"))
    layers = [sequence(chance, depth - 1) for _ in range(chance.choice((1, 1, 1, 2)))]
    inside = ", ".join(layers)
    form = chance.choice(("[%]", "[%]", "<%>", "<%>", "{%}", "{%}r", "%.."))
    if form == "%..":
        return f"[{chance.randint(-2, 2)} .. {chance.choice(('3', '<1 4>', '5'))}]"
    rate = "%" + chance.choice(("2", "3", "4", "1.5", "<3 4>"))
    return form.replace("r", rate).replace("%", inside, 1)


def factor(chance: random.Random) -> str:
    """By how much to go faster or slower."""
    return chance.choice(("2", "3", "1.5", "0.75", "4", "<2 3>", "<1 [2 3]>", "[1 2]", "{2 3 1}%2"))


def rhythm(chance: random.Random) -> str:
    """Pulses over steps, not rotated."""
    steps = chance.choice((4, 5, 8, 12, 13, 16))
    pulses = chance.randint(-steps, steps)
    return chance.choice((f"({pulses},{steps})", f"(<1 3>,{steps})", f"({pulses % 5},<5 8>)"))


if __name__ == "__main__":
    main()
