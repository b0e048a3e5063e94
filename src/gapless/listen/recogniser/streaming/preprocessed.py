"""What the encoder is given for a window: our own log-mel, normalised or not, or what a preprocessor makes of it.

    own       samples -> log-mel frames of the stream -> window of frames -> normalised over the window, if asked for
    network   samples -> hops of samples              -> window of hops   -> the network's features of just this window

In: samples of one utterance, then its windows. Out: float32 [n_frames, n_mels] for each window. Invariants: a window's
features depend on the stream (own) or on the window (network, normalised) alone; filling is never measured.
Thread: a stage one at a time, everything else any; a network is asked in the calling thread, which waits.

A preprocessor network measures what it is given as a whole (NeMo's normalises), so it is given the samples of a window;
a window of samples is cut as one of frames is, a frame being the samples of one hop.
"""

from __future__ import annotations

from typing import Final, Protocol, final

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.errors import ModelError
from gapless.infer.wire.tensors import dtype_of
from gapless.listen.features import LogMel, feature_options
from gapless.listen.recogniser.decode.contract import Frames
from gapless.listen.recogniser.streaming.manifest import FeatureSpec
from gapless.listen.recogniser.streaming.parts import Part, Parts

SMALL: Final = np.float32(1e-5)
"""Added to deviations, as NeMo does, so that silence is not divided by zero."""


class Stage(Protocol):
    """Samples of one utterance to rows, one for each hop."""

    def process(self, samples: Samples, /) -> Frames:
        """Take samples, return the rows that are complete."""
        ...

    def flush(self) -> Frames:
        """Return the last rows."""
        ...


class WindowFeatures(Protocol):
    """How samples become what the encoder takes."""

    @property
    def hop_samples(self) -> int:
        """Samples between two rows."""
        ...

    @property
    def width(self) -> int:
        """Values of a row."""
        ...

    def stage(self) -> Stage:
        """For a new utterance."""
        ...

    def samples_of(self, n_rows: int) -> int:
        """How many samples, from the first of an utterance, its first rows (at least one) are made of."""
        ...

    def prepare(self, rows: Frames, n_rows: int) -> Frames:
        """The features of a window.

        Args:
            rows: of the window, [length, width], not written to.
            n_rows: how many of them, in front, are not filling behind the utterance's end.

        Raises:
            GaplessError: the network failed.
        """
        ...


def open_features(spec: FeatureSpec, parts: Parts) -> WindowFeatures:
    """What ``spec`` asks for.

    Raises:
        ModelError: the preprocessor has not the tensors that it should.
        GaplessError: it is not there, or cannot be loaded.
    """
    own = OwnFeatures(spec)
    return own if spec.part is None else NetworkFeatures(parts.open(spec.part), own.hop_samples)


@final
class OwnFeatures:
    """Our own log-mel.

    Args:
        spec: which one.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self._options = feature_options(spec.preset, n_mels=spec.n_mels)
        self._normalise = spec.normalise == "per_window"
        self.hop_samples = self._options.hop_samples
        self.width = self._options.n_mels

    def stage(self) -> LogMel:
        """For a new utterance."""
        return LogMel(self._options)

    def samples_of(self, n_rows: int) -> int:
        """As far as the last frame reaches."""
        options = self._options
        return (n_rows - 1) * options.hop_samples - options.lead_samples + options.window_samples

    def prepare(self, rows: Frames, n_rows: int) -> Frames:
        """The frames as they are, or normalised."""
        return normalise_window(rows, n_rows) if self._normalise else rows


def normalise_window(frames: Frames, n_frames: int) -> Frames:
    """Each mel with mean 0 and deviation 1 over a window's frames; what is behind them becomes 0.

    Args:
        frames: float32 [length, n_mels].
        n_frames: how many, in front, are measured.

    Source: NeMo, ``normalize_batch`` with ``per_feature`` (unbiased variance, 1e-5 added to the deviation).
    """
    normalised = np.zeros_like(frames)
    if n_frames > 0:
        heard = frames[:n_frames]
        centred = heard - heard.mean(axis=0)
        variance = np.square(centred).sum(axis=0) / max(n_frames - 1, 1)
        normalised[:n_frames] = centred / (np.sqrt(variance) + SMALL)
    return normalised


@final
class NetworkFeatures:
    """A preprocessor: waveforms [B, N] and their lengths to features [B, n_mels, T] (and lengths).

    Args:
        part: the network.
        hop_samples: between two of its frames.

    Raises:
        ModelError: its tensors are not these.
    """

    def __init__(self, part: Part, hop_samples: int) -> None:
        inputs = part.info.inputs
        if len(inputs) != 2 or not part.info.outputs:
            raise ModelError(
                f"{part.info.name} takes {', '.join(tensor.name for tensor in inputs)}; a preprocessor takes "
                "waveforms and their lengths: take [features] part out of recogniser.toml"
            )
        self._part = part
        self._waveforms, self._lengths = inputs
        self._output = part.info.outputs[0].name
        self.hop_samples = hop_samples
        self.width = hop_samples

    def stage(self) -> Hops:
        """For a new utterance."""
        return Hops(self.hop_samples)

    def samples_of(self, n_rows: int) -> int:
        """A hop for each."""
        return n_rows * self.hop_samples

    def prepare(self, rows: Frames, n_rows: int) -> Frames:
        """What the network makes of the window's samples, as many frames as it has hops."""
        lengths: npt.NDArray[np.generic] = np.full(
            (1, *self._lengths.shape), n_rows * self.hop_samples, dtype_of(self._lengths.datatype)
        )
        given = self._part.ask(
            {self._waveforms.name: rows.reshape(1, -1), self._lengths.name: lengths},
            (self._output,),
        )[self._output]
        features: Frames = given[0].T[: len(rows)]
        return features


@final
class Hops:
    """Samples as rows of one hop each; the last one is filled up with zeros.

    Args:
        hop_samples: length of a row.
    """

    def __init__(self, hop_samples: int) -> None:
        self._hop_samples = hop_samples
        self._rest: Samples = np.empty(0, np.float32)

    def process(self, samples: Samples) -> Frames:
        """Take samples, return the rows that are complete."""
        both = np.concatenate((self._rest, samples))
        whole = len(both) - len(both) % self._hop_samples
        self._rest = both[whole:]
        return both[:whole].reshape(-1, self._hop_samples)

    def flush(self) -> Frames:
        """Return the last row, if it has begun."""
        missing = -len(self._rest) % self._hop_samples
        return self.process(np.zeros(missing, np.float32))
