"""SuperCollider's server fed without its language: instruments and scores as the bytes that it reads.

In: units of an instrument, messages at times. Out: bytes. Thread: any (pure functions).

Sources: SuperCollider 3.13 help, "Synth Definition File Format" (version 2), "Server Command Reference",
"Non-Realtime Synthesis (NRT)"; Open Sound Control 1.0.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias


class Rate(IntEnum):
    """How often a unit is computed."""

    CONTROL = 1
    """Once a block of 64."""
    AUDIO = 2


class Output(NamedTuple):
    """What another unit of the instrument gives."""

    unit: int
    channel: int = 0


Input: TypeAlias = float | Output


class SynthUnit(NamedTuple):
    """One unit of an instrument."""

    name: str
    rate: Rate
    inputs: Sequence[Input]
    outputs: int = 1
    special: int = 0
    """Which operator."""


def instrument(name: str, controls: Mapping[str, float], units: Sequence[SynthUnit]) -> bytes:
    """A file of one instrument.

    Args:
        name: of it.
        controls: its arguments with their defaults; the first unit is ``Control`` with an output for each.
        units: in the order in which they are computed.
    """
    constants = sorted(
        {one for unit in units for one in unit.inputs if not isinstance(one, Output)}
    )
    parts = [b"SCgf", struct.pack(">ih", 2, 1), _short(name)]
    parts += [struct.pack(f">i{len(constants)}f", len(constants), *constants)]
    parts += [struct.pack(f">i{len(controls)}f", len(controls), *controls.values())]
    parts += [struct.pack(">i", len(controls))]
    parts += [_short(each) + struct.pack(">i", place) for place, each in enumerate(controls)]
    parts += [struct.pack(">i", len(units))]
    for unit in units:
        shape = (unit.rate, len(unit.inputs), unit.outputs, unit.special)
        parts.append(_short(unit.name) + struct.pack(">biih", *shape))
        for one in unit.inputs:
            place = one if isinstance(one, Output) else (-1, constants.index(one))
            parts.append(struct.pack(">ii", *place))
        parts.append(bytes([unit.rate]) * unit.outputs)
    # No variants.
    return b"".join([*parts, struct.pack(">h", 0)])


def message(address: str, *arguments: str | float | bytes) -> bytes:
    """One message of Open Sound Control."""
    tags, parts = ",", []
    for one in arguments:
        match one:
            case str():
                tags += "s"
                parts.append(_text(one))
            case bytes():
                tags += "b"
                parts.append(_padded(struct.pack(">i", len(one)) + one))
            case int():
                tags += "i"
                parts.append(struct.pack(">i", one))
            case float():
                tags += "f"
                parts.append(struct.pack(">f", one))
    return b"".join([_text(address), _text(tags), *parts])


def score(bundles: Sequence[tuple[float, Sequence[bytes]]]) -> bytes:
    """What the server renders without real time.

    Args:
        bundles: seconds from the beginning and the messages then; the last one says how long it is.
    """
    parts = []
    for seconds, messages in bundles:
        time_tag = struct.pack(">Q", round(seconds * 2**32))
        bundle = b"#bundle\0" + time_tag + b"".join(map(_sized, messages))
        parts.append(_sized(bundle))
    return b"".join(parts)


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode("ascii")


def _text(text: str) -> bytes:
    return _padded(text.encode("ascii") + b"\0")


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _sized(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data
