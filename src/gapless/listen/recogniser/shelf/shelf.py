"""Which recognisers are here, each loaded once and shared.

In: settings, names. Out: recognisers. On the shelf stand ``pocketsphinx``, what else comes with Gapless, and every
recogniser in the models folder under its folder's name; ``default``, ``auto`` and OpenAI's ``whisper-1`` mean the
default: the one that the settings name, else the best one present (``choice.py``), which stays the same for as long as
it is here. Invariants: a model is loaded once however many ask at the same time; no more than ``MOST_LOADED`` are in
memory; a path opens a model only if the caller vouches for it.
Thread: any; ``get`` blocks while a model loads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Final, Protocol, final, runtime_checkable

from gapless.errors import ConfigError, ModelError, ModelNotFoundError, OverloadError
from gapless.infer.inference import Inference
from gapless.listen.recogniser.contract import Recogniser, RecogniserInfo
from gapless.listen.recogniser.guards import OF_WORDS, Guards
from gapless.listen.recogniser.places import PlacesStats
from gapless.listen.recogniser.pocketsphinx.recogniser import POCKETSPHINX, PocketSphinx
from gapless.listen.recogniser.shelf.choice import (
    UNKNOWN_QUALITY,
    Candidate,
    Choice,
    choose,
    cpus_by_size,
)
from gapless.listen.recogniser.shelf.folders import (
    CARRIED,
    folder_info,
    folder_kind,
    recogniser_folders,
)
from gapless.listen.recogniser.shelf.hub.catalogue import catalogue
from gapless.listen.recogniser.shelf.revision import revision_of
from gapless.listen.recogniser.whisper.recogniser import Whisper, is_whisper_folder
from gapless.settings import AUTO_MODEL, GuardName, Settings
from gapless.tune.probe import usable_cpus

DEFAULT_NAMES: Final = frozenset({"default", "whisper-1", AUTO_MODEL})

MOST_LOADED: Final = 4
"""Models in memory at a time. One that was given out is not taken away, so the bound is a refusal."""


@final
class Shelf:
    """All recognisers of this machine. Nothing is loaded until somebody asks for it.

    Args:
        settings: where models are, and how they run.
        inference: runs the networks of streaming recognisers; without it they can be listed and not loaded.
    """

    def __init__(self, settings: Settings, inference: Inference | None = None) -> None:
        self._settings = settings
        self._inference = inference
        self._lock = Lock()
        # All are guarded by the lock; a future stands for a model that is loaded or loading.
        self._loaded: dict[str, Future[Recogniser]] = {}
        self._closed = False
        self._choice: Choice | None = None
        self._revisions: dict[str, str] = {}

    def list(self) -> list[RecogniserInfo]:
        """What is here, the default first; loads nothing."""
        folders = self._folders()
        default = self._default(folders).name
        return [
            POCKETSPHINX if folder is None else folder_info(name, folder)
            for name, folder in sorted(
                folders.items(), key=lambda item: (item[0] != default, item[0])
            )
        ]

    def default(self) -> Choice:
        """The recogniser that is used where none is asked for, and why; loads nothing."""
        return self._default(self._folders())

    def get(self, name: str | None = None, *, allow_paths: bool = False) -> Recogniser:
        """The recogniser of that name, loaded now if need be; None is the default.

        Args:
            name: a name from ``list``, or one of ``DEFAULT_NAMES``.
            allow_paths: also accept the path of a Whisper folder; never for names from the wire.

        Raises:
            ConfigError: the default is not here.
            ModelNotFoundError: no such recogniser is here.
            ModelError, MissingDependencyError: it cannot be loaded.
            OverloadError: ``MOST_LOADED`` others are loaded.
        """
        key, folder = self._find(name, allow_paths=allow_paths)
        with self._lock:
            if self._closed:
                raise ModelError("the models have been closed; start the engine again")
            future = self._loaded.get(key)
            first = future is None
            if future is None:
                if len(self._loaded) >= MOST_LOADED:
                    raise OverloadError(
                        f"{MOST_LOADED} models are loaded, which is the most at a time; use one of "
                        f"{', '.join(sorted(self._loaded))}, or restart the server"
                    )
                future = self._loaded[key] = Future()
        if first:
            self._load_into(future, key, folder)
        return future.result()

    def revision(self, name: str) -> str:
        """Which state of a recogniser this is (``revision.py``); blocks while its files are read, the first time.

        A recogniser that is loaded stays as it was loaded, so this is looked at once.

        Raises:
            ModelNotFoundError: as ``get``.
        """
        key, folder = self._find(name, allow_paths=False)
        known = self._revisions.get(key)
        if known is None:
            known = self._revisions[key] = revision_of(folder)
        return known

    def suppressed(self) -> dict[str, dict[GuardName, int]]:
        """Invented text that was dropped, by recogniser and guard; of those that are loaded and have guards."""
        return {
            name: recogniser.suppressed()
            for name, recogniser in self._ready()
            if isinstance(recogniser, _Guarded)
        }

    def places(self) -> dict[str, PlacesStats]:
        """Who hears and who waits, by recogniser; of those that are loaded and bounded by places."""
        return {
            name: recogniser.stats()
            for name, recogniser in self._ready()
            if isinstance(recogniser, _Placed)
        }

    def close(self) -> None:
        """Close everything that was loaded. Idempotent."""
        with self._lock:
            self._closed = True
            loaded = list(self._loaded.values())
            self._loaded.clear()
        for future in loaded:
            if future.done() and future.exception() is None:
                future.result().close()

    # --- what is here -----------------------------------------------------------------------------

    def _folders(self) -> dict[str, Path | None]:
        """What is here: names, and folders for all but PocketSphinx. The user's own hide those of the same name."""
        folders: dict[str, Path | None] = {
            POCKETSPHINX.name: None,
            **recogniser_folders(CARRIED),
            **recogniser_folders(self._settings.models_path),
        }
        configured = Path(self._settings.model).expanduser()
        if configured.is_absolute() and is_whisper_folder(configured):
            folders[configured.name] = configured
        return folders

    def _default(self, folders: dict[str, Path | None]) -> Choice:
        if self._settings.model not in DEFAULT_NAMES:
            # The settings may name a folder; whoever asks by name then uses its last part.
            return Choice(Path(self._settings.model).name, "the setting `model` names it")
        with self._lock:
            if self._choice is None or self._choice.name not in folders:
                self._choice = choose(
                    [_candidate(name, folder) for name, folder in folders.items()],
                    cpus=usable_cpus(),
                    language=self._settings.language,
                )
            return self._choice

    def _find(self, name: str | None, *, allow_paths: bool) -> tuple[str, Path | None]:
        """Name and folder of what is asked for; the name is the key of ``_loaded``."""
        folders = self._folders()
        default = self._default(folders).name
        if name is None or name in DEFAULT_NAMES or name == self._settings.model:
            name = default
        if name in folders:
            return name, folders[name]
        if allow_paths and os.sep in name:
            folder = Path(name).expanduser().resolve()
            return str(folder), folder
        here = ", ".join(info.name for info in self.list())
        advice = f"here are: {here}; `gapless models pull NAME` adds one"
        if name == default:
            raise ConfigError(
                f"the model {self._settings.model!r} of the settings is not here; {advice}",
                param="model",
            )
        raise ModelNotFoundError(f"no model {name!r} is here; {advice}", param="model")

    # --- loading ----------------------------------------------------------------------------------

    def _ready(self) -> Sequence[tuple[str, Recogniser]]:
        """What is loaded."""
        with self._lock:
            done = {name: future for name, future in self._loaded.items() if future.done()}
        return [
            (name, future.result()) for name, future in done.items() if future.exception() is None
        ]

    def _load_into(self, future: Future[Recogniser], key: str, folder: Path | None) -> None:
        try:
            recogniser = self._load(key, folder)
        except BaseException as error:
            # Whatever it was, those who wait for the same model must hear of it.
            with self._lock:
                self._loaded.pop(key, None)
            future.set_exception(error)
            raise
        future.set_result(recogniser)
        with self._lock:
            closed = self._closed
        if closed:  # while it was loading: nobody else will close it
            recogniser.close()

    def _load(self, key: str, folder: Path | None) -> Recogniser:
        settings = self._settings
        max_waiting = settings.max_sessions + settings.max_uploads
        if folder is None:
            return PocketSphinx(places=settings.decoders, max_waiting=max_waiting)
        if folder_kind(folder) == "streaming":
            return self._load_streaming(key, folder)
        cpus = usable_cpus()
        places = min(settings.decoders, cpus)
        return Whisper(
            folder,
            name=Path(key).name,
            places=places,
            max_waiting=max_waiting,
            threads=cpus // places,
            guards=Guards(settings.guards),
            inference=self._inference,
        )

    def _load_streaming(self, name: str, folder: Path) -> Recogniser:
        if self._inference is None:
            raise ModelError(f"{name} runs on the inference engine; ask a whole engine for it")
        if folder.parent not in (CARRIED, self._settings.models_path):
            raise ModelError(
                f"{folder} is not in the models folder; bring it there with `gapless models add`"
            )
        from gapless.listen.recogniser.streaming.recogniser import StreamingRecogniser

        most = self._settings.max_sessions + self._settings.max_uploads
        return StreamingRecogniser(
            folder,
            self._inference,
            places=most,
            max_waiting=most,
            guards=Guards(self._settings.guards, OF_WORDS),
        )


@runtime_checkable
class _Guarded(Protocol):
    """A recogniser with guards against invented text."""

    def suppressed(self) -> dict[GuardName, int]: ...


@runtime_checkable
class _Placed(Protocol):
    """A recogniser that hears a bounded number at a time."""

    def stats(self) -> PlacesStats: ...


def _candidate(name: str, folder: Path | None) -> Candidate:
    if folder is None:
        return Candidate(
            name=name, own=False, languages=POCKETSPHINX.languages, live=True, quality=0
        )
    info = folder_info(name, folder)
    known = catalogue().get(name)
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Candidate(
        name=name,
        own=folder.parent != CARRIED,
        languages=info.languages,
        any_word=info.kind == "whole" or _knows_any_word(folder),
        live=info.kind == "streaming",
        quality=known.quality if known else UNKNOWN_QUALITY,
        cpus=known.cpus if known else cpus_by_size(size_bytes),
    )


def _knows_any_word(folder: Path) -> bool:
    from gapless.listen.recogniser.streaming.recogniser import read_folder

    try:
        return read_folder(folder).token_kind != "words"  # noqa: S105 - no secret
    except ModelError:
        return False
