"""Which recognisers are here, each loaded once and shared.

In: settings, names. Out: recognisers. On the shelf stand ``pocketsphinx`` and every Whisper model in the
models folder, under its folder's name; ``default`` and OpenAI's ``whisper-1`` mean the one that the
settings name. Invariants: a model is loaded once however many ask at the same time; no more than
``MOST_LOADED`` are in memory; a path opens a model only if the caller vouches for it.
Thread: any; ``get`` blocks while a model loads.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Final, final

from gapless.errors import ConfigError, ModelError, ModelNotFoundError, OverloadError
from gapless.listen.recogniser.contract import Recogniser, RecogniserInfo
from gapless.listen.recogniser.hub import Progress, pull_model
from gapless.listen.recogniser.pocketsphinx import POCKETSPHINX, PocketSphinx
from gapless.listen.recogniser.whisper import Whisper, is_whisper_folder, whisper_info
from gapless.settings import Settings
from gapless.tune.probe import usable_cpus

DEFAULT_NAMES: Final = frozenset({"default", "whisper-1"})

MOST_LOADED: Final = 4
"""Models in memory at a time. One that was given out is not taken away, so the bound is a refusal."""


@final
class Shelf:
    """All recognisers of this machine. Nothing is loaded until somebody asks for it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        # Both are guarded by the lock; a future stands for a model that is loaded or loading.
        self._loaded: dict[str, Future[Recogniser]] = {}
        self._closed = False

    def list(self) -> list[RecogniserInfo]:
        """What is here, the default first; loads nothing."""
        default = self._default_name()
        return [
            POCKETSPHINX if folder is None else whisper_info(name)
            for name, folder in sorted(
                self._folders().items(), key=lambda item: (item[0] != default, item[0])
            )
        ]

    def get(self, name: str | None = None, *, allow_paths: bool = False) -> Recogniser:
        """The recogniser of that name, loaded now if need be; None is the default.

        Args:
            name: a name from ``list``, or one of ``DEFAULT_NAMES``.
            allow_paths: also accept the path of a model folder; never for names from the wire.

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

    def pull(self, name: str, progress: Progress) -> RecogniserInfo:
        """Fetch a model from the hub onto the shelf; see ``hub.pull_model``."""
        return whisper_info(pull_model(name, self._settings.models_path, progress).name)

    def close(self) -> None:
        """Close everything that was loaded. Idempotent."""
        with self._lock:
            self._closed = True
            loaded = list(self._loaded.values())
            self._loaded.clear()
        for future in loaded:
            if future.done() and future.exception() is None:
                future.result().close()

    def _default_name(self) -> str:
        # The settings may name a folder; whoever asks by name then uses its last part.
        return Path(self._settings.model).name

    def _folders(self) -> dict[str, Path | None]:
        """What is here: names, and folders for all but PocketSphinx."""
        folders: dict[str, Path | None] = {}
        path = self._settings.models_path
        if path.is_dir():
            # A dot hides what is still being pulled.
            folders = {
                entry.name: entry
                for entry in path.iterdir()
                if not entry.name.startswith(".") and is_whisper_folder(entry)
            }
        configured = Path(self._settings.model).expanduser()
        if configured.is_absolute() and is_whisper_folder(configured):
            folders[configured.name] = configured
        folders[POCKETSPHINX.name] = None
        return folders

    def _find(self, name: str | None, *, allow_paths: bool) -> tuple[str, Path | None]:
        """Name and folder of what is asked for; the name is the key of ``_loaded``."""
        if name is None or name in DEFAULT_NAMES or name == self._settings.model:
            name = self._default_name()
        folders = self._folders()
        if name in folders:
            return name, folders[name]
        if allow_paths and os.sep in name:
            folder = Path(name).expanduser().resolve()
            return str(folder), folder
        here = ", ".join(info.name for info in self.list())
        advice = f"here are: {here}; `gapless models pull NAME` adds one"
        if name == self._default_name():
            raise ConfigError(
                f"the model {self._settings.model!r} of the settings is not here; {advice}",
                param="model",
            )
        raise ModelNotFoundError(f"no model {name!r} is here; {advice}", param="model")

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
        cpus = settings.threads or usable_cpus()
        places = min(settings.decoders, cpus)
        return Whisper(
            folder,
            name=Path(key).name,
            places=places,
            max_waiting=max_waiting,
            threads=cpus // places,
        )
