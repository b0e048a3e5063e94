"""A server for tests in a folder of its own: its programs, its environment, its end.

In: what a kind of server starts. Out: a server that answers, and the environment that leads to it. Invariants:
everything lives in a private folder that is gone afterwards; nobody else's server is seen or touched; what was
started is stopped by its process group, also when the start fails, and when the tests are killed. Thread: one at a
time.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gapless.testing.sound_programs import Program, ask, wait_until


class PrivateServer:
    """A folder, an environment and the programs that run in them."""

    def __init__(self) -> None:
        # Not pytest's folder: a socket's path may have 107 bytes.
        self.dir: Final = Path(tempfile.mkdtemp(prefix="gapless-sound-"))
        private = {
            "HOME": str(self.dir),
            # Kernels are compiled once for all.
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
            "XDG_RUNTIME_DIR": str(self.dir),
            "XDG_CONFIG_HOME": str(self.dir / "config"),
            "XDG_STATE_HOME": str(self.dir / "state"),
        }
        others = ("PIPEWIRE_", "PULSE_", "JACK_", "DBUS_", "DISPLAY", "WAYLAND_DISPLAY")
        self.env: Final = {
            name: value for name, value in os.environ.items() if not name.startswith(others)
        } | private
        """What a program needs to find this server and no other."""
        self._programs: list[Program] = []
        """In the order of their start."""

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it does not; the message ends with what it said.
        """
        try:
            self._start_programs()
        except (RuntimeError, TimeoutError) as error:
            self.kill()
            raise RuntimeError(f"{error}; it said:\n{self.log()[-4000:]}") from None
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it and everything that was made on it, as a crash would. Idempotent."""
        for program in reversed(self._programs):
            program.kill()
        self._programs.clear()

    def stop(self) -> None:
        """End it as a user would who logs out. Idempotent."""
        for program in reversed(self._programs):
            program.stop()
        self._programs.clear()

    def restart(self) -> None:
        """Kill it and start it again: what was made on it is gone."""
        self.kill()
        self.start()

    def log(self) -> str:
        """What its programs said."""
        return "".join(path.read_text(errors="replace") for path in self.dir.glob("*.log"))

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """All of it stands still, and its connections stay open."""
        for program in self._programs:
            program.send(signal.SIGSTOP)
        try:
            yield
        finally:
            for program in self._programs:
                program.send(signal.SIGCONT)

    def run(self, *command: str, output: Path | None = None) -> Program:
        """Start a program that lives no longer than the server."""
        log = self.dir / f"{Path(command[0]).name}.log"
        self._programs.append(Program(command, env=self.env, log=log, output=output))
        return self._programs[-1]

    def ask(self, *command: str) -> str | None:
        """What a short command prints; None if it fails."""
        return ask(command, self.env)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Let this process find the server, and no other."""
        before = os.environ.copy()
        os.environ.clear()
        os.environ.update(self.env)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _start_programs(self) -> None:
        raise NotImplementedError

    def _wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something that the programs bring about, if they all live."""
        wait_until(lambda: self._has_ended() or holds(), what)
        if self._has_ended():
            raise RuntimeError(f"a program ended before there was {what}")

    def _has_ended(self) -> bool:
        return not all(program.running() for program in self._programs)
