"""Finding and loading the model that a command names.

In: a name in the folders of models, or the path of a file. Out: what its folder says of it; the loaded model.
Invariants: nothing is loaded to find a model. Thread: main.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gapless.errors import ModelError, ModelNotFoundError
from gapless.infer.repository.manifest import Manifest
from gapless.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from gapless.infer.contract import Loader, Model
    from gapless.infer.repository.scan import Entry

SUFFIX: Final = ".onnx"

MIB: Final = 1024 * 1024

PIPE_COLUMNS: Final = 160
"""Width of a table where there is no terminal to fit."""


class Found(msgspec.Struct, frozen=True):
    """A model that was found."""

    name: str
    version: str
    manifest: Manifest
    path: Path | None
    """Its file; None for a model that runs elsewhere."""


def size_text(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / MIB:.1f} MB" if size_bytes >= MIB else f"{size_bytes / 1024:.0f} kB"


def table_console() -> Console:
    """Where tables are printed: as wide as the terminal, or as wide as they need to be."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)


def list_entries(settings: Settings) -> dict[str, Entry]:
    """All models of tensors that are here, by name."""
    from gapless.infer.open import BUILTIN
    from gapless.infer.repository.scan import Repository

    return Repository((BUILTIN, settings.models_path)).scan()


def find_model(settings: Settings, name: str) -> Found:
    """The newest version of a model, or the model in a file.

    Raises:
        ModelNotFoundError: there is none.
        ModelError: its folder is in trouble.
    """
    if name.endswith(SUFFIX) or os.sep in name:
        return _find_file(Path(name).expanduser().absolute())
    entries = list_entries(settings)
    entry = entries.get(name)
    if entry is None:
        here = ", ".join(entries) or "none"
        raise ModelNotFoundError(
            f"no model of tensors {name!r} is here; here are: {here}; or give the path of an {SUFFIX} file",
            param="model",
        )
    if entry.manifest is None or not entry.versions:
        raise ModelError(f"the model {name} cannot be served: {entry.trouble}", param="model")
    newest = entry.versions[-1]
    return Found(name, str(newest.number), entry.manifest, newest.path)


def require_file(found: Found) -> Path:
    """The model's file.

    Raises:
        ModelError: it runs elsewhere.
    """
    if found.path is None:
        raise ModelError(
            f"the model {found.name} runs on another server; name one that has a file here"
        )
    return found.path


@contextmanager
def loaded(settings: Settings, found: Found) -> Iterator[Model]:
    """The model, loaded as the server loads it; closed afterwards."""
    load: Loader
    if found.manifest.platform == "triton":
        from gapless.infer.triton.model import TritonLoader

        load = TritonLoader()
    else:
        from gapless.infer.onnx.model import OnnxLoader

        load = OnnxLoader(settings.executor_threads, settings.provider)
    model = load(found.name, found.version, found.manifest, found.path)
    try:
        yield model
    finally:
        model.close()


def _find_file(path: Path) -> Found:
    """A file, with what the folder above its version's says where it lies in one."""
    from gapless.infer.repository.manifest_file import read_manifest

    if not path.is_file():
        raise ModelNotFoundError(f"there is no file {path}; name one that is there", param="model")
    folder, version = path.parent.parent, path.parent.name
    if version.isdecimal():
        return Found(folder.name, version, read_manifest(folder), path)
    return Found(path.stem, "1", Manifest(), path)
