"""The servers that the other tests start: that they are private, and that nothing of them is left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.testing.sound_servers import JackServer, PipeWireServer, PulseAudioServer

pytestmark = pytest.mark.audio

START: dict[str, Callable[[], Any]] = {
    "pipewire": PipeWireServer,
    "pulseaudio": PulseAudioServer,
    "jack": JackServer,
}


def processes_of(folder: Path) -> set[int]:
    """Those whose environment names the folder."""
    found = set[int]()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.add(int(process.name))
        except OSError:
            continue  # it has ended, or is somebody else's
    return found - {os.getpid()}


@pytest.mark.parametrize("kind", START)
def test_nothing_of_a_server_is_left(kind: str) -> None:
    with START[kind]() as server:
        assert processes_of(server.dir)
        server.restart()
        assert processes_of(server.dir)
    assert not processes_of(server.dir)
    assert not server.dir.exists()
    assert not list(Path("/dev/shm").glob(f"*{server.dir.name}*"))


def test_nothing_is_left_of_a_server_that_does_not_start() -> None:
    server = PipeWireServer()
    server.env["PIPEWIRE_RUNTIME_DIR"] = "/nowhere"
    with pytest.raises(RuntimeError, match="before there was PipeWire"), server:
        pytest.fail("it started")
    assert not processes_of(server.dir)
    assert not server.dir.exists()


def test_two_servers_do_not_know_of_each_other() -> None:
    with PipeWireServer() as one, PipeWireServer() as other:
        one.microphone("desk-mic")
        assert "desk-mic" in one.sources()
        assert "desk-mic" not in other.sources()


def test_what_is_played_into_a_fake_microphone_is_recorded(
    pipewire: PipeWireServer, tone: Samples
) -> None:
    microphone = pipewire.microphone("desk-mic")
    with pipewire.recording("desk-mic") as recording:
        pipewire.play(microphone.sink, tone).wait()
        heard = recording.samples()
    assert np.abs(heard).max() == pytest.approx(0.5, rel=0.01)
    microphone.unplug()
    assert "desk-mic" not in pipewire.sources()
    microphone.unplug()
