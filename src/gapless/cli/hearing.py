"""Several recordings heard at a time, each with its progress bar.

In: files or open streams. Out: a future for each, in their order. Invariants: a failure stays with its file; when the
reader of the futures stops early, what runs stops within half a second of audio and the rest never begins.
Thread: the caller's, and a pool of one thread per file being heard.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, TypeAlias

from gapless.api import transcribe
from gapless.cli.progress import FileBars
from gapless.engine import Engine
from gapless.listen.recording import Progress
from gapless.transcript import Transcript

Recording: TypeAlias = tuple[str, str | BinaryIO]
"""What to call a recording, and its path or the stream to read it from."""


class Stopped(Exception):  # noqa: N818 - no error: nobody waits for this result any more
    """Ends the hearing of a file whose result nobody wants any more."""


def hear_files(
    engine: Engine, recordings: Sequence[Recording], *, jobs: int, words: bool, bars: FileBars
) -> Generator[Future[Transcript], None, None]:
    """Hear recordings, ``jobs`` at a time. Close the generator to stop early."""
    stopping = threading.Event()

    def hear(recording: Recording) -> Transcript:
        name, source = recording
        bar = bars.begin(name)

        def advance(progress: Progress) -> None:
            if stopping.is_set():
                raise Stopped
            bars.advance(bar, progress.heard_ms, progress.duration_ms)

        try:
            return transcribe(source, words=words, on_progress=advance, engine=engine)
        finally:
            bars.end(bar)

    with ThreadPoolExecutor(jobs, thread_name_prefix="recording") as pool:
        hearings = [pool.submit(hear, recording) for recording in recordings]
        try:
            yield from hearings
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            stopping.set()
