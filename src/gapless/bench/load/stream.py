"""Live streams of one process: everybody speaks at the pace of the wall clock, each with words of its own.

In: a task. Out: a tale. Invariants: as of ``bench/live_client.py``, whose streams these are; a stream that was refused
or cut off counts as failed, and its times as far as they came. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import final

from gapless.audio.types import LISTEN_RATE_HZ
from gapless.bench.live_client import (
    ANSWER_TIMEOUT_S,
    Speaker,
    Task,
    connect_all,
    speak_together,
)
from gapless.bench.load.desk import PROGRESS_S
from gapless.bench.load.task import MOST_ERRORS, OTHER_ERRORS, Progress, StreamTale, StreamTask
from gapless.bench.load.times import Times
from gapless.bench.speech import SOUNDS, read_utterances, stream_of
from gapless.errors import ConnectionLostError

NOBODY = 0
"""The number of no process: whose server it is, is not known here."""


@final
class Streams:
    """See the module's head.

    Args:
        task: who speaks, to whom.
        tell: is told now and then how far it is.
    """

    def __init__(self, task: StreamTask, tell: Callable[[Progress], None]) -> None:
        self._task = task
        self._tell = tell
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Ctrl-C: tell what there is."""
        self._stopped.set()

    async def run(self, start: Callable[[], Awaitable[float]]) -> StreamTale:
        """Connect, wait for the start, speak.

        Args:
            start: says when to begin, as ``time.monotonic`` has it.

        Raises:
            ConnectionLostError: the server cannot be reached.
        """
        task = self._task
        utterances = read_utterances(Path(SOUNDS))
        asked = Task(
            url=task.url,
            model=task.model,
            streams=task.streams,
            seconds=task.seconds,
            server_pid=NOBODY,
            api_key=task.api_key,
        )
        longest = 0
        speakers = []
        for number in task.streams:
            pcm = stream_of(number, utterances, task.seconds)
            longest = max(longest, len(pcm))
            speakers.append(Speaker(number, pcm, asked))
        try:
            await connect_all(speakers, task.url)
        except* OSError as errors:
            raise ConnectionLostError(
                f"the server cannot be reached ({errors.exceptions[0]}); is it running?"
            ) from errors
        begin_s = await start()
        cpu_began = time.process_time()
        speak_together(speakers, begin_s)
        await self._until_over(speakers, begin_s, longest / LISTEN_RATE_HZ)
        elapsed_s = time.monotonic() - begin_s
        tale = self._tale(speakers, elapsed_s, time.process_time() - cpu_began)
        for speaker in speakers:
            speaker.close()
        return tale

    async def _until_over(self, speakers: list[Speaker], begin_s: float, audio_s: float) -> None:
        ends_s = begin_s + audio_s + ANSWER_TIMEOUT_S
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            while time.monotonic() < ends_s and not self._stopped.is_set():
                left = [speaker.ended for speaker in speakers if not speaker.ended.done()]
                if not left:
                    return
                ended = asyncio.gather(*(asyncio.shield(one) for one in left))
                await asyncio.wait(
                    (ended, stopped), timeout=PROGRESS_S, return_when=asyncio.FIRST_COMPLETED
                )
                ended.cancel()
                reports = [speaker.report() for speaker in speakers]
                finals = sum(len(report.texts) for report in reports)
                self._tell(Progress(finals, 0))
        finally:
            stopped.cancel()

    def _tale(self, speakers: list[Speaker], elapsed_s: float, cpu_s: float) -> StreamTale:
        interrupted = self._stopped.is_set()
        partials, positions, finals, late = Times(), Times(), Times(), Times()
        errors: dict[str, int] = {}
        said = 0
        for speaker in speakers:
            report = speaker.report()
            for lag_us in report.partial_lags_us:
                partials.add(lag_us)
            for lag_us in report.position_lags_us:
                positions.add(lag_us)
            for lag_us in report.final_lags_us:
                finals.add(lag_us)
            for late_us in speaker.late_us:
                late.add(late_us)
            said += len(report.texts)
            # Who was interrupted had no time to come to the end.
            if report.error and (speaker.ended.done() or not interrupted):
                full = report.error not in errors and len(errors) >= MOST_ERRORS
                error = OTHER_ERRORS if full else report.error
                errors[error] = errors.get(error, 0) + 1
        return StreamTale(
            streams=len(speakers),
            audio_s=min(elapsed_s, self._task.seconds) * len(speakers),
            finals=said,
            errors=errors,
            partial_lag=partials.dump(),
            position_lag=positions.dump(),
            final_lag=finals.dump(),
            late=late.dump(),
            elapsed_s=elapsed_s,
            cpu_s=cpu_s,
            interrupted=interrupted,
        )
