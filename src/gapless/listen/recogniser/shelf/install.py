"""Adding a folder to the models, taking one away, and checking those that are here.

In: folders and names. Out: a folder in the models folder, or what was found of one. Invariants: a model appears whole
or not at all, and vanishes at once; nothing is written into a folder that was only linked. Thread: any; blocks.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from gapless.errors import ConfigError, ModelError, ModelNotFoundError, StoreError
from gapless.listen.recogniser.shelf.folders import CARRIED, make_recogniser, recogniser_folders
from gapless.listen.recogniser.shelf.hub.catalogue import PLAIN_NAME, catalogue
from gapless.listen.recogniser.shelf.receipt import (
    Receipt,
    ReceiptFile,
    differences,
    read_receipt,
    write_receipt,
)


class Verified(msgspec.Struct, frozen=True):
    """What was found of one model."""

    name: str
    state: Literal["ok", "broken", "unknown"]
    """``unknown``: nothing is written down to compare it with."""
    detail: str
    troubles: tuple[str, ...] = ()


def add_model(source: Path, models_path: Path, name: str | None = None, *, link: bool) -> Path:
    """Put a folder with a model into the models folder.

    Args:
        source: the folder; stays as it is.
        models_path: the folder of models.
        name: what to call it; None takes the folder's name.
        link: point to the files instead of copying them.

    Raises:
        ConfigError: the name is none, or is taken.
        ModelNotFoundError: there is no such folder.
        ModelError: it holds no model that runs here.
        StoreError: the models folder cannot be written, or takes no links.
    """
    source = source.expanduser().resolve()
    if not source.is_dir():
        raise ModelNotFoundError(f"there is no folder {source}; name one that holds a model")
    name = name or source.name
    if not PLAIN_NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a model; give one of letters, digits, dots and dashes with --name",
            param="name",
        )
    target, hidden = models_path / name, models_path / f".add-{name}"
    if target.exists():
        raise ConfigError(
            f"{target} is here already; remove it first, or give another name with --name",
            param="name",
        )
    try:
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(parents=True)
        stage = hidden / name
        shutil.copytree(source, stage, copy_function=_symlink if link else shutil.copyfile)
        make_recogniser(stage)
        write_receipt(stage, source=str(source))
        stage.rename(target)
    except OSError as error:
        raise StoreError(
            f"{source} cannot be brought to {models_path} ({error.strerror or error}); make room there"
            + (", or copy instead of linking" if link else "")
        ) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return target


def remove_model(name: str, models_path: Path) -> None:
    """Take a recogniser away; of linked files only the links.

    Raises:
        ModelNotFoundError: no such recogniser is in the models folder.
        StoreError: it cannot be deleted.
    """
    folder = require_model(name, models_path)
    grave = models_path / f".remove-{name}"
    try:
        if folder.is_symlink():
            folder.unlink()
            return
        folder.rename(grave)
        shutil.rmtree(grave)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be deleted ({error.strerror or error}); delete it by hand"
        ) from error


def verify_model(
    name: str, models_path: Path, checked: Callable[[int], None] = lambda _bytes: None
) -> Verified:
    """Sum a model's files again and compare them with its receipt, else with the catalogue.

    Raises:
        ModelNotFoundError: no such recogniser is in the models folder.
    """
    folder = require_model(name, models_path)
    try:
        receipt = read_receipt(folder) or _catalogue_receipt(name)
    except ModelError as error:
        return Verified(name, "broken", str(error))
    if receipt is None:
        return Verified(
            name, "unknown", "it was put here by hand, and nothing is written down about its files"
        )
    troubles = differences(folder, receipt, checked)
    if troubles:
        advice = f"remove it and get it again from {receipt.source}"
        return Verified(name, "broken", advice, troubles)
    return Verified(name, "ok", f"{len(receipt.files)} files as they came from {receipt.source}")


def require_model(name: str, models_path: Path) -> Path:
    """The folder of a recogniser that was pulled or added.

    Raises:
        ModelNotFoundError: there is none of that name.
    """
    here = recogniser_folders(models_path)
    if name in here:
        return here[name]
    if name in recogniser_folders(CARRIED) or name == "pocketsphinx":
        raise ModelNotFoundError(
            f"{name} comes with Gapless and is not in {models_path}; name a model that was pulled or added"
        )
    raise ModelNotFoundError(
        f"no recogniser {name!r} is in {models_path}; here are: {', '.join(here) or 'none'}"
    )


def _catalogue_receipt(name: str) -> Receipt | None:
    """What a Whisper of that name must be, for one that was copied here by hand."""
    model = catalogue().get(name)
    if model is None or model.engine != "ctranslate2":
        return None
    files = tuple(
        ReceiptFile(file.local_name, file.size_bytes, file.sha256)
        for file in model.files
        if file.size_bytes is not None and file.sha256 is not None
    )
    return Receipt(source=model.repository, revision=model.revision, files=files)


def _symlink(source: str, target: str) -> None:
    Path(target).symlink_to(source)
