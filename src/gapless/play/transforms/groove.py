"""Groove: events repeated, delayed or rolled within their own time.

In: patterns. Out: patterns. Thread: any (pure).

Source: TidalCycles 1.9, the reference pages "Alteration" and "Harmony and melody". A note that is alone stays as it is
under every mode of ``arp``; TidalCycles drops it under some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from gapless.play.fragments import defragment
from gapless.play.pattern import Event, Pattern, pure
from gapless.play.time import Span
from gapless.play.transforms.arguments import (
    TIME,
    WORD,
    factor,
    parameters,
    patterned,
    time,
    word,
)
from gapless.play.transforms.contract import Transform
from gapless.play.transforms.order import within
from gapless.play.transforms.speed import inside

Chord: TypeAlias = list[Event[Any]]
SWING: Final = Fraction(1, 3)
ROLL: Final = Fraction(1, 4)
"""Of an event, over which its notes are spread."""


def _ply(times: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    def make(many: Fraction) -> Pattern[Any]:
        return pattern.map(lambda value: pure(value).fast(many)).squeeze_join()

    return patterned(make, (factor, times))


def pressed(pattern: Pattern[Any], by: Fraction) -> Pattern[Any]:
    """Each event begins later by a share of its length."""
    return pattern.map(lambda value: pure(value).compress(by % 1, 1)).squeeze_join()


def _press(pattern: Pattern[Any]) -> Pattern[Any]:
    return pressed(pattern, Fraction(1, 2))


def _press_by(share: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda by: pressed(pattern, by), (time, share))


def _swing_by(share: Pattern[Any], parts: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    half, one = Fraction(1, 2), Fraction(1)

    def delayed(inner: Pattern[Any]) -> Pattern[Any]:
        return within(half, one, patterned(inner.late, (time, share)), inner)

    return patterned(lambda many: inside(many, delayed, pattern), (factor, parts))


def _swing(parts: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return _swing_by(pure(SWING), parts, pattern)


def _chords(events: Chord) -> list[tuple[Span, Chord]]:
    """Events that begin and end together, in the order of time."""
    groups: dict[Span, Chord] = {}
    for event in defragment(events):
        if event.whole is not None:
            groups.setdefault(event.whole, []).append(event)
    return sorted(groups.items(), key=lambda group: group[0])


def _converge(chord: Chord) -> Chord:
    low, high = 0, len(chord) - 1
    order = []
    while low <= high:
        order.append(chord[low])
        if low < high:
            order.append(chord[high])
        low, high = low + 1, high - 1
    return order


def _pinky_up(chord: Chord) -> Chord:
    return [note for one in chord[:-1] for note in (one, chord[-1])]


def _thumb_up(chord: Chord) -> Chord:
    return [note for one in chord[1:] for note in (chord[0], one)]


def _there_and_back(there: Chord) -> Chord:
    return there[:-1] + there[:0:-1]


ARPEGGIOS: Final[Mapping[str, Callable[[Chord], Chord]]] = MappingProxyType(
    {
        "up": lambda chord: chord,
        "down": lambda chord: chord[::-1],
        "updown": _there_and_back,
        "downup": lambda chord: _there_and_back(chord[::-1]),
        "up&down": lambda chord: chord + chord[::-1],
        "down&up": lambda chord: chord[::-1] + chord,
        "converge": _converge,
        "diverge": lambda chord: _converge(chord)[::-1],
        "disconverge": lambda chord: _converge(chord) + _converge(chord)[-2::-1],
        "pinkyup": _pinky_up,
        "pinkyupdown": lambda chord: _there_and_back(_pinky_up(chord)),
        "thumbup": _thumb_up,
        "thumbupdown": lambda chord: _there_and_back(_thumb_up(chord)),
    }
)
"""Orders of the notes of a chord, by name; another name is taken as ``up``."""


def _arpeggio(mode: str, pattern: Pattern[Any]) -> Pattern[Any]:
    order = ARPEGGIOS.get(mode, ARPEGGIOS["up"])

    def spread(held: Span, chord: Chord) -> Chord:
        notes = order(chord) if len(chord) > 1 else chord
        step = (held.end - held.begin) / len(notes)
        found = []
        for k, note in enumerate(notes):
            own = Span(held.begin + k * step, held.begin + (k + 1) * step)
            part = note.part.meet(own)
            if part is not None:
                found.append(Event(own, part, note.value, note.spans))
        return found

    def ask(span: Span) -> Chord:
        chords = _chords(pattern.ask(span))
        return [note for held, chord in chords for note in spread(held, chord)]

    return Pattern(ask)


def _arp(mode: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda name: _arpeggio(name, pattern), (word, mode))


def rolled(pattern: Pattern[Any], share: Fraction) -> Pattern[Any]:
    """The notes of a chord one after the other over a share of it; if negative, the last first."""
    share = max(Fraction(-1), min(Fraction(1), share))
    if share == 0:
        return pattern

    def spread(held: Span, chord: Chord) -> Chord:
        step = (held.end - held.begin) * abs(share) / len(chord)
        found = []
        for k, note in enumerate(chord if share > 0 else chord[::-1]):
            own = Span(held.begin + k * step, held.end)
            part = note.part.meet(own)
            if part is not None:
                found.append(Event(own, part, note.value, note.spans))
        return found

    def ask(span: Span) -> Chord:
        events = pattern.ask(span)
        continuous = [event for event in events if event.whole is None]
        return continuous + [
            note for held, chord in _chords(events) for note in spread(held, chord)
        ]

    return Pattern(ask)


def _rolled(pattern: Pattern[Any]) -> Pattern[Any]:
    return rolled(pattern, ROLL)


def _rolled_by(share: Pattern[Any], pattern: Pattern[Any]) -> Pattern[Any]:
    return patterned(lambda by: rolled(pattern, by), (time, share))


FAMILY: Final = (
    Transform("ply", parameters(times=TIME), _ply, "Each event so many times within its time."),
    Transform("press", (), _press, "Each event begins half its length later."),
    Transform(
        "pressBy", parameters(share=TIME), _press_by, "Each event begins a share of itself later."
    ),
    Transform(
        "swing", parameters(parts=TIME), _swing, "The second half of each part a third of it late."
    ),
    Transform(
        "swingBy",
        parameters(share=TIME, parts=TIME),
        _swing_by,
        "The second half of each part of a cycle a share of the part late.",
    ),
    Transform("arp", parameters(mode=WORD), _arp, "The notes of each chord one after the other."),
    Transform("rolled", (), _rolled, "The notes of each chord in turn over a quarter of it."),
    Transform(
        "rolledBy",
        parameters(share=TIME),
        _rolled_by,
        "The notes of each chord in turn over a share of it; if negative, the last first.",
    ),
)
