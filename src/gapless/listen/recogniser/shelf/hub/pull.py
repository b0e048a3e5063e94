"""Fetches a whole model from a hub into the models folder.

In: a name of the catalogue, or ``owner/name``. Out: a folder with the model and its receipt. Invariants: the folder
appears whole or not at all; what an interrupted pull has fetched is kept out of sight (``.pull-...``), and the next
goes on from there; two pulls of one model do not touch each other's files: the second is refused while the first runs.
Thread: any; blocks. Needs the network, unlike everything else in this room.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from gapless.errors import ConfigError, ModelError, OverloadError, StoreError
from gapless.listen.recogniser.shelf.folders import (
    WHISPER_FILES,
    Facts,
    folder_kind,
    make_recogniser,
)
from gapless.listen.recogniser.shelf.hub.catalogue import (
    MEBIBYTE,
    PLAIN_NAME,
    CatalogueModel,
    catalogue,
)
from gapless.listen.recogniser.shelf.hub.client import TIMEOUT_S, HubClient, Listing, hub_endpoint
from gapless.listen.recogniser.shelf.hub.download import Expected, download
from gapless.listen.recogniser.shelf.receipt import write_receipt

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many bytes are here, and of how many."""

ONNX_FILES: Final = (
    "*.onnx",
    "*.onnx.data",
    "*.onnx_data",
    "tokens.txt",
    "vocab.txt",
    "config.json",
)
"""What is fetched of a repository that is no Whisper."""

SPARE_BYTES: Final = 64 * MEBIBYTE
"""Left free on the disk."""

RETRY_AFTER_MS: Final = 10_000

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class PullOptions(msgspec.Struct, frozen=True):
    """How a model is pulled."""

    endpoint: str = ""
    """Address of the hub; empty: ``HF_ENDPOINT``, or Hugging Face."""
    include: tuple[str, ...] = ()
    """Patterns of paths to fetch from a repository that is not in the catalogue; empty: those of a model."""
    timeout_s: float = TIMEOUT_S


DEFAULTS: Final = PullOptions()


class _Wanted(msgspec.Struct, frozen=True):
    path: str
    name: str
    expected: Expected


class _Plan(msgspec.Struct, frozen=True):
    repository: str
    commit: str
    licence: str
    files: tuple[_Wanted, ...]
    facts: Facts | None = None

    @property
    def size_bytes(self) -> int:
        return sum(file.expected.size_bytes for file in self.files)


def pull_model(
    name: str,
    models_path: Path,
    progress: Progress,
    options: PullOptions = DEFAULTS,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch a model; one that is here already is left alone.

    Args:
        name: one of ``catalogue()``, or ``owner/name``.
        models_path: the folder that gets a folder with the model.
        progress: called as bytes arrive.
        options: from where, and what.
        pause: waits the given seconds between tries.

    Raises:
        ConfigError: the name is neither of the two.
        ModelNotFoundError: the hub has no such model.
        ConnectionLostError: the hub cannot be reached.
        ModelError: what it has is no model that runs here, or arrived damaged.
        StoreError: the disk is full or cannot be written.
        OverloadError: the model is being pulled already.
    """
    known = catalogue().get(name)
    repository = known.repository if known else name
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigError(
            f"{name!r} cannot be pulled; name one of {', '.join(catalogue())}, or owner/name of a model on the hub",
            param="name",
        )
    target = models_path / (name if known else repository.partition("/")[2])
    if folder_kind(target) is not None:
        return target
    partial = models_path / f".pull-{name.replace('/', '--')}"
    with _alone(partial):
        # Asked again: the pull that held the lock before may have brought it.
        if folder_kind(target) is None:
            client = HubClient(options.endpoint or hub_endpoint(), timeout_s=options.timeout_s)
            plan = _plan_known(known, client) if known else _plan_found(repository, client, options)
            _fetch(plan, client, partial, progress, pause)
            _publish(plan, client, partial, target)
    shutil.rmtree(partial, ignore_errors=True)
    return target


# --- what to fetch ----------------------------------------------------------------------------


def _plan_known(model: CatalogueModel, client: HubClient) -> _Plan:
    """The catalogue's own facts; what it does not know is asked of the hub."""
    commit, listed = model.revision, {}
    if not model.verified or model.size_bytes is None or model.revision == "main":
        listing = client.list(model.repository, model.revision)
        commit, listed = listing.commit, {file.path: file for file in listing.files}
    wanted = []
    for file in model.files:
        there = listed.get(file.path)
        size_bytes = there.size_bytes if there is not None else file.size_bytes
        if size_bytes is None or (listed and there is None):
            raise ModelError(f"{model.repository} no longer has {file.path}; choose another model")
        if there and there.sha256 and file.sha256 and there.sha256 != file.sha256:
            raise ModelError(
                f"{file.path} of {model.repository} has changed since the catalogue was written; choose another "
                f"model, or pull {model.repository} as it is now"
            )
        expected = Expected(
            file.size_bytes or size_bytes,
            sha256=file.sha256 or (there.sha256 if there else None),
            blob_sha1=there.blob_sha1 if there else None,
        )
        wanted.append(_Wanted(file.path, file.local_name, expected))
    facts = Facts(
        languages=model.languages,
        owner=model.repository.partition("/")[0],
        licence=model.licence,
        description=model.description,
    )
    return _Plan(model.repository, commit, model.licence, tuple(wanted), facts)


def _plan_found(repository: str, client: HubClient, options: PullOptions) -> _Plan:
    """What of a repository makes a model: a Whisper's files, or ONNX files and what goes with them."""
    listing = client.list(repository, "main")
    patterns = options.include or (
        WHISPER_FILES if any(file.path == "model.bin" for file in listing.files) else ONNX_FILES
    )
    wanted = _matching(listing, patterns)
    if not any(file.name.endswith((".onnx", ".bin")) for file in wanted):
        raise ModelError(
            f"{repository} holds no Whisper model in CTranslate2 format and no ONNX files; "
            f"pull one of {', '.join(catalogue())} instead"
        )
    return _Plan(repository, listing.commit, "see the model's own terms", wanted)


def _matching(listing: Listing, patterns: Sequence[str]) -> tuple[_Wanted, ...]:
    wanted: dict[str, _Wanted] = {}
    for file in listing.files:
        name = file.path.rpartition("/")[2]
        if not any(fnmatchcase(file.path, p) or fnmatchcase(name, p) for p in patterns):
            continue
        if name in wanted:
            raise ConfigError(
                f"two files would be called {name}: {wanted[name].path} and {file.path}; "
                "choose between them with --include",
                param="include",
            )
        if not PLAIN_NAME.fullmatch(name):
            raise ModelError(f"the hub names a file {name!r}; leave it out with --include")
        expected = Expected(file.size_bytes, file.sha256, file.blob_sha1)
        wanted[name] = _Wanted(file.path, name, expected)
    return tuple(wanted.values())


# --- fetching ---------------------------------------------------------------------------------


def _fetch(
    plan: _Plan,
    client: HubClient,
    partial: Path,
    progress: Progress,
    pause: Callable[[float], None],
) -> None:
    """Bring all files, the small ones first: a mistake shows before gigabytes have come."""
    folder = partial / plan.commit
    folder.mkdir(exist_ok=True)
    _require_room(folder, plan)
    before = 0

    def report(done: int) -> None:
        progress(before + done, plan.size_bytes)

    for file in sorted(plan.files, key=lambda file: file.expected.size_bytes):
        target = folder / file.name
        if not target.is_file():  # else it was checked when it came
            url = client.file_url(plan.repository, plan.commit, file.path)
            download(url, target, file.expected, report, timeout_s=client.timeout_s, pause=pause)
        before += file.expected.size_bytes
        report(0)


def _require_room(folder: Path, plan: _Plan) -> None:
    here_bytes = sum(path.stat().st_size for path in folder.iterdir())
    missing_bytes = max(plan.size_bytes - here_bytes, 0)
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < missing_bytes + SPARE_BYTES:
        raise StoreError(
            f"{missing_bytes // MEBIBYTE} MB are still to be fetched and {free_bytes // MEBIBYTE} MB are free in "
            f"{folder.parents[1]}; make room there, or choose another folder with --models-dir"
        )


def _publish(plan: _Plan, client: HubClient, partial: Path, target: Path) -> None:
    """Make a recogniser of the files, and let it appear."""
    stage = partial / target.name
    shutil.rmtree(stage, ignore_errors=True)
    try:
        # Links: whatever becomes of the stage, what was fetched stays until the model is there.
        shutil.copytree(partial / plan.commit, stage, copy_function=_link)
        make_recogniser(stage, plan.facts)
        source = f"{client.endpoint}/{plan.repository}"
        write_receipt(stage, source=source, revision=plan.commit, licence=plan.licence)
    except ModelError:
        shutil.rmtree(partial)
        raise
    except OSError as error:
        raise StoreError(
            f"{stage} cannot be written ({error.strerror or error}); make room there"
        ) from error
    try:
        stage.rename(target)
    except OSError as error:
        raise ModelError(f"{target} is in the way; move it and pull again") from error


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a disk without hard links
        shutil.copyfile(source, target)


@contextmanager
def _alone(partial: Path) -> Iterator[None]:
    """Hold the folder of a pull, which is made; whoever else comes is refused. Ends with the process."""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = (partial / "lock").open("ab")
    except OSError as error:
        raise StoreError(
            f"{partial.parent} cannot be written ({error.strerror}); choose another folder with --models-dir"
        ) from error
    with lock:
        try:
            _lock(lock.fileno())
        except OSError as error:
            raise OverloadError(
                f"this model is being pulled already ({partial}); wait until that has ended",
                retry_after_ms=RETRY_AFTER_MS,
            ) from error
        yield


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
