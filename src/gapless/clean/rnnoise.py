"""RNNoise, called in the shared library that the pyrnnoise wheel carries.

In: frames of 480 samples at 48 kHz. Out: the same without noise, 960 samples later. Invariants: one state per stream,
freed once, when closed or collected; what is no sound (NaN, infinity, more than 2) never reaches the state; pyrnnoise
itself is never imported (it needs packages that its library does not).
Thread: one at a time per state; calls release the interpreter lock.

Source: J.-M. Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement", 2018 (BSD).
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from typing import Final, final

import numpy as np

from gapless.audio.types import DENOISE_RATE_HZ, Samples
from gapless.clean.repair import repaired
from gapless.errors import MissingDependencyError, ModelError
from gapless.infer.carried import find_carried

FRAME_SAMPLES: Final = 480
"""Samples per call: 10 ms at 48 kHz."""

DELAY_SAMPLES: Final = 960
"""How much later the output comes: half a window of overlap, and one frame that the network looks ahead."""

FULL_SCALE: Final = np.float32(32768)
"""RNNoise takes floats on the scale of 16-bit integers."""

LIBRARIES: Final = ("librnnoise.so", "librnnoise.dylib", "rnnoise.dll")
"""The library's names on Linux, macOS and Windows; each wheel carries one."""


@cache
def load_library() -> ctypes.CDLL:
    """The library, loaded once, with the types of its functions declared.

    Raises:
        MissingDependencyError: it is not installed, or not made for this machine.
    """
    path = find_carried("pyrnnoise", *LIBRARIES, install="gapless[denoise]")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise MissingDependencyError(
            f"{path} does not load here ({error}); "
            "run `pip install --force-reinstall 'gapless[denoise]'`"
        ) from error
    library.rnnoise_create.argtypes = [ctypes.c_void_p]
    library.rnnoise_create.restype = ctypes.c_void_p
    library.rnnoise_init.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    library.rnnoise_destroy.restype = None
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p] * 3
    library.rnnoise_process_frame.restype = ctypes.c_float
    return library


@final
class Rnnoise:
    """The denoiser of one stream; a ``FrameDenoiser``."""

    name: Final = "rnnoise"
    rate_hz: Final = DENOISE_RATE_HZ
    frame_samples: Final = FRAME_SAMPLES
    delay_samples: Final = DELAY_SAMPLES

    def __init__(self) -> None:
        self._library = load_library()
        self._state = self._library.rnnoise_create(None)
        if self._state is None:
            raise ModelError("RNNoise found no memory for a stream; close others first")
        self._free = weakref.finalize(self, self._library.rnnoise_destroy, self._state)

    def process(self, frame: Samples) -> Samples:
        """Clean one frame.

        Args:
            frame: float32 [480]; what is no sound in it is repaired first.

        Returns:
            float32 [480]: what came ``DELAY_SAMPLES`` before this frame, cleaned.

        Raises:
            ModelError: the state is closed, or the frame has another length.
        """
        self._require_open()
        if frame.shape != (FRAME_SAMPLES,):
            raise ModelError(
                f"RNNoise takes frames of {FRAME_SAMPLES} samples, not {frame.shape}; split the audio"
            )
        # A new array: contiguous, ours, and at the library's scale.
        scaled = repaired(np.ascontiguousarray(frame, np.float32))
        scaled *= FULL_SCALE
        self._library.rnnoise_process_frame(self._state, scaled.ctypes.data, scaled.ctypes.data)
        scaled /= FULL_SCALE
        return scaled

    def reset(self) -> None:
        """Forget the stream: afterwards this behaves as a new one.

        Raises:
            ModelError: the state is closed.
        """
        self._require_open()
        self._library.rnnoise_init(self._state, None)

    def close(self) -> None:
        """Free the state. Idempotent."""
        self._free()

    def _require_open(self) -> None:
        # The library would read freed memory.
        if not self._free.alive:
            raise ModelError("this RNNoise state is closed; open a new one")
