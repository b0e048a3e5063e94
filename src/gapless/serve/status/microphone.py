"""What a virtual microphone of this user says of itself.

In: nothing. Out: its report. Invariants: nothing is changed, and nothing raised: that none runs, or does not answer, is
an answer too. Thread: any but the event loop's, for it waits.
"""

from __future__ import annotations

import contextlib
import os

from gapless.clean.mic.control import StatusRequest
from gapless.clean.mic.endpoint import ask, holders
from gapless.clean.mic.places import runtime_folder
from gapless.clean.mic.report import MicReport
from gapless.errors import GaplessError


def microphone_here() -> MicReport | None:
    """Of several the first by name; None: none runs, or it does not answer."""
    with contextlib.suppress(GaplessError, OSError):
        folder = runtime_folder(os.environ)
        for holder in holders(folder):
            return ask(StatusRequest(), folder, holder.name).report
    return None
