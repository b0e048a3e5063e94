"""Programs for tests that need real sound servers: start them, stop exactly them, let them play and record.

In: command lines and the environment that leads to a server. Out: running programs, and what they heard. Invariants:
nothing but what was started here is ever signalled, and it ends with this process, however that ends. Thread: one at
a time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

import numpy as np

from gapless.audio.device.guarded import end_guarded, start_guarded
from gapless.audio.types import Samples
from gapless.errors import MissingDependencyError

RATE_HZ: Final = 48_000
WAIT_S: Final = 20.0
"""Bound of every wait; all of them are for conditions."""
POLL_S: Final = 0.02


def require_programs(*names: str) -> None:
    """See that programs are installed.

    Raises:
        MissingDependencyError: one is not.
    """
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise MissingDependencyError(
            f"these programs are not installed: {', '.join(missing)}; on Debian add pipewire, wireplumber, "
            "pipewire-pulse, pipewire-jack, dbus-daemon, pulseaudio, pulseaudio-utils and jackd2"
        )


def wait_until(holds: Callable[[], bool], what: str, seconds: float = WAIT_S) -> None:
    """Wait for something that another process brings about.

    Raises:
        TimeoutError: it did not come.
    """
    give_up_s = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(POLL_S)


def ask(command: Sequence[str], env: Mapping[str, str]) -> str | None:
    """What a short command prints; None if it fails or does not end."""
    try:
        done = subprocess.run(command, env=env, capture_output=True, timeout=WAIT_S, check=False)  # noqa: S603  tests' own commands
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.decode() if done.returncode == 0 else None


@final
class Program:
    """A running program; a context manager that ends it.

    Args:
        command: its command line.
        env: its whole environment.
        log: file that what it says is added to.
        output: file for what it prints, if that is not to be in the log.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        output: Path | None = None,
    ) -> None:
        with log.open("ab") as said, (output or log).open("ab") as printed:
            self._process = start_guarded(command, env=env, output=printed, errors=said)

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait(self, seconds: float = WAIT_S) -> None:
        """Wait until it ends by itself.

        Raises:
            subprocess.TimeoutExpired: it does not.
        """
        self._process.wait(seconds)

    def send(self, number: signal.Signals) -> None:
        """Signal it and what it has started."""
        if self.running():
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it at once, as a crash would. Idempotent."""
        end_guarded(self._process, at_once=True)

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not. Idempotent."""
        end_guarded(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@final
class Recording:
    """What another process hears from a device; ends with the context.

    Args:
        command: a program that prints float32 at 48 kHz.
        env: its environment.
        work_dir: folder for what it prints.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], work_dir: Path) -> None:
        self._file: Final = work_dir / f"recording-{time.monotonic_ns()}.f32"
        self.program: Final = Program(
            command, env=env, log=work_dir / "recording.log", output=self._file
        )

    def samples(self) -> Samples:
        """Everything so far: float32 [n], interleaved if it has more than one channel."""
        whole = self._file.read_bytes()
        return np.frombuffer(whole[: len(whole) // 4 * 4], np.float32)

    def wait_for(self, n_samples: int) -> Samples:
        """What it heard once that is ``n_samples`` or more from now.

        Raises:
            TimeoutError: nothing comes.
        """
        goal = self.samples().size + n_samples
        wait_until(lambda: self.samples().size >= goal, f"a recording of {goal} samples")
        return self.samples()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.program.stop()


def write_wave(path: Path, samples: Samples, rate_hz: int = RATE_HZ) -> None:
    """Write float32 samples [n] as a mono 16-bit WAV file, for programs that play files."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
