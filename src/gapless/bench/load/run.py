"""Runs a load from processes of its own, so that neither this program nor one core is its limit.

In: a task. Out: a result. Invariants: no process outlives the call; Ctrl-C ends the load, and what there is is
returned. Thread: the caller's, blocked meanwhile; one more for each process reads what it tells.
"""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from typing import IO, Final, TypeAlias, final

import msgspec

from gapless.bench.live_client import ANSWER_TIMEOUT_S
from gapless.bench.load.arrivals import Part
from gapless.bench.load.result import Result, result_of
from gapless.bench.load.stream_result import StreamResult, stream_result_of
from gapless.bench.load.task import (
    AnyTale,
    AnyTask,
    Failure,
    Message,
    Progress,
    Ready,
    StreamTale,
    StreamTask,
    Tale,
    Task,
)
from gapless.errors import DeadlineError, GaplessError

MODULE: Final = (sys.executable, "-m", "gapless.bench.load.worker")
START_TIMEOUT_S: Final = 60.0
BEGIN_AFTER_S: Final = 0.2
"""From the moment that all are ready: until all know it."""

END_TIMEOUT_S: Final = 10.0
LAST_CHARACTERS: Final = 500
"""Of what a process wrote before it failed, shown in its error."""

Tell: TypeAlias = Callable[[float, Progress], None]
_MESSAGES: Final = msgspec.json.Decoder(Message)
_Told = tuple[int, Message | None]
"""By which process; None: it says no more."""


def run_load(task: Task, processes: int = 1, tell: Tell = lambda *_: None) -> Result:
    """Put a load on a server.

    Args:
        task: of all processes together.
        processes: that share the work; at most as many as there are connections.
        tell: is told now and then how many seconds have passed, and what was answered so far.

    Raises:
        GaplessError: the server cannot be reached, or a process failed.
    """
    processes = min(processes, task.connections)
    parts = [_part(task, number, processes) for number in range(processes)]
    tales = _run(parts, tell, warm_up_s=task.warm_up_s, seconds=task.seconds + task.timeout_s)
    return result_of(task, [tale for tale in tales if isinstance(tale, Tale)])


def run_streams(task: StreamTask, processes: int = 1, tell: Tell = lambda *_: None) -> StreamResult:
    """Let live streams speak to a server.

    Args:
        task: of all processes together.
        processes: that share the streams; at most as many as there are.
        tell: is told now and then how many seconds have passed, and how many finals came so far.

    Raises:
        GaplessError: the server cannot be reached, or a process failed.
    """
    processes = min(processes, len(task.streams))
    parts = [
        msgspec.structs.replace(task, streams=task.streams[number::processes])
        for number in range(processes)
    ]
    tales = _run(parts, tell, warm_up_s=0.0, seconds=2 * task.seconds + ANSWER_TIMEOUT_S)
    return stream_result_of(task, [tale for tale in tales if isinstance(tale, StreamTale)])


def _run(
    parts: Sequence[AnyTask], tell: Tell, *, warm_up_s: float, seconds: float
) -> list[AnyTale]:
    told: queue.SimpleQueue[_Told] = queue.SimpleQueue()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(_worker(part, number, told)) for number, part in enumerate(parts)
        ]
        return _Load(workers, told, tell).run(warm_up_s, seconds)


def _part(task: Task, number: int, processes: int) -> Task:
    connections = task.connections // processes + (number < task.connections % processes)
    return msgspec.structs.replace(task, part=Part(number, processes), connections=connections)


@final
class _Worker:
    """A process, and where its complaints go."""

    def __init__(self, process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
        self.process = process
        self._complaints = complaints

    def write(self, line: bytes) -> None:
        """Tell it something."""
        if self.process.stdin is None:
            raise AssertionError("standard input is a pipe")
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def check(self) -> None:
        """It says no more; that is in order if it has done its part.

        Raises:
            GaplessError: it has not.
        """
        status = self.process.wait(END_TIMEOUT_S)
        if status:
            self._complaints.seek(0)
            said = self._complaints.read()[-LAST_CHARACTERS:].decode(errors="replace").strip()
            raise GaplessError(
                f"a process of the load ended with status {status}: {said or 'it said nothing'}; run it again"
            )


@contextmanager
def _worker(task: AnyTask, number: int, told: queue.SimpleQueue[_Told]) -> Iterator[_Worker]:
    with (
        TemporaryFile() as complaints,
        subprocess.Popen(  # noqa: S603 - our own module
            MODULE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            # Ctrl-C is for this process, which tells its children itself.
            start_new_session=True,
        ) as process,
    ):
        worker = _Worker(process, complaints)
        reader = threading.Thread(target=_read, args=(process.stdout, number, told), daemon=True)
        try:
            reader.start()
            worker.write(msgspec.json.encode(task))
            yield worker
        finally:
            process.kill()
            process.wait()
            reader.join()


def _read(lines: IO[bytes], number: int, told: queue.SimpleQueue[_Told]) -> None:
    for line in lines:
        told.put((number, _MESSAGES.decode(line)))
    told.put((number, None))


@final
class _Load:
    """What all processes tell."""

    def __init__(
        self,
        workers: Sequence[_Worker],
        told: queue.SimpleQueue[_Told],
        tell: Tell,
    ) -> None:
        self._workers = workers
        self._told = told
        self._tell = tell
        self._progress: dict[int, Progress] = {}
        self._tales: list[AnyTale] = []
        self._ready = 0
        self._begin_s = 0.0

    def run(self, warm_up_s: float, seconds: float) -> list[AnyTale]:
        """From the moment that all are ready up to their tales, which take so long at most."""
        ends = time.monotonic() + START_TIMEOUT_S
        while self._ready < len(self._workers):
            self._hear(ends)
        begin_s = time.monotonic() + BEGIN_AFTER_S
        for worker in self._workers:
            worker.write(repr(begin_s).encode())
        self._begin_s = begin_s + warm_up_s
        ends = self._begin_s + seconds + END_TIMEOUT_S
        try:
            self._hear_tales(ends)
        except KeyboardInterrupt:
            for worker in self._workers:
                if worker.process.poll() is None:
                    worker.process.send_signal(signal.SIGINT)
            self._hear_tales(time.monotonic() + END_TIMEOUT_S)
        return self._tales

    def _hear_tales(self, ends: float) -> None:
        while len(self._tales) < len(self._workers):
            self._hear(ends)

    def _hear(self, ends: float) -> None:
        try:
            number, message = self._told.get(timeout=max(ends - time.monotonic(), 0))
        except queue.Empty:
            raise DeadlineError(
                "a process of the load said nothing any more; is the machine overloaded?"
            ) from None
        match message:
            case Ready():
                self._ready += 1
            case Progress():
                self._progress[number] = message
                known = self._progress.values()
                self._tell(
                    time.monotonic() - self._begin_s,
                    Progress(sum(one.answered for one in known), sum(one.errors for one in known)),
                )
            case Tale() | StreamTale():
                self._tales.append(message)
            case Failure():
                raise message.error()
            case None:
                self._workers[number].check()
