"""A network over samples: what it hears and what it says are frames of sound.

In: a frame of samples. Out: as many, as late as the manifest declares. Invariants: a frame that the network made a mess
of is replaced by the original that it belongs to, without a step at either end.
Thread: one at a time.

A frame that is missing has no overlap with its neighbours, so both seams are made here: the original begins at the
level that the network left off at and glides to its own within a frame; when the network is back, both are there, and
one fades into the other.
"""

from __future__ import annotations

from typing import final

import numpy as np

from gapless.audio.finite import PEAK
from gapless.audio.types import Samples
from gapless.clean.onnx.manifest import WaveformManifest
from gapless.clean.onnx.network import Network, Shape
from gapless.clean.onnx.spectral import tensor_shape


@final
class WaveformPath:
    """The way of a stream's samples through a network over samples.

    Args:
        manifest: how the network is fed.
        network: open; its inputs and outputs are those of ``tensors``.
    """

    def __init__(self, manifest: WaveformManifest, network: Network) -> None:
        frame = manifest.frame_samples
        self._network = network
        self._in = network.inputs[manifest.input.tensor].reshape(-1)
        self._out = network.outputs[manifest.output.tensor].reshape(-1)
        self._frame = frame
        self._delay = manifest.delay_samples
        self._heard: Samples = np.zeros(1 + manifest.delay_samples + frame, np.float32)
        """From the sample before the original of this frame's output to the end of its input."""
        self._fade = np.arange(1, frame + 1, dtype=np.float32) / np.float32(frame)
        self._was_used = True
        self._last = np.float32(0)
        """The last sample that went out."""

    @staticmethod
    def tensors(manifest: WaveformManifest) -> tuple[dict[str, Shape], dict[str, Shape]]:
        """Shapes of the input and the output of the network."""
        ends = (manifest.input, manifest.output)
        into, out = (
            {end.tensor: tensor_shape(end.axes, {"samples": manifest.frame_samples})}
            for end in ends
        )
        return into, out

    @property
    def settling_frames(self) -> int:
        """Frames that a network which missed one does not answer in step."""
        return -(-self._delay // self._frame)

    def process(self, samples: Samples, *, settled: bool) -> tuple[Samples, bool]:
        """Take a frame, give a frame; and whether the network's answer was sound.

        Args:
            samples: float32 [frame_samples].
            settled: False: the original goes out, whatever the answer.

        Raises:
            ModelError: the network failed.
        """
        self._heard[: -self._frame] = self._heard[self._frame :]
        self._heard[-self._frame :] = samples
        self._in[:] = samples
        self._network.run()
        # A comparison with NaN is false.
        sound = bool((np.abs(self._out) <= PEAK).all())
        used = sound and settled
        output = self._joined(used=used)
        self._was_used = used
        self._last = output[-1]
        return output, sound

    def reset(self) -> None:
        """Forget the samples; the network's states are its own."""
        self._heard[:] = 0
        self._was_used = True
        self._last = np.float32(0)

    def _joined(self, *, used: bool) -> Samples:
        if used and self._was_used:
            return self._out.copy()
        original = self._heard[1 : 1 + self._frame].copy()
        if used:
            original += self._fade * (self._out - original)
        elif self._was_used:
            original += (self._last - self._heard[0]) * (1 - self._fade)
        return original
