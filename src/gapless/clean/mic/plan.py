"""What a virtual microphone is to be. Thread: any."""

from __future__ import annotations

from typing import Final

import msgspec

from gapless.clean.mic.control import Block
from gapless.clean.mic.report import Kind
from gapless.clean.mic.status import MicOptions

DEFAULT_NAMES: Final[dict[Kind, str]] = {
    "microphone": "Gapless Microphone",
    "speaker": "Gapless Speaker",
}
"""What other programs see where no name was chosen."""


class MicPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to run."""

    name: str
    """What other programs see."""
    kind: Kind = "microphone"
    device: str | None = None
    """A device, a part of its name, or ``control.DEFAULT_DEVICE``; None: what was asked for the last time."""
    server: str | None = None
    """Which sound server; None: the best one that is here."""
    block: Block = "auto"
    monitor: bool = False
    """Play on the default output, too."""
    engine: MicOptions = MicOptions()
