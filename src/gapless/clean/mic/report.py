"""Everything one can know of a running virtual microphone: what the control socket, the view and ``--json`` show.

In: what was seen of the devices and the engine. Out: one struct that goes on the wire. Invariants: every number is
finite, so that it is JSON; fields are only ever added while ``REPORT_VERSION`` stays. Thread: any.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from gapless.clean.mic.status import MicStatus
from gapless.realtime.spread import Spread

Kind = Literal["microphone", "speaker"]
"""What other programs see: a microphone that we play to, or a speaker that we hear."""

EventKind = Literal["server", "virtual", "device", "lost", "waiting", "model", "engine"]
"""lost, waiting and engine are trouble; the others are as they should be."""

REPORT_VERSION: Final = 1

SILENCE_DB: Final = -120.0
"""Stands for the level of digital silence."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """An event and when it was."""

    at_s: float
    """Seconds since 1970."""
    kind: EventKind
    text: str


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """The open stream, or the last one."""

    rate_hz: int = 0
    block_frames: int = 0
    blocks: int = 0
    xruns: int = 0
    underrun_samples: int = 0
    """Samples that the ring between two clocks did not have when they were due; 0 where one clock drives all."""
    overrun_samples: int = 0
    """Samples that it had no room for, or too many of."""
    took: Spread | None = None
    """Time in the engine's block."""
    late: Spread | None = None
    """How late blocks came."""


class MicReport(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual microphone, or a virtual speaker, right now."""

    version: int = REPORT_VERSION
    name: str
    kind: Kind
    pid: int
    uptime_s: float
    server: str
    """Name of the sound server; empty: none is here."""
    virtual: str
    """Name of the virtual device; empty: there is none at the moment."""
    label: str
    """What people see of it in other programs."""
    device: str
    """Name of the device that is heard, or played on; empty: none."""
    device_description: str
    wanted: str | None
    """What was asked for; None: the default."""
    running: bool
    """Sound is going through."""
    block: str
    """Frames of a block as asked for, or auto."""
    monitor: bool
    stream: StreamReport
    engine: MicStatus
    events: tuple[Happening, ...] = ()
    """The last ones, oldest first."""


def finite(status: MicStatus) -> MicStatus:
    """A status without infinities, and with no level under ``SILENCE_DB``: that of silence is infinitely low."""
    return msgspec.structs.replace(
        status,
        input_rms_db=_at_least_silence(status.input_rms_db),
        output_rms_db=_at_least_silence(status.output_rms_db),
        **{
            name: 0.0
            for name in MicStatus.__struct_fields__
            if isinstance(value := getattr(status, name), float)
            and not math.isfinite(value)
            and not name.endswith("rms_db")
        },
    )


def _at_least_silence(level_db: float) -> float:
    return max(level_db, SILENCE_DB) if level_db < math.inf else 0.0
