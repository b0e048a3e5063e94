"""Real sound servers for tests, without a sound card: PipeWire, PulseAudio and JACK.

In: nothing but the installed programs. Out: a server that answers, the environment that leads to it, fake microphones
and what other processes hear. Invariants: everything lives in a private folder that is gone afterwards; nobody else's
server is seen or touched; what was started is stopped by its process group, also when the start fails. Thread: one at
a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, final

from gapless.audio.device.loopback import REAL_TIME
from gapless.audio.device.pipewire_graph import read_graph
from gapless.audio.types import Samples
from gapless.testing.private_server import PrivateServer
from gapless.testing.sound_programs import (
    RATE_HZ,
    Program,
    Recording,
    require_programs,
    wait_until,
    write_wave,
)

PULSE_CLIENTS: Final = ("pactl", "parec", "pacat")
PULSEAUDIO_PROGRAMS: Final = ("pulseaudio", *PULSE_CLIENTS)
PIPEWIRE_PROGRAMS: Final = (
    *("dbus-daemon", "pipewire", "wireplumber", "pipewire-pulse"),
    *("pw-dump", "pw-link", "pw-loopback", "pw-metadata"),
    *PULSE_CLIENTS,
)
JACK_PROGRAMS: Final = ("jackd", "jack_lsp", "jack_connect")

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  JACK's own files are removed there, nothing is read

MOST_PLUGS: Final = 3
PORTS_S: Final = 3.0
"""A device without ports by then gets none."""

RECORD_LATENCY_MS: Final = 10
"""Without a wish ``parec`` hands over two seconds at a time."""


@final
class FakeMicrophone:
    """A device that others hear, and into which a test plays. Gone when it is unplugged, or with its server."""

    def __init__(self, name: str, sink: str, programs: PrivateServer, plug: Sequence[str]) -> None:
        self.name: Final = name
        """What the server knows it by."""
        self.sink: Final = sink
        """The device that feeds it."""
        self._server = programs
        self._plug = plug
        self._program = programs.run(*plug)

    def unplug(self) -> None:
        """Let it vanish. Idempotent."""
        self._program.kill()

    def replug(self) -> None:
        """Let it come back under its name."""
        self._program = self._server.run(*self._plug)


class _WithPulse(PrivateServer):
    """A server that speaks PulseAudio's protocol."""

    @contextmanager
    def recording(self, device: str, *, channels: int = 1) -> Iterator[Recording]:
        """What another process hears of a source, from when it hears anything at all."""
        options = [f"--device={device}", "--raw", "--format=float32le", f"--channels={channels}"]
        timing = [f"--rate={RATE_HZ}", f"--latency-msec={RECORD_LATENCY_MS}"]
        with Recording(["parec", *options, *timing], self.env, self.dir) as recording:
            recording.wait_for(1)
            yield recording

    def sources(self) -> list[str]:
        """Names of all that can be heard."""
        return self._short("sources")

    def sinks(self) -> list[str]:
        """Names of all that can be played to."""
        return self._short("sinks")

    def _short(self, kind: str) -> list[str]:
        return [
            line.split("\t")[1]
            for line in (self.ask("pactl", "list", "short", kind) or "").splitlines()
        ]

    def play(self, sink: str, samples: Samples) -> Program:
        """Let another process play samples, 48 kHz mono, to a sink; it ends when it has."""
        path = self.dir / f"play-{abs(hash(samples.tobytes()))}.wav"
        write_wave(path, samples)
        return self.run(
            "pacat",
            "--playback",
            f"--device={sink}",
            "--file-format=wav",
            "--latency-msec=20",
            str(path),
        )


@final
class PipeWireServer(_WithPulse):
    """PipeWire with its session manager and its PulseAudio door, on a message bus of its own.

    Args:
        least_frames: shortest block that it lets a client have.
    """

    def __init__(self, *, least_frames: int = 32) -> None:
        require_programs(*PIPEWIRE_PROGRAMS)
        super().__init__()
        self._least_frames = least_frames
        bus = f"unix:path={self.dir}/bus"
        self.env.update(DBUS_SESSION_BUS_ADDRESS=bus, DBUS_SYSTEM_BUS_ADDRESS=bus)

    def _start_programs(self) -> None:
        bus = self.env["DBUS_SESSION_BUS_ADDRESS"]
        for left in ("bus", "pipewire-0", "pipewire-0.lock"):
            (self.dir / left).unlink(missing_ok=True)
        self.run("dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={bus}")
        self._wait_until((self.dir / "bus").exists, "a message bus")
        self.run("pipewire")
        self._wait_until(lambda: bool(self.ask("pw-dump", "0")), "PipeWire")
        # In a virtual machine it would begin at 1,024 frames.
        self.ask("pw-metadata", "-n", "settings", "0", "clock.min-quantum", str(self._least_frames))
        # The door and who knocks at it would both make the folder, and one of them would fail.
        (self.dir / "pulse").mkdir(mode=0o700, exist_ok=True)
        self.run("wireplumber")
        self.run("pipewire-pulse")
        self._wait_until(
            lambda: self.ask("pactl", "info") is not None, "PipeWire's PulseAudio door"
        )
        self._wait_until(self._has_defaults, "the session manager")

    def _has_defaults(self) -> bool:
        """Whether the session manager keeps the defaults, and one is set."""
        return "default.audio.sink" in (self.ask("pw-metadata", "-n", "default", "0") or "")

    def microphone(self, name: str, description: str | None = None) -> FakeMicrophone:
        """Plug in a microphone and wait until it is there."""
        sink = f"{name}.feed"
        props = "{{ media.class={kind} node.name={name} node.description={said} }}"
        capture = props.format(kind="Audio/Sink", name=sink, said=json.dumps(f"feeds {name}"))
        playback = props.format(
            kind="Audio/Source", name=name, said=json.dumps(description or name)
        )
        plug = ["pw-loopback", "-n", f"{name}-pair", "-c", "1", "-m", "[ MONO ]"]
        plug += ["--capture-props", capture, "--playback-props", playback]
        plug = ["env", f"PIPEWIRE_CONFIG_NAME={REAL_TIME}", *plug]
        microphone = FakeMicrophone(name, sink, self, plug)
        for _ in range(MOST_PLUGS):
            wait_until(
                lambda: {name, sink} <= {*self.sources(), *self.sinks()}, f"microphone {name}"
            )
            if self._gets_ports({name, sink}):
                return microphone
            microphone.unplug()
            microphone.replug()
        raise TimeoutError(f"PipeWire gives the microphone {name} no ports")

    def _gets_ports(self, names: set[str]) -> bool:
        """Whether all of these devices get theirs.

        Once in some ninety times the session manager forgets a device that comes together with others.
        """
        with suppress(TimeoutError):
            wait_until(lambda: names <= self._with_ports(), "ports", PORTS_S)
            return True
        return False

    def _with_ports(self) -> set[str]:
        """Names of the nodes that have any."""
        return {node.device.name for node in read_graph(self._dump()).nodes if node.ports}

    def _dump(self) -> bytes:
        return (self.ask("pw-dump") or "[]").encode()

    def speakers(self, name: str, *, channels: int = 1) -> str:
        """A sink that nobody hears but through its monitor, which is ``NAME.monitor``."""
        shape = (f"sink_name={name}", f"channels={channels}")
        for _ in range(MOST_PLUGS):
            module = self.ask("pactl", "load-module", "module-null-sink", *shape) or ""
            wait_until(lambda: name in self.sinks(), f"speakers {name}")
            if self._gets_ports({name}):
                return name
            self.ask("pactl", "unload-module", module.strip())
        raise TimeoutError(f"PipeWire gives the speakers {name} no ports")

    def set_default(self, kind: str, name: str) -> None:
        """Make a device the default, as a user would.

        Args:
            kind: "source" or "sink".
            name: of the device.
        """
        self.ask("pactl", f"set-default-{kind}", name)
        wait_until(
            lambda: (self.ask("pactl", f"get-default-{kind}") or "").strip() == name,
            f"default {kind} {name}",
        )


@final
class PulseAudioServer(_WithPulse):
    """PulseAudio with one null sink, ``speakers``.

    Args:
        modules: more to load, as on its command line.
    """

    def __init__(self, *modules: str) -> None:
        require_programs(*PULSEAUDIO_PROGRAMS)
        super().__init__()
        self._modules = modules
        self.env.update(PULSE_SERVER=f"unix:{self.dir}/native", PULSE_RUNTIME_PATH=str(self.dir))

    def _start_programs(self) -> None:
        (self.dir / "native").unlink(missing_ok=True)
        modules = (
            f"module-native-protocol-unix auth-anonymous=1 socket={self.dir}/native",
            "module-null-sink sink_name=speakers rate=48000",
            *self._modules,
        )
        self.run(
            *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"),
            *("--disallow-exit", "--log-target=stderr"),
            *(f"--load={module}" for module in modules),
        )
        self._wait_until(lambda: self.ask("pactl", "info") is not None, "PulseAudio")


@final
class JackServer(PrivateServer):
    """jackd with its dummy driver: ports of ``system`` that hear silence.

    Args:
        frames: of a block.
        rate_hz: of everything.
    """

    def __init__(self, *, frames: int = 256, rate_hz: int = RATE_HZ) -> None:
        require_programs(*JACK_PROGRAMS)
        super().__init__()
        self._frames = frames
        self._rate_hz = rate_hz
        # Servers of one machine share a folder of sockets: the name tells them apart.
        self.server_name: Final = self.dir.name
        self.env.update(JACK_DEFAULT_SERVER=self.server_name, JACK_NO_START_SERVER="1")

    def kill(self) -> None:
        """End it at once, and remove what it and its clients shared. Idempotent."""
        super().kill()
        self._remove_shared()

    def stop(self) -> None:
        """End it as a user would. Idempotent."""
        super().stop()
        self._remove_shared()

    def _remove_shared(self) -> None:
        for left in SHARED_MEMORY.glob(f"*{self.server_name}*"):
            left.unlink(missing_ok=True)

    def _start_programs(self) -> None:
        period = ["-r", str(self._rate_hz), "-p", str(self._frames)]
        self.run("jackd", "--name", self.server_name, "-d", "dummy", *period)
        self._wait_until(lambda: "system:capture_1" in (self.ask("jack_lsp") or ""), "jackd")
