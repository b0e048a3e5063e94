"""PocketSphinx's C library, spoken to directly.

The Python binding of the ``pocketsphinx`` wheel holds the interpreter lock while it searches, which
stops the whole process for up to 650 ms at a time. The wheel's extension module exports the plain C
interface too, so that is called here through ctypes, which lets the lock go.

In: int16 samples at 16 kHz. Out: segments of the best path. Source: ``pocketsphinx.h`` 5.1.
Invariants: after ``reset`` a decoder behaves as a new one.
Thread: a decoder is used by one thread at a time; different decoders run in parallel.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from ctypes import POINTER, c_char_p, c_double, c_int, c_int16, c_int32, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, final

import numpy as np
import numpy.typing as npt

from gapless.errors import MissingDependencyError, ModelError

FRAMES_PER_SECOND: Final = 100

_LONG_CALLS: Final = {
    "ps_init": (c_void_p, [c_void_p]),
    "ps_free": (c_int, [c_void_p]),
    "ps_start_utt": (c_int, [c_void_p]),
    "ps_process_raw": (c_int, [c_void_p, POINTER(c_int16), c_size_t, c_int, c_int]),
    "ps_end_utt": (c_int, [c_void_p]),
    "ps_seg_iter": (c_void_p, [c_void_p]),
}
"""Calls that search or load: they run without the interpreter lock."""

_SHORT_CALLS: Final = {
    "ps_config_init": (c_void_p, [c_void_p]),
    "ps_config_set_str": (c_void_p, [c_void_p, c_char_p, c_char_p]),
    "ps_config_free": (c_int, [c_void_p]),
    "ps_start_stream": (c_int, [c_void_p]),
    "ps_get_cmn": (c_char_p, [c_void_p, c_int]),
    "ps_set_cmn": (c_int, [c_void_p, c_char_p]),
    "ps_get_logmath": (c_void_p, [c_void_p]),
    "ps_seg_next": (c_void_p, [c_void_p]),
    "ps_seg_word": (c_char_p, [c_void_p]),
    "ps_seg_frames": (None, [c_void_p, POINTER(c_int), POINTER(c_int)]),
    "ps_seg_prob": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p]),
    "logmath_exp": (c_double, [c_void_p, c_int]),
}
"""Calls that only look something up: to let the lock go and wait for it again would cost far more."""


class SphinxSegment(NamedTuple):
    """One step of the best path: a word, a pause or a noise, in frames of 10 ms."""

    word: str
    start_frame: int
    end_frame: int
    """The first frame after it."""
    posterior: float
    """Probability that it was said; known after ``end``, 1.0 before."""


class SphinxLibrary:
    """The typed functions of the shared library."""

    def __init__(self, long: ctypes.CDLL, short: ctypes.PyDLL) -> None:
        for library, calls in ((long, _LONG_CALLS), (short, _SHORT_CALLS)):
            for name, (result, arguments) in calls.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        self.long = long
        self.short = short


@cache
def load_library() -> SphinxLibrary:
    """Find the library inside the installed ``pocketsphinx`` package.

    Raises:
        MissingDependencyError: it is not installed, or its symbols are hidden on this system.
    """
    folder = package_folder()
    try:
        path = next(path for path in folder.iterdir() if path.suffix in {".so", ".pyd"})
        return SphinxLibrary(ctypes.CDLL(str(path)), ctypes.PyDLL(str(path)))
    except (StopIteration, OSError, AttributeError) as error:
        raise MissingDependencyError(
            "the installed pocketsphinx does not export its C interface on this system; "
            "set `model` to another recogniser (`gapless models` lists them)"
        ) from error


def package_folder() -> Path:
    """Where ``pocketsphinx`` is installed; it is not imported.

    Raises:
        MissingDependencyError: it is not installed.
    """
    spec = importlib.util.find_spec("pocketsphinx")
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            "pocketsphinx is not installed; add it with `pip install pocketsphinx`"
        )
    return Path(spec.origin).parent


@final
class SphinxDecoder:
    """One decoder with an acoustic model, a language model and a dictionary; about 95 MB.

    Args:
        model: folder with ``en-us`` (acoustic model), ``en-us.lm.bin`` and ``cmudict-en-us.dict``.

    Raises:
        MissingDependencyError: the library cannot be used here.
        ModelError: the model cannot be loaded.
    """

    def __init__(self, model: Path) -> None:
        self._library = load_library()
        long, short = self._library.long, self._library.short
        config = short.ps_config_init(None)
        for key, value in (
            ("hmm", model / "en-us"),
            ("lm", model / "en-us.lm.bin"),
            ("dict", model / "cmudict-en-us.dict"),
            ("loglevel", "FATAL"),
        ):
            short.ps_config_set_str(config, key.encode(), os.fsencode(value))
        self._decoder: int | None = long.ps_init(config)
        short.ps_config_free(config)
        if self._decoder is None:
            raise ModelError(f"no PocketSphinx model can be loaded from {model}; reinstall it")
        self._logmath = short.ps_get_logmath(self._decoder)
        self._initial_cmn = bytes(short.ps_get_cmn(self._decoder, 0))
        self._searching = False

    def reset(self) -> None:
        """Forget all that was heard (noise level, channel): as new."""
        if self._searching:
            self.end()
        short = self._library.short
        short.ps_start_stream(self._decoder)
        short.ps_set_cmn(self._decoder, self._initial_cmn)

    def start(self) -> None:
        """Begin to search, knowing noise and channel from what was heard since ``reset``."""
        self._check(self._library.long.ps_start_utt(self._decoder))
        self._searching = True

    def process(self, samples: npt.NDArray[np.int16]) -> None:
        """Search through the next samples: int16 [n_samples], contiguous."""
        data = samples.ctypes.data_as(POINTER(c_int16))
        self._check(self._library.long.ps_process_raw(self._decoder, data, len(samples), 0, 0))

    def end(self) -> None:
        """Make the final passes; the segments are theirs from now on."""
        self._searching = False
        self._check(self._library.long.ps_end_utt(self._decoder))

    def segments(self) -> list[SphinxSegment]:
        """The best path since ``start``, in order of time; fillers included."""
        short = self._library.short
        segments = []
        first, last = c_int(), c_int()
        step = self._library.long.ps_seg_iter(self._decoder)
        while step is not None:
            short.ps_seg_frames(step, first, last)
            posterior = 1.0
            if not self._searching:
                log_posterior = short.ps_seg_prob(step, None, None, None)
                posterior = short.logmath_exp(self._logmath, log_posterior)
            word = short.ps_seg_word(step).decode("utf-8", "replace")
            segments.append(SphinxSegment(word, first.value, last.value + 1, posterior))
            step = short.ps_seg_next(step)
        return segments

    def free(self) -> None:
        """Give the memory back. Idempotent."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            self._library.long.ps_free(decoder)

    def _check(self, status: int) -> None:
        if status < 0:
            raise ModelError("PocketSphinx failed while searching; open another utterance")
