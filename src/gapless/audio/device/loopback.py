"""A virtual device on PipeWire: a pair of nodes, one that we use and one that other programs see.

In: a kind and a name. Out: ``VirtualDevice``, a process ``pw-loopback``. Invariants: it ends when it is closed, and
when we end in whatever way: beside it a shell waits on a pipe that only we hold open. Thread: one at a time.

The pair hands a block over within the same cycle of the graph; a single virtual source would add a block.
"""

from __future__ import annotations

import json
import os
import re
import weakref
from pathlib import Path
from typing import Final, Literal, final

from gapless.audio.device.guarded import end_guarded, start_guarded
from gapless.audio.device.pipewire_graph import OURS

REAL_TIME: Final = "client-rt.conf"
"""PipeWire's configuration of programs whose audio thread must not wait."""
CONFIGURATIONS: Final = (Path("/etc/pipewire"), Path("/usr/share/pipewire"))

CHANNEL: Final = "[ MONO ]"


@final
class Loopback:
    """A pair of nodes; ``PipeWire.open_virtual`` waits until they are there.

    Args:
        kind: a microphone for others is a sink of ours, a speaker a source.
        name: for people.
    """

    def __init__(self, kind: Literal["microphone", "speaker"], name: str) -> None:
        self.name: Final = slug(name)
        """The device that other programs know."""
        self.ours: Final = f"{self.name}.gapless"
        """The device at our side."""
        theirs = {OURS: True, "node.name": self.name, "node.description": name}
        # A stream that is joined with nothing by itself: a sink would be offered to people as a loudspeaker.
        own = {
            OURS: True,
            "node.name": self.ours,
            "node.description": f"{name} (Gapless)",
            "node.autoconnect": False,
            "node.passive": True,
        }
        if kind == "microphone":
            capture = {"media.class": "Stream/Input/Audio", **own}
            playback = {"media.class": "Audio/Source", **theirs}
        else:
            capture = {"media.class": "Audio/Sink", **theirs}
            playback = {"media.class": "Stream/Output/Audio", **own}
        # PipeWire's way to write properties; JSON is one form of it.
        command = ["pw-loopback", "-n", self.name, "-c", "1", "-m", CHANNEL]
        command += ["--capture-props", json.dumps(capture)]
        command += ["--playback-props", json.dumps(playback)]
        self._process = start_guarded(command, env=real_time_environment())
        self.close: Final = weakref.finalize(self, end_guarded, self._process)
        """Remove the pair. Idempotent."""

    def alive(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None


def real_time_environment() -> dict[str, str]:
    """Ours, and that PipeWire's programs ask for real-time priority, which not all versions do by themselves."""
    known = any((folder / REAL_TIME).exists() for folder in CONFIGURATIONS)
    return os.environ | ({"PIPEWIRE_CONFIG_NAME": REAL_TIME} if known else {})


def slug(name: str) -> str:
    """A device's own name, of its name for people. It begins with a letter: pw-dump would tell 440 as a number."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return plain if plain[:1].isalpha() else f"gapless-{plain}".rstrip("-")
