"""RNNoise's opinion of the newest frame, 20 ms before its output tells: by speculation.

In: frames of 480 samples. Out: gains of 32 bands that belong to the audio up to the end of the frame, a probability
of speech, and the frame's own output. Invariants: that output has the same bits as without speculation, because the
state is put back before it hears anything else; only the library's public functions are used. Thread: one worker's,
without the interpreter lock; a call takes three times as long as RNNoise alone.

The output of a call belongs to the frame before the last. So after the true frame the library hears the same frame
twice more: what comes out are the last two true frames, cleaned by a network that believes to know what follows
them.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.clean.low_delay.analysis import ROOTS, SILENCE, TABLE, band_energies
from gapless.clean.low_delay.bands import BANDS, BINS, WINDOW_SAMPLES
from gapless.clean.low_delay.native_rnnoise import call_process_frame, copy_from, copy_to
from gapless.clean.low_delay.real_fft import rfft
from gapless.clean.low_delay.windows import sine_window
from gapless.clean.rnnoise import FRAME_SAMPLES, FULL_SCALE, load_library
from gapless.dsp.kernel import kernel
from gapless.errors import ModelError

Floats = npt.NDArray[np.float32]

PAIR_SAMPLES: Final = 2 * FRAME_SAMPLES
WINDOW: Final = sine_window(PAIR_SAMPLES)

RNNOISE: Final = np.dtype(
    [
        ("process_frame", np.int64),  # address of the function
        ("state", np.int64),  # address of the library's state
        ("input", np.float32, (PAIR_SAMPLES,)),  # the last two frames, at the library's scale
        ("output", np.float32, (PAIR_SAMPLES,)),
        ("frame", np.float32, (FRAME_SAMPLES,)),  # output of the true frame
        ("windowed", np.float32, (WINDOW_SAMPLES,)),
        ("spectrum", np.float32, (2, BINS)),
        ("scratch", np.float32, (4, BINS)),
        ("power", np.float32, (BINS,)),
        ("energies", np.float32, (2, BANDS)),
    ],
    align=True,
)
"""What the kernels below know of one stream of RNNoise."""

RnnoiseRecord: TypeAlias = Any
"""One record of ``RNNOISE``, as kernels take it."""


@kernel
def native_frame(rnnoise: RnnoiseRecord, frame: Floats, cleaned: Floats) -> float:
    """RNNoise as it is: clean a frame.

    Args:
        rnnoise: a record of ``RNNOISE``.
        frame: float32 [480], finite, -1..1.
        cleaned: float32 [480], written: what came 960 samples before the frame, cleaned.

    Returns:
        The probability of speech.
    """
    heard, made = rnnoise["input"], rnnoise["frame"]
    for i in range(FRAME_SAMPLES):
        heard[i] = heard[FRAME_SAMPLES + i]
        heard[FRAME_SAMPLES + i] = frame[i] * FULL_SCALE
    vad: float = call_process_frame(
        rnnoise["process_frame"], rnnoise["state"], made, heard[FRAME_SAMPLES:]
    )
    for i in range(FRAME_SAMPLES):
        cleaned[i] = made[i] / FULL_SCALE
    return float(vad)


@kernel
def speculate(
    rnnoise: RnnoiseRecord,
    snapshot: npt.NDArray[np.uint8],
    frame: Floats,
    cleaned: Floats,
    gains: Floats,
) -> float:
    """Clean a frame, and learn what RNNoise thinks of it.

    Args:
        rnnoise: a record of ``RNNOISE``.
        snapshot: uint8 [bytes of the library's state], overwritten.
        frame: float32 [480], finite, -1..1.
        cleaned: float32 [480], written, as by ``native_frame``.
        gains: float32 [BANDS], written: 0..1, for the audio up to the end of the frame.

    Returns:
        The probability of speech.
    """
    native_frame(rnnoise, frame, cleaned)
    heard, made = rnnoise["input"], rnnoise["output"]
    copy_from(snapshot, rnnoise["state"])
    again = heard[FRAME_SAMPLES:]
    call_process_frame(rnnoise["process_frame"], rnnoise["state"], made[:FRAME_SAMPLES], again)
    vad: float = call_process_frame(
        rnnoise["process_frame"], rnnoise["state"], made[FRAME_SAMPLES:], again
    )
    copy_to(rnnoise["state"], snapshot)
    before, after = rnnoise["energies"][0], rnnoise["energies"][1]
    _pair_energies(rnnoise, heard, before)
    _pair_energies(rnnoise, made, after)
    for b in range(BANDS):
        # The silence that keeps empty bands finite must not count as something that passed.
        passed = max(after[b] - SILENCE, np.float32(0.0)) / before[b]
        gains[b] = math.sqrt(min(passed, np.float32(1.0)))
    return float(vad)


@kernel
def _pair_energies(rnnoise: RnnoiseRecord, pair: Floats, energies: Floats) -> None:
    windowed, spectrum, power = rnnoise["windowed"], rnnoise["spectrum"], rnnoise["power"]
    for i in range(PAIR_SAMPLES):
        windowed[i] = pair[i] / FULL_SCALE * WINDOW[i]
    for i in range(PAIR_SAMPLES, WINDOW_SAMPLES):
        windowed[i] = np.float32(0.0)
    rfft(windowed, ROOTS, spectrum, rnnoise["scratch"])
    for k in range(BINS):
        real, imag = spectrum[0, k], spectrum[1, k]
        power[k] = real * real + imag * imag
    band_energies(power, TABLE, energies)


class SpeculativeRnnoise:
    """One stream of RNNoise for the kernels: their record, the snapshot, and the library's state, freed with it."""

    def __init__(self) -> None:
        """Open a state.

        Raises:
            MissingDependencyError: RNNoise is not installed, or not made for this machine.
            ModelError: there is no memory for a state.
        """
        self._library = load_library()
        state = self._library.rnnoise_create(None)
        if state is None:
            raise ModelError("RNNoise found no memory for a stream; close others first")
        self._free = weakref.finalize(self, self._library.rnnoise_destroy, state)
        self.record = np.zeros(1, RNNOISE)
        """A structured array of one element; kernels take the element."""
        self.snapshot = np.zeros(self._library.rnnoise_get_size(), np.uint8)
        """What ``speculate`` keeps the state in."""
        self.record["state"] = state
        address = ctypes.cast(self._library.rnnoise_process_frame, ctypes.c_void_p).value
        self.record["process_frame"] = address

    def reset(self) -> None:
        """Forget the stream: afterwards this behaves as a new one."""
        self._library.rnnoise_init(int(self.record["state"][0]), None)
        for name in ("input", "output", "frame"):
            self.record[name] = 0

    def close(self) -> None:
        """Free the library's state; the record must not be used any more. Idempotent."""
        self.record["state"] = 0
        self._free()
