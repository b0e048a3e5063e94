"""Which device to hear, or to play on.

In: the devices there are, the one that was asked for, the one used last. Out: the device to use now. Invariants: what
was asked for wins whenever it is there; else the system's default; the one used last is for systems whose default is
our own virtual device, which is never in the list, so that nothing hears itself. Thread: any.
"""

from __future__ import annotations

from collections.abc import Sequence

from gapless.audio.device.server import Device, Direction


def choose_device(
    devices: Sequence[Device],
    direction: Direction,
    *,
    wanted: str | None,
    last: str | None,
    refused: frozenset[str] = frozenset(),
) -> Device | None:
    """The device to use, or None where there is none.

    Args:
        devices: all there are.
        direction: which of them count.
        wanted: a name, or a part of a name or a description, in any case; None: the default.
        last: name of the one used last.
        refused: names of devices that could not be opened; taken only if there is no other.
    """
    there = [device for device in devices if device.direction == direction]
    there = [device for device in there if device.name not in refused] or there
    if wanted is not None and (match := find_device(there, wanted, last)) is not None:
        return match
    for device in there:
        if device.default:
            return device
    for device in there:
        if device.name == last:
            return device
    return there[0] if there else None


def find_device(devices: Sequence[Device], wanted: str, last: str | None = None) -> Device | None:
    """The device that goes by this name, else one that has it as a part of its name or description.

    Args:
        devices: to choose from.
        wanted: the name, or the part.
        last: of several that fit the one that is preferred.
    """
    for device in devices:
        if wanted == device.name:
            return device
    part = wanted.casefold()
    fitting = [
        device
        for device in devices
        if part in device.name.casefold() or part in device.description.casefold()
    ]
    return min(fitting, key=lambda device: device.name != last, default=None)
