"""The network's trained weights, as they are shipped.

In: ``corrector.npz`` beside this file. Out: a record of ``WEIGHTS``. Invariants: read once, when first asked for;
stored with 16 bits, used with 32. Thread: any.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gapless.clean.low_delay.network import WEIGHTS
from gapless.errors import ModelError

Values = npt.NDArray[np.floating]

SHIPPED: Final = "corrector.npz"


@cache
def load_weights() -> np.ndarray[tuple[int], Any]:
    """The shipped weights.

    Returns:
        A structured array of one element, not to be written; kernels take the element, ``load_weights()[0]``.

    Raises:
        ModelError: the file is not what the network needs.
    """
    return read_weights(Path(str(files("gapless.clean.low_delay").joinpath(SHIPPED))))


def read_weights(path: Path) -> np.ndarray[tuple[int], Any]:
    """Weights from a file: an archive with an array for each field of ``WEIGHTS``.

    Raises:
        ModelError: there is no such file, or it is not what the network needs.
    """
    record = np.zeros(1, WEIGHTS)
    try:
        with np.load(path, allow_pickle=False) as stored:
            for name in WEIGHTS.names or ():
                record[name][0] = _checked(stored[name], record[name][0])
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"{path} does not hold the weights of the low-delay denoiser ({error}); reinstall gapless"
        ) from error
    record.flags.writeable = False
    return record


def _checked(stored: Values, place: Values) -> Values:
    """The stored array, if it fits.

    Raises:
        ValueError: it does not.
    """
    if stored.shape != place.shape or not np.isfinite(stored).all():
        raise ValueError(f"an array of {stored.shape} that must be {place.shape} and finite")
    return stored


def write_weights(path: Path, weights: np.ndarray[tuple[int], Any]) -> None:
    """Store weights with 16 bits."""
    arrays = {name: weights[name][0].astype(np.float16) for name in WEIGHTS.names or ()}
    np.savez_compressed(path, allow_pickle=False, **arrays)
