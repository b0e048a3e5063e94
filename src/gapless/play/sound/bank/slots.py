"""Who sits where: slots are found for voices, voices are sent away, slots are given back.

In: a bank. Out: the same. Invariants: no more than ``max_voices`` sound; a voice that has to make room for another
fades, in a slot of the reserve, while the new one already sounds. Thread: the callback's.

The quietest voice is sent away: in steps of 6 dB, and of those in one step the one that began first. How loud a voice
is tells its peak of late, at its begin its gain, so that nobody is sent away in the attack.
"""

from __future__ import annotations

import math
from typing import Final

from gapless.play.sound.bank.filtered import forget_filter
from gapless.play.sound.bank.layout import FREE, PAIR
from gapless.play.sound.unit import Record
from gapless.realtime.zone import zone

STEAL_S: Final = 0.005
"""In which a voice fades that makes room."""
CUT_S: Final = 0.010
"""In which a voice fades that its group's next one ends."""
FAINTEST: Final = 2.0**-40
OLDER: Final = 1 << 50
"""Between steps of loudness: more than voices ever begin."""


@zone
def find_slot(own: Record, filtered: bool) -> int:  # noqa: FBT001  Numba has no keyword-only arguments
    """A free slot, -1 if there is none.

    Voices with filters are put together from the first slot on, the others from the last one backwards, so that few
    lanes of the filters are empty.
    """
    pairs = own.used.shape[0]
    for n in range(pairs):
        pair = n if filtered else pairs - 1 - n
        if own.used[pair] < PAIR:
            for slot in range(pair * PAIR, (pair + 1) * PAIR):
                if own.kind[slot] == FREE:
                    return slot
    return -1


@zone
def take_slot(own: Record, slot: int, kind: int) -> None:
    """Let a voice sit there."""
    own.kind[slot] = kind
    own.used[slot // PAIR] += 1
    own.sounding += 1


@zone
def free_slot(own: Record, slot: int) -> None:
    """A voice has come to its end."""
    if own.vanish[slot] == 0:
        own.sounding -= 1
    own.kind[slot] = FREE
    own.used[slot // PAIR] -= 1
    own.group[slot] = 0
    own.vanish[slot] = 0
    forget_filter(own, slot)


@zone
def send_away(own: Record, slot: int, offset: int, time_s: float) -> None:
    """Let a voice fade from a sample of this quantum on; it does not count from now on."""
    vanish = 1 / max(time_s * own.rate, 1.0)
    own.vanish[slot] = vanish
    own.fade[slot] = 1 + offset * vanish
    own.sounding -= 1


@zone
def cut_group(own: Record, group: int, offset: int) -> None:
    """Send away all voices of a group."""
    for slot in range(own.kind.shape[0]):
        if own.group[slot] == group and own.kind[slot] != FREE and own.vanish[slot] == 0:
            send_away(own, slot, offset, CUT_S)


@zone
def release_group(own: Record, group: int, offset: int) -> None:
    """Let go of all voices of a group that are held, from a sample of this quantum on."""
    for slot in range(own.kind.shape[0]):
        held_samples = float(own.age[slot] + offset)
        if own.group[slot] == group and own.kind[slot] != FREE and held_samples < own.hold[slot]:
            own.hold[slot] = held_samples
            own.released[slot] = int(held_samples)
            own.ends[slot] = int(held_samples + 1 / own.ebb[slot]) + 1


@zone
def steal(own: Record, offset: int) -> None:
    """Send the quietest voice away; there is one."""
    least = -1
    quietest = 0
    for slot in range(own.kind.shape[0]):
        if own.kind[slot] != FREE and own.vanish[slot] == 0:
            loudness = math.floor(math.log2(max(own.level[slot], FAINTEST)))
            rank = int(loudness) * OLDER + own.serial[slot]
            if least < 0 or rank < quietest:
                least, quietest = slot, rank
    if least >= 0:
        send_away(own, least, offset, STEAL_S)
        own.stolen += 1
