"""A performance on a sound device: what ``gapless live`` runs.

In: a sound server, texts of programs. Out: sound. Invariants: it ends with a fade. Thread: main; the device, the
player and the sounds have their own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final, Self, final

from gapless.audio.device.server import SoundServer, StreamCounts, StreamOptions
from gapless.errors import ConfigError
from gapless.play.live.performance import Performance

FADE_S: Final = 0.2
"""For outputs to fade, and keys to be released, when it ends."""
BLOCKS_AHEAD: Final = 2
"""That the patterns are asked for at least: a device takes a whole block at once."""


@final
class Stage:
    """Use it as a context manager.

    Args:
        server: a running sound server.
        options: of its stream; the input is none.
        folders: of sounds.
        lead_ms: how far ahead the patterns are asked.

    Raises:
        DeviceError: no such device.
        ConfigError: the lead is out of bounds.
    """

    def __init__(
        self,
        server: SoundServer,
        options: StreamOptions,
        folders: Sequence[Path] = (),
        lead_ms: float = 25.0,
    ) -> None:
        block_ms = (options.block_frames or 0) * 1000 / options.rate_hz
        lead_ms = max(lead_ms, BLOCKS_AHEAD * block_ms)
        with ExitStack() as opened:
            self.performance: Final = opened.enter_context(
                Performance(options.rate_hz, folders, lead_ms)
            )
            self._stream = opened.enter_context(
                closing(server.open_stream(options, self.performance.player.block))
            )
            self.performance.player.start()
            self._closing = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def counts(self) -> StreamCounts:
        """What became of the stream so far."""
        return self._stream.counts()

    @property
    def output(self) -> str:
        """Name of the device that plays; empty: none at the moment."""
        return self._stream.output

    def alive(self) -> bool:
        """Whether the device still asks for blocks."""
        return self._stream.alive()

    def close(self) -> None:
        """Fade out and give back the device. Idempotent."""
        # A device that does not call takes no change, and needs no fade.
        with self._closing, suppress(ConfigError):
            if self._stream.alive():
                self.performance.hush()
                time.sleep(FADE_S)
