"""Plays the beginning of a program and says when: ``python -m gapless.bench.first_sound FILE.ph``.

In: a program's path. Out: one byte on standard output as soon as the first samples are there. Invariants: it is done as
``gapless render`` does it, in a process that has just begun. Thread: main.
"""

from __future__ import annotations

import os
import sys

from gapless.play.language.load import load
from gapless.play.render import open_player

BLOCK_SAMPLES = 512


def main() -> None:
    """Render one block."""
    with open_player(load(sys.argv[1])) as player:
        block = player.read(BLOCK_SAMPLES)
        # What begins at 0 is heard in the first block; a program that does not cannot be timed like this.
        os.write(1, b"!" if block.any() else b"?")


if __name__ == "__main__":
    main()
