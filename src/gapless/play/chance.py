"""Chance that is the same tomorrow: a number that looks random, made of a time and a seed alone.

In: an exact time and a whole number. Out: a float. Invariants: a pure function, equal in every run, process and
platform; times that are close, far apart or negative are equally unlike, and so are seeds. Thread: any.

Source: BLAKE2b (RFC 7693) of the time's numerator and denominator. TidalCycles shifts the bits of the time as a
float, so that its values repeat every 300 cycles and those of neighbouring seeds go together; a real hash does not.
"""

from __future__ import annotations

from fractions import Fraction
from hashlib import blake2b
from typing import Final

BITS: Final = 53
"""Of a float's fraction, so that every value is exact and 1 is never reached."""


def random_at(time: Fraction, seed: int) -> float:
    """A number from 0 up to 1, uniform over times and over seeds.

    Args:
        time: In cycles, exact.
        seed: Any whole number; another one gives other numbers.
    """
    key = f"{time.numerator}/{time.denominator}/{seed}".encode()
    digest = blake2b(key, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> (64 - BITS)) / (1 << BITS)
