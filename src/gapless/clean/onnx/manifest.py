"""``denoiser.toml``: what a folder with an ONNX denoiser says of it.

    NAME/
      denoiser.toml      this
      model.onnx         or as the manifest calls it

In: TOML. Out: a ``DenoiserManifest``. Invariants: all that feeds the network follows from it and from the file; a
field that does not exist, or a value that it cannot have, is an error. Thread: any (immutable data).

There are two kinds. A *spectral* network takes a frame of a short-time Fourier transform, which is made here, and gives
the clean frame or a mask for it. A *waveform* network takes samples and gives samples. Either has states: outputs that
are its inputs at the next call. docs/reference/denoiser-toml.md explains every field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from gapless.errors import ModelError

MANIFEST_FILE: Final = "denoiser.toml"

MAX_BYTES: Final = 2**20
"""The largest manifest."""

MAX_STATES: Final = 256
"""States of a network, and constants, at most."""

Axis: TypeAlias = Literal["batch", "channels", "frames", "bins", "parts", "samples"]
"""What an axis of a tensor counts. Batch, channels and frames are always one; parts are the real and the imaginary."""

Window: TypeAlias = Literal["sqrt-hann", "hann", "vorbis", "rectangular"]
Length: TypeAlias = Annotated[int, Meta(ge=1, le=2**24)]
FileName: TypeAlias = Annotated[str, Meta(pattern=r"^[^/\\]+\.onnx$")]


class Transform(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The short-time Fourier transform that a spectral network was trained on."""

    n_fft: Annotated[int, Meta(ge=8, le=16_384)]
    """Samples under a window."""
    hop: Annotated[int, Meta(ge=1, le=16_384)]
    """New samples with each frame."""
    window: Window = "sqrt-hann"
    """Periodic; of the transform and, made to add up to one, of its inverse."""
    scale: Annotated[float, Meta(gt=0)] = 1.0
    """What the spectrum is multiplied by before the network sees it; what the network gives is divided by it."""

    def __post_init__(self) -> None:
        """Refuse what does not go together.

        Raises:
            ValueError: there would be samples that no window covers.
        """
        if self.n_fft % 2:
            raise ValueError(f"n_fft is {self.n_fft}; it must be even")
        most = self.n_fft if self.window == "rectangular" else self.n_fft // 2
        if self.hop > most:
            raise ValueError(
                f"hop is {self.hop}; with a {self.window} window of {self.n_fft} it is {most} at most"
            )


class SpectrumIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a spectral network is given a frame."""

    tensors: tuple[str, ...]
    """Names: one tensor, or one of the real and one of the imaginary parts."""
    axes: tuple[Axis, ...]
    """Of each of them, in order."""
    values: Literal["complex", "magnitude"] = "complex"

    def __post_init__(self) -> None:
        """Refuse what does not go together; see ``_check_spectrum``."""
        _check_spectrum("input", self.tensors, self.axes, real=self.values == "magnitude")


class SpectrumOut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a spectral network gives."""

    tensors: tuple[str, ...]
    axes: tuple[Axis, ...]
    values: Literal["spectrum", "mask"]
    """The clean frame, or what the noisy one is multiplied by: complex, or real where there are no parts."""

    def __post_init__(self) -> None:
        """Refuse what does not go together; see ``_check_spectrum``."""
        real = self.values == "mask" and len(self.tensors) == 1 and "parts" not in self.axes
        _check_spectrum("output", self.tensors, self.axes, real=real)


class Waveform(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tensor of samples."""

    tensor: str
    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        """Refuse axes that are not those of samples.

        Raises:
            ValueError: ``samples`` is not there once, or there are axes of a spectrum.
        """
        _require_axes("a waveform", self.axes, ("samples",), ("bins", "parts"))


class State(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An output that is an input of the next call."""

    input: str
    output: str
    shape: tuple[Length, ...] | None = None
    """None: as the file fixes it."""
    first: float = 0.0
    last: float = 0.0
    """At the start of a stream its elements go evenly from ``first`` to ``last``."""


class Constant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An input that is the same at every call."""

    input: str
    value: float
    shape: tuple[Length, ...] | None = None
    """None: as the file fixes it."""


States: TypeAlias = Annotated[tuple[State, ...], Meta(max_length=MAX_STATES)]
Constants: TypeAlias = Annotated[tuple[Constant, ...], Meta(max_length=MAX_STATES)]


class _Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What both kinds say."""

    rate_hz: Annotated[int, Meta(ge=1_000, le=192_000)]
    """Samples a second that the network was trained on."""
    file: FileName = "model.onnx"
    state: States = ()
    constant: Constants = ()
    owner: str = "local"
    licence: str = "see the model's own terms"
    description: str = ""


class SpectralManifest(_Manifest, frozen=True, tag="spectral"):
    """A network over spectra."""

    transform: Transform
    input: SpectrumIn
    output: SpectrumOut
    lookahead_frames: Annotated[int, Meta(ge=0, le=64)] = 0
    """How many frames later than a frame the network answers it."""

    @property
    def frame_samples(self) -> int:
        """Samples per call."""
        return self.transform.hop

    @property
    def delay_samples(self) -> int:
        """A sample is done when the last window over it has been added, and the network waits for its look-ahead."""
        transform = self.transform
        return transform.n_fft - transform.hop + self.lookahead_frames * transform.hop


class WaveformManifest(_Manifest, frozen=True, tag="waveform"):
    """A network over samples."""

    frame_samples: Annotated[int, Meta(ge=1, le=48_000)]
    """Samples per call."""
    delay_samples: Annotated[int, Meta(ge=0, le=192_000)]
    """How much later a sample comes out of the network than it went in: output ``n + delay`` is input ``n``."""
    input: Waveform
    output: Waveform


DenoiserManifest: TypeAlias = SpectralManifest | WaveformManifest


def parse_manifest(text: str) -> DenoiserManifest:
    """Read the text of a ``denoiser.toml``.

    Raises:
        ModelError: it does not say what it must.
    """
    try:
        manifest: DenoiserManifest = msgspec.toml.decode(text, type=DenoiserManifest)
    except msgspec.DecodeError as error:
        raise ModelError(
            f"{MANIFEST_FILE}: {error}; correct it, docs/reference/denoiser-toml.md names all fields"
        ) from error
    return manifest


def read_manifest(folder: Path) -> DenoiserManifest:
    """Read a folder's ``denoiser.toml``.

    Raises:
        ModelError: there is none, or it does not say what it must.
    """
    path = folder / MANIFEST_FILE
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror}); put a manifest beside the model's file"
        ) from error
    if len(text) > MAX_BYTES:
        raise ModelError(f"{path} is larger than {MAX_BYTES} bytes; shorten it")
    try:
        return parse_manifest(text.decode())
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8; save it as UTF-8") from error


def _check_spectrum(
    what: str, tensors: tuple[str, ...], axes: tuple[Axis, ...], *, real: bool
) -> None:
    """Refuse tensors that cannot hold a spectrum.

    Raises:
        ValueError: says which rule is broken.
    """
    whole = len(tensors) == 1
    if real and not whole:
        raise ValueError(f"the {what} is of real numbers; name one tensor")
    if len(tensors) not in {1, 2}:
        raise ValueError(
            f"the {what} names {len(tensors)} tensors; name one, or that of the real and that of the imaginary parts"
        )
    if real or not whole:
        _require_axes(f"the {what}", axes, ("bins",), ("samples", "parts"))
    else:
        _require_axes(f"the {what}", axes, ("bins", "parts"), ("samples",))


def _require_axes(
    what: str, axes: tuple[Axis, ...], needed: tuple[Axis, ...], refused: tuple[Axis, ...]
) -> None:
    for axis in needed:
        if axes.count(axis) != 1:
            raise ValueError(
                f"axes of {what} must name {axis!r} once, not {axes.count(axis)} times"
            )
    for axis in refused:
        if axis in axes:
            raise ValueError(
                f"axes of {what} cannot name {axis!r}; those needed are {', '.join(needed)}"
            )
