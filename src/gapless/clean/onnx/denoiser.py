"""Any ONNX denoiser of which a manifest tells how it is fed; a ``FrameDenoiser``.

In: frames of the manifest's length at its rate. Out: as many samples, late by what the manifest means. Invariants: what
goes into the network is finite and within 2, whatever came; what comes out is finite and bounded, whatever the network
did: a frame of nonsense is replaced by the original in step, and counted; the states of such a frame are never kept;
after ``PATIENCE`` of them in a row the states begin anew. The first call takes no longer than the others.
Thread: one at a time; the interpreter lock is free while the network computes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, final

import numpy as np

from gapless.audio.finite import PEAK
from gapless.audio.types import Samples
from gapless.clean.onnx.manifest import DenoiserManifest, SpectralManifest, read_manifest
from gapless.clean.onnx.network import Network, Shape
from gapless.clean.onnx.spectral import SpectralPath
from gapless.clean.onnx.waveform import WaveformPath
from gapless.clean.repair import repaired
from gapless.errors import ModelError

WARM_FRAMES: Final = 8
"""Heard at open: the first runs find memory, pages and code that the later ones have."""

WARM_LEVEL: Final = 1e-3
"""Of the noise in them, 60 dB under full scale: some networks have no answer to digital silence."""

PATIENCE: Final = 3
"""Frames of nonsense in a row after which the states are to blame, for they are all that the network remembers."""


@final
class OnnxDenoiser:
    """The denoiser of one stream.

    Args:
        folder: with a ``denoiser.toml`` and the ONNX file that it names.

    Raises:
        MissingDependencyError: ONNX Runtime is not installed.
        ModelError: the manifest or the file is missing or wrong, they do not fit each other, or the network fails.
    """

    _nonsense: int
    """Frames of nonsense in a row."""
    _settling: int
    """Frames until a network that has missed some is trusted again."""
    replaced_frames: int
    """Frames since it was opened for which the original went out."""
    restarts: int
    """How often the states were begun anew in mid-stream."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest: DenoiserManifest = read_manifest(folder)
        self._network, self._path = _open(folder, self._manifest)
        self._closed = False
        self._nonsense = self._settling = 0
        self.replaced_frames = self.restarts = 0
        self._warm_up()

    @property
    def name(self) -> str:
        """Of its folder."""
        return self._folder.name

    @property
    def rate_hz(self) -> int:
        """Samples a second that the network was trained on."""
        return self._manifest.rate_hz

    @property
    def frame_samples(self) -> int:
        """Samples per call."""
        return self._manifest.frame_samples

    @property
    def delay_samples(self) -> int:
        """How much later its output comes than its input."""
        return self._manifest.delay_samples

    def process(self, frame: Samples) -> Samples:
        """Clean one frame.

        Args:
            frame: float32 [frame_samples]; what is no sound in it is repaired first.

        Returns:
            float32 [frame_samples], the caller's own: what came ``delay_samples`` before this frame, cleaned.

        Raises:
            ModelError: it is closed, the frame has another length, or ONNX Runtime failed.
        """
        self._require_open()
        if frame.shape != (self.frame_samples,):
            raise ModelError(
                f"{self.name} takes frames of {self.frame_samples} samples, not {frame.shape}; split the audio"
            )
        settled = self._settling == 0
        output, sound = self._path.process(repaired(frame), settled=settled)
        if not (sound and settled):
            self.replaced_frames += 1
        if sound:
            self._network.keep()
            self._nonsense = 0
            self._settling = max(0, self._settling - 1)
        else:
            self._bear_nonsense()
        return np.clip(output, -PEAK, PEAK, out=output)

    def reset(self) -> None:
        """Forget the stream: afterwards this behaves as a new one. The counters go on.

        Raises:
            ModelError: it is closed.
        """
        self._require_open()
        self._network.forget()
        self._path.reset()
        self._nonsense = self._settling = 0

    def close(self) -> None:
        """Free the network. Idempotent."""
        self._closed = True
        self._network.close()

    def _warm_up(self) -> None:
        chance = np.random.default_rng(0)
        for _ in range(WARM_FRAMES):
            noise = chance.standard_normal(self.frame_samples, np.float32)
            self.process(noise * np.float32(WARM_LEVEL))
        if self.replaced_frames == WARM_FRAMES:
            raise ModelError(
                f"the denoiser {self._folder / self._manifest.file} gives NaN or numbers out of all range for quiet "
                "noise; compare its manifest with what it was trained on, or replace the file"
            )
        self.reset()
        self.replaced_frames = self.restarts = 0

    def _bear_nonsense(self) -> None:
        # The states of this frame are not kept, so the network never heard it: what it has waiting for its look-ahead
        # is out of step until that many frames have passed.
        self._settling = self._path.settling_frames
        self._nonsense += 1
        if self._nonsense == PATIENCE:
            self._network.forget()
            self._nonsense = 0
            self.restarts += 1

    def _require_open(self) -> None:
        if self._closed:
            raise ModelError(f"the denoiser {self.name} is closed; open a new one")


def _open(folder: Path, manifest: DenoiserManifest) -> tuple[Network, SpectralPath | WaveformPath]:
    def network(tensors: tuple[dict[str, Shape], dict[str, Shape]]) -> Network:
        inputs, outputs = tensors
        return Network(
            folder / manifest.file,
            inputs=inputs,
            outputs=outputs,
            states=manifest.state,
            constants=manifest.constant,
        )

    if isinstance(manifest, SpectralManifest):
        spectral = network(SpectralPath.tensors(manifest))
        return spectral, SpectralPath(manifest, spectral)
    waveform = network(WaveformPath.tensors(manifest))
    return waveform, WaveformPath(manifest, waveform)
