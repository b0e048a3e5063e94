"""What recognisers see of sound: logarithms of the energy in mel bands, every 10 ms.

In: mono samples at ``FeatureOptions.rate_hz``, in any split. Out: float32 [n_frames, n_mels].
Invariants: the laws of ``audio.stage``, where frame ``k`` answers samples ``k * hop_samples`` onwards; a frame appears
as soon as its last sample is there. Thread: one at a time; options and tables are immutable and shared.

Presets say exactly what a family of models was trained on; ``docs/reference/features.md`` says where each comes from.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.dsp.fft import SMALLEST, n_bins, power_spectra, roots_of_unity
from gapless.dsp.mel import Filters, Scale, log_mel, mel_filters
from gapless.errors import ConfigError

Features: TypeAlias = npt.NDArray[np.float32]
"""float32 [n_frames, n_mels]."""

Preset: TypeAlias = Literal["gapless", "kaldi", "nemo"]

Framing: TypeAlias = Literal["inside", "reflected", "centred"]
"""Where frames lie. ``inside``: frame k begins at sample k * hop, and only whole frames count (Kaldi's ``snip_edges``).
``reflected``: its middle is that of the k-th hop, and the signal goes on as its mirror image at both ends (Kaldi
without ``snip_edges``). ``centred``: its middle is at sample k * hop, with zeros at both ends (librosa, NeMo)."""


FRAMES_AT_ONCE: Final = 256
"""Bounds what a long block takes besides its features: 256 KiB of spectra."""


class FeatureOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How features are computed; the defaults are those of the model we ship.

    Raises:
        ConfigError: values that do not fit together.
    """

    rate_hz: int = LISTEN_RATE_HZ
    framing: Framing = "inside"
    window: Literal["hann", "hann_symmetric", "povey", "hamming"] = "hann"
    """``hann`` is periodic, all others are symmetric."""
    window_samples: int = 400
    hop_samples: int = 160
    n_fft: int = 512
    """A power of two; frames are filled up with zeros to it."""
    full_scale: float = 1.0
    """What a sample of 1.0 counts as: 32768 for models that were trained on integers."""
    signal_emphasis: float = 0.0
    """Of each sample of the stream, this much of the one before is taken away."""
    remove_mean: bool = False
    """Take each frame's mean from it."""
    frame_emphasis: float = 0.0
    """Of each sample of a frame, this much of the one before is taken away, of the first as much of itself."""
    n_mels: int = 40
    mel_scale: Scale = "htk"
    low_hz: float = 60.0
    high_hz: float = 7600.0
    """0 or less: so far below half the rate."""
    equal_area: bool = False
    """Triangles of area 1 over Hz instead of peak 1."""
    least_energy: float = 0.0
    """Energies below it are taken for it."""
    added_energy: float = 1e-6
    """Is added to every energy before the logarithm."""
    gain: float = 0.25
    """Features are ``gain * ln(energy) + offset``."""
    offset: float = 1.5

    def __post_init__(self) -> None:
        """Refuse what cannot be computed."""
        if self.n_fft < SMALLEST or self.n_fft & (self.n_fft - 1):
            _refuse("n_fft", self.n_fft, f"it must be a power of two of at least {SMALLEST}")
        if not 2 <= self.window_samples <= self.n_fft:
            _refuse("window_samples", self.window_samples, f"choose 2..{self.n_fft} (n_fft)")
        if not 1 <= self.hop_samples <= self.window_samples:
            _refuse("hop_samples", self.hop_samples, f"choose 1..{self.window_samples}")
        if self.n_mels < 1:
            _refuse("n_mels", self.n_mels, "at least one band is needed")
        if not 0 <= self.low_hz < self.highest_hz <= self.rate_hz / 2:
            _refuse(
                "high_hz",
                self.high_hz,
                f"bands lie between low_hz ({self.low_hz:g}) and half the rate ({self.rate_hz / 2:g})",
            )
        if self.least_energy < 0 or self.added_energy < 0:
            _refuse("least_energy", self.least_energy, "energies are not negative")
        if self.least_energy + self.added_energy == 0:
            _refuse("added_energy", self.added_energy, "silence needs a floor: set one of the two")

    @property
    def highest_hz(self) -> float:
        """Where the last band ends."""
        return self.high_hz if self.high_hz > 0 else self.rate_hz / 2 + self.high_hz

    @property
    def lead_samples(self) -> int:
        """Samples of frame 0 that lie before the signal."""
        match self.framing:
            case "inside":
                return 0
            case "reflected":
                return self.window_samples // 2 - self.hop_samples // 2
            case "centred":
                return self.window_samples // 2

    def n_frames(self, n_samples: int) -> int:
        """Frames of a whole signal."""
        match self.framing:
            case "inside":
                return max(0, 1 + (n_samples - self.window_samples) // self.hop_samples)
            case "reflected":
                return (n_samples + self.hop_samples // 2) // self.hop_samples
            case "centred":
                return n_samples // self.hop_samples


PRESETS: Final[dict[Preset, FeatureOptions]] = {
    "gapless": FeatureOptions(),
    "kaldi": FeatureOptions(
        framing="reflected",
        window="povey",
        remove_mean=True,
        frame_emphasis=0.97,
        n_mels=80,
        mel_scale="kaldi",
        low_hz=20.0,
        high_hz=-400.0,
        least_energy=float(np.finfo(np.float32).eps),
        added_energy=0.0,
        gain=1.0,
        offset=0.0,
    ),
    "nemo": FeatureOptions(
        framing="centred",
        window="hann_symmetric",
        signal_emphasis=0.97,
        n_mels=128,
        mel_scale="slaney",
        low_hz=0.0,
        high_hz=0.0,
        equal_area=True,
        added_energy=2.0**-24,
        gain=1.0,
        offset=0.0,
    ),
}


def feature_options(preset: Preset, *, n_mels: int | None = None) -> FeatureOptions:
    """A preset, with another number of bands if one is given.

    Raises:
        ConfigError: there are no bands.
    """
    options = PRESETS[preset]
    return options if n_mels is None else msgspec.structs.replace(options, n_mels=n_mels)


class LogMel:
    """Log-mel features of one stream.

    Args:
        options: how they are computed.
    """

    def __init__(self, options: FeatureOptions | None = None) -> None:
        self._options = options or FeatureOptions()
        self._tables = _tables_for(self._options)
        self.reset()

    @property
    def options(self) -> FeatureOptions:
        """How the features are computed."""
        return self._options

    @property
    def latency_samples(self) -> int:
        """Samples behind the begin of a frame's hop that the frame waits for, less the last."""
        return self._options.window_samples - self._options.lead_samples - 1

    def reset(self) -> None:
        """Forget everything."""
        self._kept: Samples = np.empty(0, np.float32)
        """Emphasised samples from the begin of the next frame on."""
        self._fed = 0
        self._answered = 0
        """Frames returned so far."""
        self._has_lead = self._options.lead_samples == 0
        """Whether what lies before the signal is in front of the kept samples."""
        self._last = np.float32(0.0)
        """The sample before the next."""

    def process(self, samples: Samples) -> Features:
        """Take samples, return the frames that are complete."""
        if self._options.signal_emphasis:
            samples = self._emphasise(samples)
        self._fed += len(samples)
        self._kept = np.concatenate((self._kept, samples))
        if not self._has_lead and not self._lead():
            return np.empty((0, self._options.n_mels), np.float32)
        complete = (len(self._kept) - self._options.window_samples) // self._options.hop_samples + 1
        return self._compute(max(complete, 0))

    def flush(self) -> Features:
        """Return the last frames; behind the end there is what the framing says."""
        options = self._options
        due = options.n_frames(self._fed) - self._answered
        if due <= 0:
            return np.empty((0, options.n_mels), np.float32)
        lead = 0 if self._has_lead else options.lead_samples
        last = (due - 1) * options.hop_samples + options.window_samples
        self._has_lead = True
        self._kept = self._pad(self._kept, lead, max(last - lead - len(self._kept), 0))
        return self._compute(due)

    def _emphasise(self, samples: Samples) -> Samples:
        if len(samples) == 0:
            return samples
        before = np.concatenate(([self._last], samples[:-1]))
        self._last = samples[-1]
        emphasised: Samples = samples - np.float32(self._options.signal_emphasis) * before
        return emphasised

    def _lead(self) -> bool:
        """Put what lies before the signal in front of it, as soon as it is known."""
        lead = self._options.lead_samples
        if len(self._kept) < lead:
            return False
        self._kept = self._pad(self._kept, lead, 0)
        self._has_lead = True
        return True

    def _pad(self, samples: Samples, before: int, behind: int) -> Samples:
        if self._options.framing == "reflected":
            return np.pad(samples, (before, behind), mode="symmetric")
        return np.pad(samples, (before, behind))

    def _compute(self, count: int) -> Features:
        """The next ``count`` frames, a bounded number at a time; their samples are all here."""
        hop = self._options.hop_samples
        features = np.empty((count, self._options.n_mels), np.float32)
        for first in range(0, count, FRAMES_AT_ONCE):
            self._fill(features[first : first + FRAMES_AT_ONCE], self._kept[first * hop :])
        self._answered += count
        self._kept = self._kept[count * hop :].copy()
        return features

    def _fill(self, features: Features, samples: Samples) -> None:
        options, tables = self._options, self._tables
        power = np.empty((n_bins(options.n_fft), len(features)), np.float32)
        power_spectra(
            samples,
            options.hop_samples,
            tables.window,
            options.remove_mean,
            tables.frame_emphasis,
            tables.roots,
            power,
        )
        log_mel(power, *tables.filters, *tables.levels, features)


class _Tables(NamedTuple):
    """What follows from options, in the types that the kernels are compiled for."""

    window: npt.NDArray[np.float32]
    frame_emphasis: np.float32
    roots: npt.NDArray[np.float32]
    filters: Filters
    levels: tuple[np.float32, np.float32, np.float32, np.float32]


@lru_cache(maxsize=16)
def _tables_for(options: FeatureOptions) -> _Tables:
    return _Tables(
        window=window_of(options),
        frame_emphasis=np.float32(options.frame_emphasis),
        roots=roots_of_unity(options.n_fft),
        filters=filters_of(options),
        levels=(
            np.float32(options.least_energy),
            np.float32(options.added_energy),
            np.float32(options.gain),
            np.float32(options.offset),
        ),
    )


def filters_of(options: FeatureOptions) -> Filters:
    """The bands, one triangle each."""
    return mel_filters(
        options.n_mels,
        rate_hz=options.rate_hz,
        n_fft=options.n_fft,
        scale=options.mel_scale,
        low_hz=options.low_hz,
        high_hz=options.highest_hz,
        equal_area=options.equal_area,
    )


def window_of(options: FeatureOptions) -> npt.NDArray[np.float32]:
    """The window, times full scale: all that is done to a frame before is linear."""
    length = options.window_samples
    period = length if options.window == "hann" else length - 1
    angles = 2.0 * np.pi * np.arange(length) / period
    match options.window:
        case "hann" | "hann_symmetric":
            window = 0.5 - 0.5 * np.cos(angles)
        case "povey":
            window = (0.5 - 0.5 * np.cos(angles)) ** 0.85
        case "hamming":
            window = 0.54 - 0.46 * np.cos(angles)
    return (window * options.full_scale).astype(np.float32)


def _refuse(name: str, value: object, why: str) -> None:
    raise ConfigError(f"features cannot be computed with {name} = {value}: {why}", param=name)
