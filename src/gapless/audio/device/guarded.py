"""Programs that end when we end, in whatever way.

In: a command line. Out: a process. Invariants: beside the program a shell waits on a pipe that only we hold open, and
ends it when the pipe is closed, also because we were killed; both are in a process group of their own, which is all
that is ever signalled. Thread: any.

Linux could tell the program of our end by itself (``PR_SET_PDEATHSIG``), but it takes the end of the thread that
started it for the end of the process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, Final

from gapless.errors import DeviceError

GUARD: Final = 'exec 3<&0 </dev/null; (read -r _ <&3; kill "$$") & exec "$@" 3<&-'
"""A shell's program: leave one behind who waits, and become the command."""

STOP_S: Final = 2.0
"""A program that does not end by itself in this time is killed."""


def start_guarded(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
    errors: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program; its standard input is empty.

    Args:
        command: its command line.
        env: its whole environment; None for ours.
        output: what it prints goes there; None for nowhere.
        errors: what it complains of goes there; None for nowhere.

    Raises:
        DeviceError: there is no shell.
    """
    try:
        return subprocess.Popen(  # noqa: S603  programs of sound servers, and no shell reads their arguments
            ["/bin/sh", "-c", GUARD, "gapless", *command],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if output is None else output,
            stderr=subprocess.DEVNULL if errors is None else errors,
            start_new_session=True,
        )
    except OSError as error:
        raise DeviceError(
            f"{command[0]} cannot be started ({error}); see that /bin/sh is there"
        ) from error


def end_guarded(process: subprocess.Popen[bytes], *, at_once: bool = False) -> None:
    """End a program and its guard. Idempotent.

    Args:
        process: from ``start_guarded``.
        at_once: as a crash would.
    """
    if process.stdin is None or process.stdin.closed:
        return
    # As long as the pipe is open the guard lives, and the group's number is nobody else's.
    for number in (signal.SIGKILL,) if at_once else (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    process.stdin.close()
