"""How late the event loop is: what computes on it, or waits, keeps everything else from being served.

In: an event loop. Out: a histogram of how much later than asked a timer was called. Invariants: costs a call every
``EVERY_S``; a loop that stood still is one long lateness, not many. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Final, final

from gapless.observe.histogram import Histogram

EVERY_S: Final = 0.05
"""Often enough that a loop that hangs for a tenth of a second now and then is noticed."""


@final
class LoopLateness:
    """See the module's head."""

    def __init__(self) -> None:
        self.seconds: Final = Histogram()

    async def watch(self) -> None:
        """Measure, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self.seconds.add(max(0.0, loop.time() - due_s))
