"""One process of a load: ``python -m gapless.bench.load.worker``.

In: an ``AnyTask`` as a line of JSON on standard input; a second line, the time to begin, once it is ready. Out:
messages as lines of JSON on standard output, the last of them an ``AnyTale`` or a ``Failure``. Invariants: SIGINT makes
it tell what there is; it ends at once when its standard input does. Thread: main; one more watches the input.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from gapless.bench.load.desk import Connect, Desk
from gapless.bench.load.task import (
    AnyTale,
    AnyTask,
    Failure,
    HttpQuestion,
    Message,
    Ready,
    StreamTask,
    Task,
)
from gapless.bench.parent import end_with_parent
from gapless.errors import ConfigError, GaplessError

if TYPE_CHECKING:
    from gapless.bench.load.stream import Streams


def connect_of(task: Task) -> Connect:
    """What makes the connections of a task."""
    question = task.question
    if isinstance(question, HttpQuestion):
        from gapless.bench.load.http import http_connect

        return http_connect(task, question)
    from gapless.bench.load.grpc import grpc_connect

    return grpc_connect(task, question)


async def _work(task: AnyTask, lines: BinaryIO) -> AnyTale:
    part: Desk | Streams
    if isinstance(task, StreamTask):
        from gapless.bench.load.stream import Streams

        part = Streams(task, _say)
    else:
        part = Desk(task, connect_of(task), _say)
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows has no signals for loops
        loop.add_signal_handler(signal.SIGINT, part.stop)

    async def start() -> float:
        _say(Ready())
        line = await loop.run_in_executor(None, lines.readline)
        if not line:
            raise SystemExit(1)
        end_with_parent()
        # What is there now is looked at by no garbage collection while times are taken.
        gc.collect()
        gc.freeze()
        return float(line)

    return await part.run(start)


def _say(message: Message) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop


def main() -> None:
    """Do one task."""
    # Until there is somebody who can tell: the parent ends this process otherwise.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines = sys.stdin.buffer
    task = msgspec.json.decode(lines.readline(), type=AnyTask)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            _say(runner.run(_work(task, lines)))
    except GaplessError as error:
        _say(Failure(error.message, error.param, isinstance(error, ConfigError)))


if __name__ == "__main__":
    main()
