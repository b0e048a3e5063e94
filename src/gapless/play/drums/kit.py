"""The kit: names, how many sounds each has, and the sounds.

In: a name and an index. Out: float32 [n] at the rate that is asked for. Invariants: the same name, index and rate give
the same samples; made when asked for, not before. Thread: any.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from gapless.play.drums import acoustic, tr808
from gapless.play.drums.canvas import Drum

Recipe: TypeAlias = Callable[[float, int], Drum]
"""Of a rate in hertz and a seed."""


def several(make: Callable[..., Any], *variants: Mapping[str, float]) -> tuple[Recipe, ...]:
    """One recipe a variant."""
    return tuple(partial(make, **variant) for variant in variants)


def tuned(
    make: Callable[..., Any], frequencies_hz: Sequence[float], **others: float
) -> tuple[Recipe, ...]:
    """One recipe a frequency."""
    return tuple(partial(make, hz=hz, **others) for hz in frequencies_hz)


def lasting(
    make: Callable[..., Any], lengths_s: Sequence[float], **others: float
) -> tuple[Recipe, ...]:
    """One recipe a length."""
    return tuple(partial(make, t60_s=t60_s, **others) for t60_s in lengths_s)


DRUMS: Final[Mapping[str, tuple[Recipe, ...]]] = {
    "bd": several(
        acoustic.bass_drum,
        {"hz": 52, "t60_s": 0.42, "sweep": 2.6, "click": 0.15},
        {"hz": 48, "t60_s": 0.55, "sweep": 3.0, "click": 0.10},
        {"hz": 62, "t60_s": 0.28, "sweep": 2.0, "click": 0.30},
        {"hz": 44, "t60_s": 0.80, "sweep": 3.6, "click": 0.08},
    ),
    "sn": several(
        acoustic.snare_drum,
        {"hz": 186, "t60_s": 0.24, "wires": 0.8, "ring": 0.14},
        {"hz": 215, "t60_s": 0.16, "wires": 0.7, "ring": 0.10},
        {"hz": 165, "t60_s": 0.34, "wires": 1.0, "ring": 0.18},
        {"hz": 240, "t60_s": 0.20, "wires": 0.5, "ring": 0.24},
    ),
    "hh": several(
        acoustic.hi_hat,
        {"t60_s": 0.09, "tuning": 1.0, "low_hz": 7000},
        {"t60_s": 0.06, "tuning": 1.15, "low_hz": 8000},
        {"t60_s": 0.13, "tuning": 0.9, "low_hz": 6200},
        {"t60_s": 0.20, "tuning": 1.05, "low_hz": 6800},
    ),
    "oh": several(
        acoustic.hi_hat,
        {"t60_s": 0.75, "tuning": 1.0, "low_hz": 6200},
        {"t60_s": 0.45, "tuning": 1.1, "low_hz": 7000},
        {"t60_s": 1.10, "tuning": 0.9, "low_hz": 5600},
    ),
    "cp": several(
        acoustic.hand_clap,
        {"hz": 1150, "t60_s": 0.22, "spread_s": 0.011},
        {"hz": 1400, "t60_s": 0.15, "spread_s": 0.008},
        {"hz": 950, "t60_s": 0.35, "spread_s": 0.014},
    ),
    "lt": tuned(acoustic.tom, (88, 80, 96), t60_s=0.75, glide=0.3),
    "mt": tuned(acoustic.tom, (128, 118, 140), t60_s=0.60, glide=0.28),
    "ht": tuned(acoustic.tom, (186, 172, 204), t60_s=0.48, glide=0.25),
    "rim": tuned(acoustic.cross_stick, (1700, 1450, 2050), t60_s=0.07),
    "cb": tuned(acoustic.cowbell, (562, 480, 690), t60_s=0.40),
    "cr": lasting(acoustic.crash, (2.0, 1.3, 2.4), tuning=1.0),
    "rd": several(
        acoustic.ride,
        {"t60_s": 1.8, "tuning": 1.0, "bell": 0.08},
        {"t60_s": 1.5, "tuning": 1.12, "bell": 0.05},
        {"t60_s": 1.6, "tuning": 1.0, "bell": 0.8},
    ),
    "808bd": several(
        tr808.bass_drum,
        {"hz": 49.5, "t60_s": 0.9, "tone": 0.6},
        {"hz": 49.5, "t60_s": 0.4, "tone": 0.8},
        {"hz": 49.5, "t60_s": 1.7, "tone": 0.4},
        {"hz": 56.0, "t60_s": 0.7, "tone": 1.0},
    ),
    "808sn": several(
        tr808.snare_drum,
        {"hz": 177, "snappy": 0.8, "t60_s": 0.20},
        {"hz": 177, "snappy": 0.4, "t60_s": 0.14},
        {"hz": 177, "snappy": 1.3, "t60_s": 0.28},
        {"hz": 238, "snappy": 0.8, "t60_s": 0.20},
    ),
    "808hh": lasting(tr808.hi_hat, (0.11, 0.08, 0.16)),
    "808oh": lasting(tr808.hi_hat, (0.7, 0.4, 1.0)),
    "808cp": several(
        tr808.hand_clap,
        {"t60_s": 0.28, "hz": 1000},
        {"t60_s": 0.18, "hz": 1100},
        {"t60_s": 0.40, "hz": 900},
    ),
    "808lt": tuned(tr808.tom, (90, 80, 100), t60_s=0.60, breath=0.15),
    "808mt": tuned(tr808.tom, (135, 120, 160), t60_s=0.45, breath=0.13),
    "808ht": tuned(tr808.tom, (185, 165, 220), t60_s=0.36, breath=0.12),
    "808lc": tuned(tr808.tom, (190, 165, 220), t60_s=0.34, breath=0.0),
    "808mc": tuned(tr808.tom, (280, 250, 310), t60_s=0.27, breath=0.0),
    "808hc": tuned(tr808.tom, (410, 370, 455), t60_s=0.22, breath=0.0),
    "808rim": tuned(tr808.rim_shot, (1667, 1540, 1800)),
    "808cb": several(
        tr808.cowbell, {"t60_s": 0.45, "tuning": 1.0}, {"t60_s": 0.25, "tuning": 1.06}
    ),
    "808cy": several(
        tr808.cymbal,
        {"t60_s": 1.8, "tone": 0.6},
        {"t60_s": 1.0, "tone": 0.9},
        {"t60_s": 2.4, "tone": 0.4},
    ),
    "808ma": lasting(tr808.maracas, (0.04, 0.06)),
    "808cl": tuned(tr808.claves, (2500, 2300)),
}
"""What is made."""

ALIASES: Final[Mapping[str, str]] = {
    "kick": "bd",
    "clubkick": "bd",
    "hardkick": "bd",
    "popkick": "bd",
    "reverbkick": "808bd",
    "snare": "sn",
    "sd": "sn",
    "hat": "hh",
    "ch": "hh",
    "hc": "hh",
    "ho": "oh",
    "clap": "cp",
    "rs": "rim",
    "cowbell": "cb",
    "crash": "cr",
    "cy": "cr",
    "ride": "rd",
    "lo": "lt",
    "808sd": "808sn",
    "808ch": "808hh",
    "808rs": "808rim",
    "808cr": "808cy",
    "808cowbell": "808cb",
}
"""Other names of the same, most of them those of folders that Tidal's programs name."""

SETS: Final[Mapping[str, tuple[str, ...]]] = {
    "drum": ("bd", "sn", "hh", "oh", "cp", "lt", "mt", "ht"),
    "808": ("808bd", "808sn", "808hh", "808oh", "808cp", "808cy"),
    "tom": ("lt", "mt", "ht"),
    "perc": ("rim", "cb", "808cl", "808ma", "808lc", "808hc"),
}
"""Names whose indices are different drums."""

NAMES: Final = frozenset({*DRUMS, *ALIASES, *SETS})


def count_of(name: str) -> int:
    """How many sounds a name of ``NAMES`` has."""
    return len(SETS[name]) if name in SETS else len(DRUMS[ALIASES.get(name, name)])


def drum_of(name: str, index: int) -> tuple[str, int]:
    """The drum that a name of ``NAMES`` and an index stand for: one of ``DRUMS``, and the number of its variant."""
    if name in SETS:
        members = SETS[name]
        return members[index % len(members)], 0
    drum = ALIASES.get(name, name)
    return drum, index % len(DRUMS[drum])


def make_drum(drum: str, variant: int, rate_hz: float) -> Drum:
    """Compute one.

    Args:
        drum: of ``DRUMS``.
        variant: from 0.
        rate_hz: of the samples.

    Returns:
        float32 [n], its peak at -3 dBFS.
    """
    seed = zlib.crc32(f"{drum}:{variant}".encode())
    return DRUMS[drum][variant](rate_hz, seed)
