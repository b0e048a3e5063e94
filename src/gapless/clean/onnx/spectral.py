"""A network over spectra: transform, network, mask, inverse transform.

In: ``hop`` new samples. Out: ``hop`` samples, ``n_fft - hop`` and the look-ahead late. Invariants: a mask of ones gives
back the input (the window of the inverse is made so that windows add up to one); a frame that the network made a
mess of is replaced by the noisy one that it belongs to, and the overlapping windows fade the one into the other.
Thread: one at a time.

Source: D. Griffin and J. Lim, "Signal Estimation from Modified Short-Time Fourier Transform", 1984 (the window of the
inverse that is best in least squares).
"""

from __future__ import annotations

from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.clean.onnx.manifest import Axis, SpectralManifest, Window
from gapless.clean.onnx.network import Frame, Network, Shape
from gapless.clean.repair import LOUDEST

Spectrum: TypeAlias = npt.NDArray[np.complex64]

MOST_GAIN: Final = 16.0
"""24 dB: a spectrum that grows by more than that is no clean speech, but a network gone wrong."""


def tensor_shape(axes: tuple[Axis, ...], lengths: dict[Axis, int]) -> Shape:
    """The shape of a tensor: one for every axis without a length."""
    return tuple(lengths.get(axis, 1) for axis in axes)


def window_of(kind: Window, n_fft: int) -> Samples:
    """The window of the transform, periodic: float32 [n_fft]."""
    n = np.arange(n_fft)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / n_fft)
    if kind == "sqrt-hann":
        return np.sqrt(hann).astype(np.float32)
    if kind == "hann":
        return hann.astype(np.float32)
    if kind == "vorbis":
        half = np.sin(np.pi * (n + 0.5) / n_fft)
        return np.sin(np.pi / 2 * half**2).astype(np.float32)
    return np.ones(n_fft, np.float32)


def inverse_window(window: Samples, hop: int) -> Samples:
    """The window of the inverse: with the first one and overlapped by ``hop`` it adds up to one everywhere."""
    power = window.astype(np.float64) ** 2
    padded = np.pad(power, (0, -len(power) % hop))
    total = padded.reshape(-1, hop).sum(axis=0)
    return (window / np.resize(total, len(window))).astype(np.float32)


@final
class SpectralPath:
    """The way of a stream's samples through a spectral network.

    Args:
        manifest: how the network is fed.
        network: open; its inputs and outputs are those of ``tensors``.
    """

    def __init__(self, manifest: SpectralManifest, network: Network) -> None:
        transform = manifest.transform
        self._manifest = manifest
        self._network = network
        self._hop = transform.hop
        self._scale = np.float32(transform.scale)
        self._window = window_of(transform.window, transform.n_fft)
        self._synthesis = inverse_window(self._window, transform.hop)
        # Views of the network's own memory, bins first: what is written here is what it reads.
        self._in = [
            _by_bin(network.inputs[name], manifest.input.axes) for name in manifest.input.tensors
        ]
        self._out = [
            _by_bin(network.outputs[name], manifest.output.axes) for name in manifest.output.tensors
        ]
        self._most = _most(manifest, self._window)
        bins = transform.n_fft // 2 + 1
        self._heard: Samples = np.zeros(transform.n_fft, np.float32)
        """The last ``n_fft`` samples."""
        self._noisy: Spectrum = np.zeros((manifest.lookahead_frames + 1, bins), np.complex64)
        """Spectra that the network has heard and not answered, in a ring."""
        self._frame = 0
        self._sum: Samples = np.zeros(transform.n_fft, np.float32)
        """Windows added up so far; the first ``hop`` are done."""
        self._clean: Spectrum = np.zeros(bins, np.complex64)

    @staticmethod
    def tensors(manifest: SpectralManifest) -> tuple[dict[str, Shape], dict[str, Shape]]:
        """Shapes of the inputs and the outputs of the network."""
        lengths: dict[Axis, int] = {"bins": manifest.transform.n_fft // 2 + 1, "parts": 2}
        ends = (manifest.input, manifest.output)
        into, out = (
            {name: tensor_shape(end.axes, lengths) for name in end.tensors} for end in ends
        )
        return into, out

    @property
    def settling_frames(self) -> int:
        """Frames that a network which missed one does not answer in step."""
        return self._manifest.lookahead_frames

    def process(self, samples: Samples, *, settled: bool) -> tuple[Samples, bool]:
        """Take ``hop`` samples, give ``hop`` samples; and whether the network's answer was sound.

        Args:
            samples: float32 [hop].
            settled: False: the original goes out, whatever the answer.

        Raises:
            ModelError: the network failed.
        """
        self._heard[: -self._hop] = self._heard[self._hop :]
        self._heard[-self._hop :] = samples
        noisy = self._noisy[self._frame]
        np.fft.rfft(self._heard * self._window, out=noisy)
        self._frame = (self._frame + 1) % len(self._noisy)
        answered = self._noisy[self._frame]  # the oldest one, which without look-ahead is this one
        self._feed(noisy)
        self._network.run()
        sound = self._take(answered)
        clean = self._clean if sound and settled else answered
        self._sum[: -self._hop] = self._sum[self._hop :]
        self._sum[-self._hop :] = 0
        self._sum += np.fft.irfft(clean, len(self._sum)) * self._synthesis
        return self._sum[: self._hop].copy(), sound

    def reset(self) -> None:
        """Forget the samples; the network's states are its own."""
        self._heard[:] = 0
        self._noisy[:] = 0
        self._sum[:] = 0
        self._frame = 0

    def _feed(self, noisy: Spectrum) -> None:
        if self._manifest.input.values == "magnitude":
            np.multiply(np.abs(noisy), self._scale, out=self._in[0])
            return
        real, imaginary = self._parts(self._in)
        np.multiply(noisy.real, self._scale, out=real)
        np.multiply(noisy.imag, self._scale, out=imaginary)

    def _take(self, answered: Spectrum) -> bool:
        """Make the clean spectrum from the outputs; False if they are not fit for it."""
        # Not any(... > most): a comparison with NaN is false, and NaN must be found too.
        if not all((np.abs(values) <= self._most).all() for values in self._out):
            return False
        if len(self._out) == 1 and self._out[0].ndim == 1:
            np.multiply(answered, self._out[0], out=self._clean)
            return True
        self._clean.real, self._clean.imag = self._parts(self._out)
        if self._manifest.output.values == "mask":
            self._clean *= answered
        else:
            self._clean /= self._scale
        return True

    @staticmethod
    def _parts(tensors: list[Frame]) -> tuple[Frame, Frame]:
        if len(tensors) == 2:
            return tensors[0], tensors[1]
        return tensors[0][:, 0], tensors[0][:, 1]


def _by_bin(tensor: Frame, axes: tuple[Axis, ...]) -> Frame:
    """A view: [bins], or [bins, parts]."""
    kept = [axis for axis in ("bins", "parts") if axis in axes]
    order = [axes.index(axis) for axis in kept]
    others = tuple(number for number in range(len(axes)) if number not in order)
    # Squeezing drops axes of length one, and never copies.
    return tensor.transpose(*order, *others).squeeze(tuple(range(len(order), len(axes))))


def _most(manifest: SpectralManifest, window: Samples) -> np.float32:
    """The largest number that a sound answer holds."""
    if manifest.output.values == "mask":
        return np.float32(MOST_GAIN)
    return np.float32(MOST_GAIN * float(LOUDEST) * manifest.transform.scale * window.sum())
