"""``voices``: all that sounds at once because of triggers.

In: the queue of ``trigger``. Out: left and right. Invariants: what a voice gives depends on its order and its sample
alone; voices are added in the order of their slots; nothing that is no number comes out. Thread: the callback's.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba.np.numpy_support import carray

from gapless.play.sound.bank.begin import take_orders
from gapless.play.sound.bank.jumps import make_tables
from gapless.play.sound.bank.layout import bank_fields
from gapless.play.sound.bank.voice import play_voices
from gapless.play.sound.unit import Unit, wire

MAX_VOICES: Final = 1024


@cache
def make_bank(max_voices: int) -> Unit:
    """A unit that plays so many voices at once, and a quarter more that fade out.

    Its record has the queue of ``trigger`` and these counters: ``sounding``, voices that sound and do not have to go;
    ``stolen``, those that had to make room; ``unheard``, orders that gave no voice because no slot was free or there
    was nothing to play; ``started``. ``linear`` = 1 makes samples cheaper and worse, see ``sampled``.

    Raises:
        ValueError: not one voice.
    """
    if max_voices < 1:
        raise ValueError(f"a bank of {max_voices} voices; ask for at least 1")

    def prepare(record: npt.NDArray[np.void], _rate_hz: float) -> None:
        record["max_voices"] = max_voices
        record["jumps"], record["corners"] = make_tables()

    return Unit(
        "voices",
        play,
        fields=bank_fields(max_voices),
        inputs=[],
        doc="voices that a pattern starts",
        outputs=2,
        prepare=prepare,
    )


def play(pointer: Any) -> None:
    """A quantum of a bank."""
    own = carray(pointer, (1,))[0]
    take_orders(own)
    play_voices(own, wire(own.outputs[0]), wire(own.outputs[1]))


VOICES: Final = make_bank(MAX_VOICES)
