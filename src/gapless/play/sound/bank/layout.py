"""What a bank remembers: a structure of arrays, one element a slot, so that sixteen voices fit a vector.

In: how many voices sound at once. Out: the fields of the bank's record. Invariants: there are more slots than voices,
for those that fade out; slots come in pairs of vectors, which are computed together. Thread: any.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from gapless.play.sound.bank.jumps import TABLE
from gapless.play.sound.bank.vector import LANES
from gapless.play.sound.trigger import QUEUE
from gapless.play.sound.unit import QUANTUM

PAIR: Final = 2 * LANES
"""Slots that are computed together."""
PAD: Final = LANES
"""Before and after a row: what corrects a jump reaches over the quantum's ends."""
ROW: Final = PAD + QUANTUM + PAD

FREE: Final = 0
"""As the kind of a slot: nobody is there; the others are those of a trigger."""

FORGETTING: Final = np.float32(0.9)
"""Of a voice's peak of late, a quantum: 20 dB in 33 ms."""

SECOND: Final = PAIR + 1
"""Row of a sample's second channel; ``PAIR`` is that of a voice without a filter."""


def slots_for(max_voices: int) -> int:
    """Slots of a bank: a quarter more than voices, at least 16, in whole pairs of vectors."""
    return -(-(max_voices + max(max_voices // 4, LANES)) // PAIR) * PAIR


def bank_fields(max_voices: int) -> list[tuple[Any, ...]]:
    """Fields of a bank's record, behind the header."""
    slots = slots_for(max_voices)
    whole = [
        "kind",
        "wave",
        "group",  # in which a new voice ends this one; 0: none
        "serial",  # of the voice: how many began before it
        "age",  # samples since it began, at the quantum's start; negative before
        "settled",  # the age in which attack and decay are over
        "released",  # the age in which the release begins
        "ends",  # the age in which the release is over
        "phase",  # 2^-32 periods, at the quantum's start
        "step",  # the same, per sample
        "width",  # the same, of a pulse: how far after the jump down the jump up is
        # of a sample
        "sound",  # address
        "length",  # frames
        "channels",
        "place",  # 2^-32 frames: of the next sample that is heard
        "low",  # the first frame that is played
        "high",  # the frame behind the last one
        "loops",
        "filtered",  # 1: it goes through a filter
    ]
    double = [
        "turn",  # 1 / step
        "attack",  # samples
        "rise",  # 1 / attack; 0: there is none
        "fall",  # 1 / samples of decay
        "hold",  # samples until the release
        "ebb",  # 1 / samples of release
        "speed",  # frames per sample
        "bend",  # its factor for every 16 samples ...
        "bent",  # ... until the voice is so old
        "tail",  # samples before a sample's end in which it fades; 0: it need not
    ]
    single = [
        "sustain",
        "fade",  # what is left of a voice that has to go: 1 .. 0
        "vanish",  # by how much that falls in a sample; 0: it stays
        "crush",  # 2 shape / (1 - shape)
        "left",  # gains
        "right",
        "level",  # peak of late
        # of the filter
        "first",  # state
        "second",
        "own_first",  # what the first state keeps of itself
        "cross",  # how much one state gets of the other
        "inward",  # how much the second gets of what comes in
    ]
    return [
        *QUEUE,
        ("max_voices", "i8"),
        ("linear", "i8"),  # 1: samples between frames lie on a straight line, not on a cubic
        ("sounding", "i8"),
        ("stolen", "i8"),
        (
            "unheard",
            "i8",
        ),  # orders that gave no voice: no slot was free, or there was nothing to play
        ("started", "i8"),
        ("jumps", "f4", (TABLE,)),
        ("corners", "f4", (TABLE,)),
        ("rows", "f4", ((PAIR + 2) * ROW,)),
        ("turned", "f4", (2 * QUANTUM * LANES,)),
        ("mixed", "f4", (2 * QUANTUM * LANES,)),
        ("used", "i8", (slots // PAIR,)),  # slots of each pair of vectors
        *((name, "i8", (slots,)) for name in whole),
        *((name, "f8", (slots,)) for name in double),
        *((name, "f4", (slots,)) for name in single),
    ]
