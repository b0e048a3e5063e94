"""``gapless serve`` as a process of its own, for tests.

In: settings, as environment variables name them. Out: its address, its log, and its end. Invariants: it sees no setting
of the machine or of whoever runs the tests; it lives no longer than the block. Thread: one at a time.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, final

from gapless.testing.sound_programs import Program, wait_until

ADDRESS: Final = re.compile(r"http://\S+")

START_S: Final = 60.0


@final
class ServeProcess:
    """A server that is listening; a context manager.

    Args:
        data_dir: where it keeps what it keeps, and its log.
        through: what starts it: a command that is given its command line.
        settings: by name, such as ``redis_url``.
    """

    def __init__(
        self, data_dir: Path, *, through: tuple[str, ...] = (), **settings: str | int
    ) -> None:
        self._out: Final = data_dir / "serve.out"
        self._log: Final = data_dir / "serve.log"
        self._command: Final = (
            *through,
            *(sys.executable, "-m", "gapless", "serve", "--port", "0", "--data-dir", str(data_dir)),
        )
        own = {f"GAPLESS_{name.upper()}": str(value) for name, value in settings.items()}
        others = {
            name: value for name, value in os.environ.items() if not name.startswith("GAPLESS_")
        }
        self._env: Final = others | {"GAPLESS_CONFIG": "", "PYTHONUNBUFFERED": "1"} | own
        self._program: Program | None = None

    def __enter__(self) -> Self:
        self._program = Program(self._command, env=self._env, log=self._log, output=self._out)
        try:
            wait_until(self._is_listening, "a server that listens", START_S)
        except TimeoutError as error:
            self._program.stop()
            raise TimeoutError(f"{error}; it said:\n{self._log.read_text()[-4000:]}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._program is not None:
            self._program.stop()

    @property
    def url(self) -> str:
        """Its address."""
        found: str = ADDRESS.findall(self.banner)[0]
        return found

    @property
    def banner(self) -> str:
        """What it printed at its start."""
        return self._out.read_text()

    def log(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        lines = self._log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The lines of its log about these events."""
        return [line for line in self.log() if line["event"] in names]

    def _is_listening(self) -> bool:
        if self._program is not None and not self._program.running():
            raise RuntimeError(f"the server ended; it said:\n{self._log.read_text()[-4000:]}")
        return self._out.exists() and ADDRESS.search(self._out.read_text()) is not None
