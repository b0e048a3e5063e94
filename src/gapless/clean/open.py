"""Denoisers by name.

In: a name and the models folder. Out: a ``FrameDenoiser`` at the rate that is asked for. What there is: ``rnnoise``,
and every folder with a ``denoiser.toml`` in the models folder, under its own name. Invariants: a name from outside
opens nothing outside the models folder; a path, only if the caller vouches for it. Thread: any.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from gapless.audio.types import DENOISE_RATE_HZ
from gapless.clean.contract import FrameDenoiser
from gapless.clean.onnx.manifest import MANIFEST_FILE
from gapless.errors import ModelNotFoundError

RNNOISE: Final = "rnnoise"


def denoiser_folders(models_dir: Path | str) -> dict[str, Path]:
    """Folders with denoisers in a folder, by name. A dot hides what is still being written."""
    root = Path(models_dir).expanduser()
    if not root.is_dir():
        return {}
    return {
        entry.name: entry
        for entry in sorted(root.iterdir())
        if not entry.name.startswith(".") and (entry / MANIFEST_FILE).is_file()
    }


def open_denoiser(
    name: str, models_dir: Path | str, *, rate_hz: int = DENOISE_RATE_HZ, allow_paths: bool = False
) -> FrameDenoiser:
    """Open the denoiser of that name for one stream.

    Args:
        name: ``rnnoise``, or the name of a folder with a ``denoiser.toml`` in ``models_dir``.
        models_dir: the folder of models; need not exist.
        rate_hz: of the stream; a model that runs at another rate is wrapped in resamplers.
        allow_paths: also take the path of such a folder; never for names from the wire.

    Raises:
        ModelNotFoundError: no such denoiser is here.
        MissingDependencyError: what runs it is not installed.
        ModelError: it cannot be loaded, or its rate does not fit ``rate_hz``.
    """
    denoiser = _open(name, models_dir, allow_paths=allow_paths)
    if denoiser.rate_hz == rate_hz:
        return denoiser
    from gapless.clean.resampled import Resampled

    try:
        return Resampled(denoiser, rate_hz)
    except BaseException:
        denoiser.close()
        raise


def _open(name: str, models_dir: Path | str, *, allow_paths: bool) -> FrameDenoiser:
    if name == RNNOISE:
        from gapless.clean.rnnoise import Rnnoise

        return Rnnoise()
    from gapless.clean.onnx.denoiser import OnnxDenoiser

    folders = denoiser_folders(models_dir)
    if name in folders:
        return OnnxDenoiser(folders[name])
    if allow_paths and os.sep in name:
        return OnnxDenoiser(Path(name).expanduser().resolve())
    raise ModelNotFoundError(
        f"no denoiser {name!r} is here; here are: {', '.join([RNNOISE, *folders])}; put a folder with the ONNX file "
        f"and a {MANIFEST_FILE} into {models_dir} to add one",
        param="model",
    )
