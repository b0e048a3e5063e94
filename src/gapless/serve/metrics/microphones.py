"""The virtual microphones of this user on this machine, as they report of themselves.

In: the folder of their sockets. Out: reports. Invariants: whoever does not answer within ``PATIENCE_S`` is left out,
and is not asked again while the last question is still out; at most ``MOST`` are asked. Thread: the event loop's; the
questions are asked in a thread of their own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, final

import structlog

from gapless.clean.mic.control import StatusRequest
from gapless.clean.mic.endpoint import ask, holders
from gapless.clean.mic.places import runtime_folder
from gapless.clean.mic.report import MicReport
from gapless.errors import GaplessError

PATIENCE_S: Final = 0.5

MOST: Final = 8

log = structlog.get_logger(__name__)


@final
class Microphones:
    """See the module's head.

    Args:
        env: names the folder; None: that of the process.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = os.environ if env is None else env
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="gapless-microphones")
        self._asking: asyncio.Future[list[MicReport]] | None = None

    async def reports(self) -> list[MicReport]:
        """What those say that answer in time, by name."""
        if self._asking is None or self._asking.done():
            loop = asyncio.get_running_loop()
            self._asking = loop.run_in_executor(self._executor, self._ask_all)
        asking = self._asking
        await asyncio.wait([asking], timeout=PATIENCE_S)
        return asking.result() if asking.done() else []

    def close(self) -> None:
        """Ask no more. Idempotent."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _ask_all(self) -> list[MicReport]:
        try:
            folder = runtime_folder(self._env)
            names = [holder.name for holder in holders(folder)]
        except (GaplessError, OSError) as error:
            log.debug("microphones cannot be looked for", error=str(error))
            return []
        found = []
        for name in names[:MOST]:
            try:
                answer = ask(StatusRequest(), folder, name)
            except GaplessError as error:
                log.debug("a microphone does not answer", name=name, error=str(error))
                continue
            if answer.report is not None:
                found.append(answer.report)
        return found
