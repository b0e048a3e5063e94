"""The real ``gapless live`` on a real PipeWire: another process hears each saved change, and no mistake stops the sound."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gapless.testing.sound_programs import RATE_HZ, wait_until
from gapless.testing.sound_servers import PipeWireServer

pytestmark = pytest.mark.audio


class Lines:
    """What the command has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.events: list[dict[str, object]] = []
        self._process = process
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(msgspec.json.decode(line))

    def wait_for(self, event: str, count: int = 1) -> None:
        wait_until(
            lambda: sum(one.get("event") == event for one in self.events) >= count,
            f"{event!r} of {self.events}",
            seconds=120,
        )

    def close(self) -> None:
        self._thread.join()


@contextmanager
def live(pipewire: PipeWireServer, source: Path, output: str) -> Iterator[Lines]:
    command = [sys.executable, "-m", "gapless", "live", str(source), "--output", output, "--json"]
    with subprocess.Popen(
        command, env=pipewire.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        lines = Lines(process)
        try:
            yield lines
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0
            lines.close()


def loudest_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE_HZ / len(samples))


def test_saved_changes_are_heard_and_mistakes_are_not(
    pipewire: PipeWireServer, tmp_path: Path
) -> None:
    source = tmp_path / "beat.ph"
    source.write_text("o1: sine 440 * 0.5\n")
    sink = pipewire.speakers("live-out", channels=2)
    with (
        live(pipewire, source, sink) as lines,
        pipewire.recording(f"{sink}.monitor", channels=2) as recording,
    ):

        def heard() -> np.ndarray:
            """The last quarter of a second, left and right."""
            frames = recording.samples()
            return frames[-(RATE_HZ // 4 * 2) :].reshape(-1, 2).T

        def sounds(hz: float) -> bool:
            return all(
                len(side) > RATE_HZ // 8 and abs(loudest_hz(side) - hz) < 8 for side in heard()
            )

        lines.wait_for("changed")
        wait_until(lambda: sounds(440), "the first program")

        source.write_text("o1: sine 440 * (((\n")
        lines.wait_for("mistake")
        assert "beat.ph:1:" in str(lines.events[-1]["text"]) or "beat.ph:1:" in str(lines.events)
        wait_until(lambda: sounds(440), "the last good program, which goes on")

        source.write_text("o1: sine 660 * 0.5\n")
        lines.wait_for("changed", 2)
        wait_until(lambda: sounds(660), "the change")
        wait_until(lambda: any("cycle" in one for one in lines.events), "figures")
        figures = [one for one in lines.events if "blocks" in one][-1]
        assert figures["refused"] == 0


def bursts(samples: np.ndarray) -> int:
    """Beats: from silence to sound again."""
    loud = np.abs(samples[: len(samples) // 480 * 480]).reshape(-1, 480).max(axis=1) > 0.01
    return int(np.count_nonzero(loud[1:] & ~loud[:-1]))


def test_a_program_is_played_once_and_ends_by_itself(
    pipewire: PipeWireServer, tmp_path: Path
) -> None:
    source = tmp_path / "beat.ph"
    source.write_text('cps: 1\no1: s "hh*4" # sustain 0.05\n')
    sink = pipewire.speakers("play-out", channels=2)
    arguments = ["play", str(source), "--cycles", "2", "--output", sink, "--json"]
    with pipewire.recording(f"{sink}.monitor") as recording:
        done = subprocess.run(
            [sys.executable, "-m", "gapless", *arguments],
            env=pipewire.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        heard = recording.samples()

    assert done.returncode == 0, done.stderr
    assert "gapless:" not in done.stderr
    events = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "plays"
    assert any("xruns" in one for one in events)
    # Two cycles are eight beats, a third would make twelve. On a machine that is too busy, two that are late come at
    # once, and a gap makes two of one.
    assert 4 < bursts(heard) < 11, "both cycles, and none of the one that follows"


def test_ctrl_c_ends_what_goes_on(pipewire: PipeWireServer) -> None:
    sink = pipewire.speakers("play-on", channels=2)
    command = [sys.executable, "-m", "gapless", "play", "--code", "o1: sine 440 * 0.5"]
    with (
        pipewire.recording(f"{sink}.monitor") as recording,
        subprocess.Popen(
            [*command, "--output", sink],
            env=pipewire.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        wait_until(lambda: np.abs(recording.samples()[-480:]).max() > 0.4, "sound", seconds=120)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[0]
        wait_until(lambda: not recording.samples()[-4800:].any(), "silence")
        heard = recording.samples()

    assert (process.returncode, said) == (0, ""), "nothing is said where no terminal is"
    ends = np.flatnonzero(np.abs(heard) > 0.4)[-1]
    assert np.abs(heard[ends : ends + 480]).max() > 0.02, "it fades"


def test_what_is_typed_is_heard(pipewire: PipeWireServer) -> None:
    sink = pipewire.speakers("repl-out", channels=2)
    with (
        pipewire.recording(f"{sink}.monitor") as recording,
        subprocess.Popen(
            [sys.executable, "-m", "gapless", "repl", "--output", sink],
            env=pipewire.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        ) as process,
    ):
        assert process.stdin is not None

        def sounds(hz: float) -> bool:
            side = recording.samples()[-(RATE_HZ // 4) :]
            return np.abs(side).max() > 0.1 and abs(loudest_hz(side) - hz) < 8

        def says(*lines: str) -> None:
            assert process.stdin is not None
            process.stdin.writelines(f"{line}\n" for line in (*lines, ""))

        says("~x: sine 440 * 0.5")
        says("o1: ~x")
        wait_until(lambda: sounds(440), "the first statements", seconds=120)
        says("~x: sine 660 * 0.5")
        wait_until(lambda: sounds(660), "another of the same name", seconds=60)
        says("~x: sine (((", "")
        says("hush")
        wait_until(lambda: not recording.samples()[-4800:].any(), "silence", seconds=60)
        says("unhush")
        wait_until(lambda: sounds(660), "what was heard before the mistake", seconds=60)
        said, wrong = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "standard input:7:" in wrong
    assert [line.split(": ")[1] for line in said.splitlines()] == [
        "~x",
        "o1",
        "~x",
        "hush",
        "unhush",
    ]
