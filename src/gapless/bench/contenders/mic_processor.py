"""What a virtual microphone takes of the machine: the real command, in a process of its own, with noisy speech.

In: a mode, whether it is bypassed. Out: work whose operations are short whiles: the time on the processor that the
command and all that it started took in each. Invariants: it runs on a sound server of our own, under another name than
the user's; it is told to end, and ended if it does not. Thread: main.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from gapless.audio.device.guarded import end_guarded, start_guarded
from gapless.bench.desk import MICROPHONE, pipewire_of_our_own
from gapless.bench.drive import Samples, Work
from gapless.bench.mic_sounds import speech
from gapless.bench.probe import Speaker
from gapless.bench.process_tree import tree, tree_cpu_s, tree_memory_mib
from gapless.errors import DeviceError

NAME: Final = "Bench Microphone"
SPEECH_S: Final = 30
NOISE_DB: Final = -40.0
START_S: Final = 60.0
ANSWER_S: Final = 30.0
REST_S: Final = 2.0
"""After a second of bypass the models rest."""
LOOK_S: Final = 1.0
"""The system counts in hundredths of a second."""
SHORTEST_LOOK_S: Final = 0.2


class _Engine(msgspec.Struct, frozen=True):
    bypass: bool


class _Report(msgspec.Struct, frozen=True):
    """What is looked at of ``gapless mic status --json``."""

    pid: int
    running: bool
    engine: _Engine


@contextmanager
def running(*, mode: str, bypassed: bool, block_frames: int) -> Iterator[Work]:
    """Lets it run."""
    with ExitStack() as opened:
        opened.enter_context(_speech_in_a_room(block_frames))
        pid = opened.enter_context(_command(mode, block_frames))
        if bypassed:
            _ask("bypass", "on", "--name", NAME)
            time.sleep(REST_S)
        if _report().engine.bypass != bypassed:
            raise DeviceError("the microphone does not do what it is told; run the bench again")

        def work(seconds: float) -> Samples:
            pids = tree(pid)
            look_s = LOOK_S if seconds >= LOOK_S else SHORTEST_LOOK_S
            began_s, began_cpu_s = time.monotonic(), tree_cpu_s(pids)
            took: list[int] = []
            used_s = began_cpu_s
            while time.monotonic() < began_s + seconds or not took:
                time.sleep(look_s)
                now_used_s = tree_cpu_s(pids)
                took.append(round((now_used_s - used_s) * 1e9))
                used_s = now_used_s
            elapsed_s = time.monotonic() - began_s
            if not _report().running or tree(pid) != pids:
                raise DeviceError("the microphone was interrupted; is the machine too busy?")
            return Samples(
                took_ns=took,
                elapsed_ns=round(elapsed_s * 1e9),
                units=len(took),
                figures={
                    "core_share": (used_s - began_cpu_s) / elapsed_s,
                    "cpu_s": used_s - began_cpu_s,
                    "cpu_us_per_unit": (used_s - began_cpu_s) * 1e6 / len(took),
                    "processes": float(len(pids)),
                    "command_mib": tree_memory_mib([pid]),
                    "resident_mib": tree_memory_mib(pids),
                    "peak_mib": tree_memory_mib(pids, peak=True),
                },
            )

        yield work


@contextmanager
def _speech_in_a_room(block_frames: int) -> Iterator[None]:
    """A server with a microphone in front of which somebody speaks."""
    from gapless.audio.device.pipewire import PipeWire
    from gapless.audio.device.server import StreamOptions

    with pipewire_of_our_own(block_frames) as server:
        silence, microphone = server.microphone("silence"), server.microphone(MICROPHONE)
        speaker = Speaker(speech(SPEECH_S, noise_db=NOISE_DB))
        options = StreamOptions(
            client="Speaker", input=silence.name, output=microphone.sink, block_frames=block_frames
        )
        with closing(PipeWire().open_stream(options, speaker.block)):
            yield


@contextmanager
def _command(mode: str, block_frames: int) -> Iterator[int]:
    """``gapless mic`` with sound going through; the number of its process."""
    words = ["--server", "pipewire", "--input", MICROPHONE, "--name", NAME]
    words += ["--mode", mode, "--block", str(block_frames), "--quiet"]
    with TemporaryDirectory() as folder, (Path(folder) / "said").open("w+b") as said:
        process = start_guarded(
            [sys.executable, "-m", "gapless", "mic", *words],
            env=dict(os.environ),
            output=said,
            errors=said,
        )
        try:
            give_up_s = time.monotonic() + START_S
            while (pid := _running_pid()) is None:
                if process.poll() is not None or time.monotonic() > give_up_s:
                    said.seek(0)
                    why = " / ".join(said.read().decode(errors="replace").split("\n")[-3:])
                    raise DeviceError(f"gapless mic did not start: {why or 'run it by hand'}")
            yield pid
        finally:
            with suppress(DeviceError):
                _ask("stop", "--name", NAME)
            end_guarded(process)


def _running_pid() -> int | None:
    with suppress(DeviceError):
        report = _report()
        return report.pid if report.running else None
    return None


def _report() -> _Report:
    return msgspec.json.decode(_ask("status", "--json", "--name", NAME), type=_Report)


def _ask(*words: str) -> bytes:
    """What the command says from another process.

    Raises:
        DeviceError: it refuses.
    """
    done = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "gapless", "mic", *words],
        capture_output=True,
        timeout=ANSWER_S,
        check=False,
    )
    if done.returncode != 0:
        raise DeviceError(f"gapless mic {words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
