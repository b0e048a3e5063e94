"""Which device somebody means.

In: all devices and a name, a part of one, or nothing. Out: one device. Invariants: a full name wins over a part;
nothing is guessed between two. Thread: any.
"""

from __future__ import annotations

from collections.abc import Sequence

from gapless.audio.device.server import Device, Direction
from gapless.errors import DeviceError


def choose_device(devices: Sequence[Device], direction: Direction, wanted: str | None) -> Device:
    """The device that is meant.

    Args:
        devices: all there are.
        direction: what it is to do.
        wanted: its name or description, or a part of either in any case; None for the default.

    Raises:
        DeviceError: there is none, or more than one fits.
    """
    candidates = [device for device in devices if device.direction == direction]
    if wanted is None:
        found = [device for device in candidates if device.default] or candidates
        if not found:
            raise DeviceError(f"there is no {direction} device; plug one in, then try again")
        return found[0]
    for fits in (
        lambda device: device.name == wanted,
        lambda device: device.description == wanted,
        lambda device: wanted.lower() in f"{device.name}\n{device.description}".lower(),
    ):
        found = [device for device in candidates if fits(device)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(device.name for device in found)
            raise DeviceError(
                f"{wanted!r} fits {len(found)} devices ({names}); say more of the name"
            )
    names = ", ".join(device.name for device in candidates) or "none"
    raise DeviceError(
        f"there is no {direction} device {wanted!r} (there is: {names}); "
        "see them with: gapless devices"
    )
