"""A real Triton server: the one that PyTriton's wheel carries, on this machine's processor.

In: a folder of models. Out: a server that answers, and that can be killed, stopped dead and started again on its port.
Invariants: answers when ``start`` returns; after ``kill`` nothing of it is left, neither processes nor shared memory.
Thread: one at a time.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

import msgspec

from gapless.errors import MissingDependencyError
from gapless.infer.carried import find_carried

START_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.02
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - Triton makes its files there; nothing is read from them


class TritonFiles(msgspec.Struct, frozen=True):
    """What of a Triton server is installed."""

    server: Path
    backends: Path
    """Folder of the Python backend."""
    stub: Path
    """The program that runs models written in this version of Python."""
    libraries: Path


def find_triton() -> TritonFiles:
    """The server in PyTriton's wheel, found without importing PyTriton.

    Raises:
        MissingDependencyError: the package is not installed, or is not for this machine or Python.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    install = "nvidia-pytriton"
    server = find_carried("pytriton", "tritonserver/bin/tritonserver", install=install)
    stub = find_carried(
        "pytriton",
        f"tritonserver/python_backend_stubs/{python}/triton_python_backend_stub",
        install=install,
    )
    folder = server.parent.parent
    return TritonFiles(
        server,
        folder / "backends" / "python",
        stub,
        folder.parent.parent / "nvidia_pytriton.libs",
    )


@final
class TritonServer:
    """A server process; a context manager that starts and kills it.

    Args:
        models: folder of models, in Triton's layout.
        work_dir: empty folder for its log and its backends.
        arguments: more of its command line.
    """

    def __init__(self, models: Path, work_dir: Path, *, arguments: Sequence[str] = ()) -> None:
        self.models: Final = models
        self._dir = work_dir
        self._arguments = arguments
        self._files = find_triton()
        self._port = _free_port()
        self._memory = f"gapless_{os.getpid()}_{self._port}_"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """``HOST:PORT`` of its gRPC door; the same after a new start."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it and all its models are ready.

        Raises:
            RuntimeError: it did not become ready; the message ends with its log.
        """
        self._lay_out_backends()
        with (self._dir / "triton.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a program of an installed package
                self._command(),
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own, so that what it starts can be killed with it.
                start_new_session=True,
            )
        try:
            self._wait_until_ready(time.monotonic() + START_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, as a crash would. Idempotent."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None
        for left in SHARED_MEMORY.glob(f"{self._memory}*"):
            left.unlink(missing_ok=True)

    def pause(self) -> None:
        """Stop it dead: its connections stay open, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after ``pause``."""
        self._signal(signal.SIGCONT)

    def log(self) -> str:
        """What it said."""
        return (self._dir / "triton.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _command(self) -> list[str]:
        return [
            str(self._files.server),
            f"--model-repository={self.models}",
            f"--backend-directory={self._dir / 'backends'}",
            f"--backend-config=python,shm-region-prefix-name={self._memory}",
            f"--grpc-port={self._port}",
            "--grpc-address=127.0.0.1",
            "--allow-http=false",
            "--allow-metrics=false",
            *self._arguments,
        ]

    def _environment(self) -> dict[str, str]:
        """What the stub needs: the library, the standard library and the NumPy of this Python."""
        numpy = find_spec("numpy")
        if numpy is None or numpy.origin is None:
            raise MissingDependencyError("the package numpy is not installed; `pip install numpy`")
        return {
            **os.environ,
            "LD_LIBRARY_PATH": f"{sysconfig.get_config_var('LIBDIR')}:{self._files.libraries}",
            "PYTHONHOME": sys.base_prefix,
            "PYTHONPATH": str(Path(numpy.origin).parent.parent),
        }

    def _lay_out_backends(self) -> None:
        """Triton looks for the stub beside the backend; the wheel keeps one for each Python elsewhere."""
        folder = self._dir / "backends" / "python"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in (*self._files.backends.iterdir(), self._files.stub):
            (folder / file.name).symlink_to(file)

    def _wait_until_ready(self, deadline: float) -> None:
        # The port opens when all models are loaded.
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                time.sleep(POLL_S)
            else:
                return
        raise RuntimeError(f"the Triton server did not start; it said:\n{self.log()[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
