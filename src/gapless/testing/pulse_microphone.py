"""A microphone on a test's PulseAudio server, which can be pulled out and plugged in.

In: a running server. Out: a source that is no monitor, and the sink that feeds it. Invariants: gone with its server.
Thread: one.
"""

from __future__ import annotations

from typing import Final, final

from gapless.testing.sound_programs import RATE_HZ
from gapless.testing.sound_servers import PulseAudioServer


@final
class PulseMicrophone:
    """Plugged in as it is made.

    Args:
        server: where.
        name: what the server knows it by.
        description: for people.
    """

    def __init__(self, server: PulseAudioServer, name: str, description: str) -> None:
        self.name: Final = name
        self.sink: Final = f"{name}_feed"
        """What a test plays to so that it is heard."""
        self._server = server
        self._description = description
        self._modules: list[str] = []
        self.plug()

    def plug(self) -> None:
        """Let it be there, under the same name as ever."""
        shape = (f"rate={RATE_HZ}", "channels=1", "channel_map=mono")
        # With rewinds a sink that nobody hurries sleeps for two seconds.
        feed = (f"sink_name={self.sink}", "format=float32le", "norewinds=1", *shape)
        self._load("module-null-sink", *feed)
        source = (f"source_name={self.name}", f"master={self.sink}.monitor", "remix=no", *shape)
        said = f"source_properties=\"device.description='{self._description}'\""
        self._load("module-remap-source", *source, "master_channel_map=mono", said)

    def unplug(self) -> None:
        """Let it vanish."""
        while self._modules:
            self._server.ask("pactl", "unload-module", self._modules.pop())

    def _load(self, *module: str) -> None:
        answer = self._server.ask("pactl", "load-module", *module)
        if answer is None:
            raise RuntimeError(f"the server does not load {module[0]}:\n{self._server.log()}")
        self._modules.append(answer.strip())
