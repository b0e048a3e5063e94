"""The reference pages of playing that are made from the code: units, transforms, voices.

In: the catalogues of ``gapless.play``. Out: Markdown. Invariants: a family without a title here is an error, so that
nothing is left out in silence. Used by ``make_reference.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import ModuleType
from typing import Final

from gapless.play.controls import NUMBERS
from gapless.play.drums import kit
from gapless.play.instruments import is_instrument
from gapless.play.language.parameters import ALIASES
from gapless.play.notes import CHORDS, SCALES
from gapless.play.sound.catalogue import ROOMS, UNITS
from gapless.play.sound.unit import Input, Unit
from gapless.play.transforms import (
    alternation,
    chance,
    cutting,
    groove,
    layering,
    makers,
    masks,
    order,
    signals,
    speed,
)
from gapless.play.transforms.contract import Kind, Parameter, Transform
from gapless.play.transforms.groove import ARPEGGIOS
from gapless.play.transforms.registry import TRANSFORMS
from gapless.play.transforms.signals import SIGNALS
from gapless.play.voices import WAVES

RIGHT: Final = "in2"
"""The right half of the sound that comes in: no argument of the language."""

UNITS_INTRODUCTION: Final = """\
<!-- Made by tools/make_reference.py from the code: change it there. -->

# Units

A unit makes a sound, or changes one, sample by sample. One that changes a sound stands behind `#`, and the sound is not
among its arguments: `saw 110 # lpf 800 0.9`. The others stand where a sound is wanted: `supersaw 220 0.4`. Arguments
come in the order of the table, or by name: `lpf 800 :q 0.9`. Those without a default must be given. Each may be a
number, a pattern or a sound: `lpf "400 <800 1600>"`, `lpf (sine 0.2 * 400 + 600)`.

A `trig` or `gate` that is not given sets the unit off once, at the beginning; in a bus that a pattern plays as an
instrument, each voice does. One that is given sets it off whenever it rises above 0: `ad 0.01 0.2 (impulse 2)`,
`ad 0.01 0.2 "1 0 1 0"`.
"""

TRANSFORMS_INTRODUCTION: Final = """\
<!-- Made by tools/make_reference.py from the code: change it there. -->

# Transforms

A transform makes a pattern of a pattern: `fast 2 $ s "bd sn"`, or `s "bd sn" $ fast 2`. Those that are marked *makes*
need no pattern: `n (run 4)`. Every argument may be a pattern itself: `fast "<1 2>"`. An argument called `change` is a
transform with all its arguments but the pattern, in brackets: `every 4 (fast 2)`, `off 0.125 (# lpf 300)`. A list is
written `[a, b]`.
"""

CONTINUOUS: Final = """\
Once a cycle, and from 0 to 1, are wherever a pattern is wanted: {waves}. Nothing begins in them, so that they start no
voices: take the structure from another pattern (`s "hh*8" # pan sine`) or make one with `segment 8`.
"""

VOICES_INTRODUCTION: Final = """\
<!-- Made by tools/make_reference.py from the code: change it there. -->

# Voices

What may be said of a voice, and what it may be. All of it is read when the voice begins: `s "hh*8" # gain "1 0.6"`.
What shall move while it sounds goes through a [unit](play-units.md).
"""

UNIT_TITLES: Final[Mapping[str, str]] = {
    "arithmetic": "Arithmetic",
    "control": "Control and mixing",
    "envelopes": "Envelopes",
    "noises": "Noise",
    "drums": "Drums",
    "pluck": "Strings",
    "sines": "Sines",
    "supertones": "Several oscillators in one",
    "waves": "Classic waves",
    "wavetable": "Wavetables",
    "comb": "Comb filter",
    "dj": "DJ filter",
    "equaliser": "Equalisers",
    "ladder": "Ladder filter",
    "plain": "Filters",
    "resonant": "Resonant filters",
    "amplitude": "Amplitude",
    "distortion": "Distortion",
    "dynamics": "Dynamics",
    "echo": "Echoes",
    "limiter": "Limiter",
    "moving_delay": "Delays that move",
    "phaser": "Phaser",
    "reduction": "Reduction",
    "reverb": "Reverberation",
}
"""By the module that they are in."""

FAMILY_TITLES: Final[Mapping[ModuleType, str]] = {
    speed: "Speed and time",
    order: "Order",
    alternation: "In some cycles",
    chance: "Chance",
    groove: "Groove and chords",
    layering: "Layers",
    masks: "Structure and masks",
    cutting: "Cutting of samples",
    makers: "Patterns of patterns",
    signals: "Continuous patterns",
}

KINDS: Final[Mapping[Kind, str]] = {
    Kind.NUMBER: "number",
    Kind.TIME: "time or factor",
    Kind.INTEGER: "whole number",
    Kind.BOOLEAN: "t and f",
    Kind.WORD: "word",
    Kind.PATTERN: "pattern",
    Kind.CHANGE: "transform",
}


def units_page() -> str:
    """A table for each family of units."""
    lines = [UNITS_INTRODUCTION]
    for room in ROOMS:
        for module in room:
            lines += [
                f"## {UNIT_TITLES[module.__name__.rpartition('.')[2]]}\n",
                "| unit | | arguments |",
                "|---|---|---|",
                *(row(unit_cells(one)) for one in module.UNITS),
                "",
            ]
    return "\n".join(lines)


def unit_cells(unit: Unit) -> tuple[str, str, str]:
    """Name, meaning, arguments."""
    shown = [one for one in unit.inputs if one.name != RIGHT]
    shown = shown[1:] if unit.is_effect else shown
    notes = [unit.doc]
    if unit.is_effect and unit.latency_samples:
        notes.append(f"{unit.latency_samples} samples late")
    if unit.is_effect and unit.outputs > 1:
        notes.append("stereo")
    other = [name for name, meant in ALIASES.items() if meant == unit.name]
    names = ", ".join(f"`{name}`" for name in (unit.name, *other))
    return (
        f"{'# ' if unit.is_effect else ''}{names}",
        "; ".join(notes),
        "<br>".join(all_told(shown)),
    )


def all_told(inputs: Iterable[Input]) -> Iterator[str]:
    """Arguments, those that say the same in a row as one."""
    for (doc, default), alike in groupby(inputs, key=lambda one: (one.doc, one.default)):
        names = [f"`{one.name}`" for one in alike]
        shown = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        yield f"{shown}{'' if default is None else f' = {default:g}'}: {doc}"


def transforms_page() -> str:
    """A table for each family of transforms."""
    missing = set(TRANSFORMS) - {one.name for module in FAMILY_TITLES for one in module.FAMILY}
    if missing:
        raise LookupError(f"transforms of no family that has a title: {sorted(missing)}")
    lines = [TRANSFORMS_INTRODUCTION]
    for module, title in FAMILY_TITLES.items():
        lines += [
            f"## {title}\n",
            "| transform | | arguments |",
            "|---|---|---|",
            *(row(transform_cells(one)) for one in module.FAMILY),
            "",
        ]
    lines += [CONTINUOUS.format(waves=code(SIGNALS))]
    return "\n".join(lines)


def transform_cells(transform: Transform) -> tuple[str, str, str]:
    """Name, meaning, arguments."""
    makes = "" if transform.changes else " (makes)"
    arguments = ", ".join(map(taken, transform.parameters))
    return f"`{transform.name}`{makes}", transform.doc, arguments


def taken(parameter: Parameter) -> str:
    """An argument of a transform."""
    kind = KINDS[parameter.kind]
    return f"`{parameter.name}`: {f'list, each a {kind}' if parameter.many else kind}"


def voices_page() -> str:
    """Parameters, sounds, chords, scales."""
    lines = [VOICES_INTRODUCTION, *parameters(), *sounds()]
    for title, names, what in (
        (
            "Chords",
            by_tones(CHORDS),
            'Behind a root and a quote: `note "c4\'min7"`. Semitones above the root:',
        ),
        (
            "Scales",
            by_tones(SCALES),
            'For `note (scale "minor" "0 .. 7")`. Semitones of an octave:',
        ),
    ):
        lines += [f"## {title}\n", f"{what}\n", "| name | |", "|---|---|"]
        lines += [row((code(each), " ".join(map(str, tones)))) for tones, each in names]
        lines.append("")
    lines += ["## Orders of `arp`\n", f"{code(ARPEGGIOS)}.", ""]
    return "\n".join(lines)


def parameters() -> Iterator[str]:
    """The table of voice parameters."""
    yield "## Parameters\n"
    yield "| name | from | to | |"
    yield "|---|---|---|---|"
    yield row(("`s`, `sound`", "", "", "what is to sound; `bd:3` is number 3 of `bd`"))
    yield row(("`unit`", "", "", "what `speed` counts: `r` rate, `c` cycles, `s` seconds"))
    for name, (low, high, doc) in NUMBERS.items():
        others = [alias for alias, meant in ALIASES.items() if meant == name]
        yield row((code((name, *others)), f"{low:.10g}", f"{high:.10g}", doc))
    yield "\nWhat is beyond its bounds is taken as the nearer one, and said so.\n"


def sounds() -> Iterator[str]:
    """What ``s`` may name."""
    yield "## Sounds\n"
    yield (
        "`s` names, and the first that fits is taken: a bus (`~x`), a folder of `--samples`, a tone, a unit, a drum.\n"
    )
    units = [name for name, one in UNITS.items() if is_instrument(name, {name: one}, {})]
    yield f"- **Tones**, the cheapest voices: {code(WAVES)}."
    yield f"- **Units** as instruments: {code(units)}."
    drums = ", ".join(f"`{name}` ({kit.count_of(name)})" for name in kit.DRUMS)
    yield f"- **Drums** that come with Gapless, and how many of each: {drums}."
    sets = "; ".join(f"`{name}`: {code(members)}" for name, members in kit.SETS.items())
    yield f"- **Sets**, whose numbers are different drums: {sets}."
    others = ", ".join(f"`{name}` = `{drum}`" for name, drum in kit.ALIASES.items())
    yield f"- **Other names**: {others}.\n"


def by_tones(table: Mapping[str, tuple[int, ...]]) -> list[tuple[tuple[int, ...], list[str]]]:
    """Tones with all names that they have, in the order of the table."""
    found: dict[tuple[int, ...], list[str]] = {}
    for name, tones in table.items():
        found.setdefault(tones, []).append(name)
    return list(found.items())


def code(names: Iterable[str]) -> str:
    """Names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def row(cells: Iterable[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
