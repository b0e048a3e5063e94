"""A virtual microphone on real servers lives through unplugging, another default and a restart; its engine only passes
the sound on, so that what another process records is what was played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module

import numpy as np
import pytest

from gapless.audio.device.find import find_server
from gapless.audio.types import Samples
from gapless.clean.mic.control import Change
from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.report import MicReport
from gapless.clean.mic.running import RunningMic
from gapless.testing.fake_mic_engine import FakeMicEngine
from gapless.testing.native_blocks import make_gain
from gapless.testing.sound_programs import RATE_HZ, wait_until
from gapless.testing.sound_servers import PipeWireServer, PulseAudioServer

pytestmark = pytest.mark.audio

NAME = "Gapless Microphone"


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """What calls back is compiled on import, which may take longer than a test waits."""
    for server in ("jack", "pulse"):
        import_module(f"gapless.audio.device.{server}_stream")


@contextmanager
def running(server: str, device: str | None = None) -> Iterator[RunningMic]:
    gain = make_gain()
    mic = RunningMic(
        MicPlan(name=NAME, device=device, server=server),
        open_engine=lambda options: FakeMicEngine(options, gain.block),
        find_server=find_server,
    )
    with closing(mic):
        mic.start()
        yield mic


def wait_for(mic: RunningMic, holds: Callable[[MicReport], bool], what: str) -> MicReport:
    try:
        wait_until(lambda: holds(mic.sample()), what)
    except TimeoutError as error:
        raise AssertionError(f"{error}; {mic.report()}") from error
    return mic.report()


def hears(device: str) -> Callable[[MicReport], bool]:
    return lambda report: report.running and report.device == device


def is_heard(pipewire: PipeWireServer, mic: RunningMic, sink: str, tone: Samples) -> bool:
    """Whether another process hears through the virtual microphone what is played into a device."""
    with pipewire.recording(mic.report().virtual) as recording:
        recording.wait_for(RATE_HZ // 10)
        with pipewire.play(sink, tone):
            heard = recording.wait_for(RATE_HZ)
    spectrum = np.abs(np.fft.rfft(heard[-RATE_HZ // 2 :]))
    return bool(np.max(np.abs(heard)) > 0.2) and int(np.argmax(spectrum)) * 2 == 440


def test_unplugged_plugged_in_and_another_default(pipewire: PipeWireServer, tone: Samples) -> None:
    usb = pipewire.microphone("usb-mic", "USB Microphone")
    other = pipewire.microphone("built-in", "Built-in Audio")
    pipewire.set_default("source", "built-in")
    with running("pipewire", "usb") as mic:
        wait_for(mic, hears("usb-mic"), "the microphone that was asked for")
        assert is_heard(pipewire, mic, usb.sink, tone)

        usb.unplug()
        wait_for(mic, hears("built-in"), "the default in its place")
        assert is_heard(pipewire, mic, other.sink, tone)

        usb.replug()
        wait_for(mic, hears("usb-mic"), "the microphone that is back")

        mic.apply(Change(device="default"))
        wait_for(mic, hears("built-in"), "the default on request")
        pipewire.set_default("source", "usb-mic")
        wait_for(mic, hears("usb-mic"), "the new default")

        # As a user does who wants it in every application: it may not hear itself.
        pipewire.set_default("source", mic.report().virtual)
        before = mic.report().uptime_s
        report = wait_for(
            mic, lambda report: report.uptime_s > before + 3, "some looks at the devices"
        )
        assert report.running
        assert report.device in ("usb-mic", "built-in")
    assert [name for name in pipewire.sources() if "gapless" in name] == []


def test_a_restart_of_pipewire(pipewire: PipeWireServer, tone: Samples) -> None:
    pipewire.microphone("desk-mic")
    with running("pipewire") as mic:
        wait_for(mic, hears("desk-mic"), "the microphone")

        pipewire.kill()
        wait_for(mic, lambda report: not report.server, "the loss of the server")

        pipewire.restart()
        desk = pipewire.microphone("desk-mic")
        wait_for(mic, hears("desk-mic"), "the microphone after the restart")
        assert is_heard(pipewire, mic, desk.sink, tone)


def test_another_block_size_while_it_runs(pipewire: PipeWireServer, tone: Samples) -> None:
    desk = pipewire.microphone("desk-mic")
    with running("pipewire") as mic:
        wait_for(mic, lambda report: report.stream.block_frames == 256, "blocks of 256")
        mic.apply(Change(block="512"))
        wait_for(mic, lambda report: report.stream.block_frames == 512, "blocks of 512")
        assert is_heard(pipewire, mic, desk.sink, tone)


def test_a_restart_of_pulseaudio(pulseaudio: PulseAudioServer) -> None:
    def plug() -> None:
        pulseaudio.ask(
            "pactl",
            "load-module",
            "module-remap-source",
            "master=speakers.monitor",
            "source_name=mic",
        )

    plug()
    with running("pulseaudio") as mic:
        wait_for(mic, hears("mic"), "the microphone")

        pulseaudio.kill()
        wait_for(mic, lambda report: not report.server, "the loss of the server")

        pulseaudio.restart()
        plug()
        wait_for(mic, hears("mic"), "the microphone after the restart")
        assert mic.report().virtual in pulseaudio.sources()
    assert mic.report().virtual not in pulseaudio.sources()
