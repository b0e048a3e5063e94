"""Fetches Whisper models from a model hub into the models folder.

In: one of the usual names (``small``), or ``owner/name`` of any Whisper in CTranslate2 format.
Out: a folder with the model. Invariants: the folder appears whole or not at all; what an interrupted
pull has fetched is kept, out of sight, and the next pull goes on from there.
Thread: any; blocks. Needs the network, unlike everything else in this room.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from gapless.errors import ConfigError, ModelError, ModelNotFoundError
from gapless.listen.recogniser.whisper import MODEL_FILES, is_whisper_folder

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many bytes are here, and of how many."""

MODELS: Final = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
}
"""Names that can be pulled, and where they are: faster-whisper's conversions of OpenAI's models."""

WANTED: Final = (*MODEL_FILES, "vocabulary.*", "preprocessor_config.json")

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def pull_model(
    name: str, models_path: Path, progress: Progress, *, endpoint: str | None = None
) -> Path:
    """Fetch a model; one that is here already is left alone.

    Args:
        name: one of ``MODELS``, or ``owner/name``.
        models_path: the folder that gets a folder with the model.
        progress: called from other threads as bytes arrive.
        endpoint: address of the hub; None takes the hub client's own default and environment.

    Raises:
        ConfigError: the name is neither of the two.
        ModelNotFoundError: the hub has no such model.
        ModelError: the hub cannot be reached, or what it has is no Whisper in CTranslate2 format.
    """
    repository = MODELS.get(name, name)
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigError(
            f"{name!r} cannot be pulled; name one of {', '.join(MODELS)}, or owner/name of a "
            "Whisper model in CTranslate2 format",
            param="name",
        )
    target = models_path / (name if name in MODELS else repository.partition("/")[2])
    if is_whisper_folder(target):
        return target
    partial = models_path / f".pull-{repository.replace('/', '--')}"
    partial.mkdir(parents=True, exist_ok=True)
    _download(repository, partial, progress, endpoint)
    if not is_whisper_folder(partial):
        shutil.rmtree(partial)
        raise ModelError(
            f"{repository} holds no Whisper model in CTranslate2 format; "
            f"pull one of {', '.join(MODELS)} instead"
        )
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    try:
        partial.rename(target)
    except OSError as error:
        if not is_whisper_folder(target):  # else another pull was faster
            raise ModelError(f"{target} is in the way; move it and pull again") from error
        shutil.rmtree(partial)
    return target


def _download(repository: str, folder: Path, progress: Progress, endpoint: str | None) -> None:
    from huggingface_hub import snapshot_download

    # HTTPError belongs to whichever HTTP library the client is built on, and passes through it.
    from huggingface_hub.errors import HTTPError, RepositoryNotFoundError  # type: ignore[attr-defined]

    def fetch(*, dry_run: bool, bar: Any = None) -> Any:
        return snapshot_download(
            repository,
            local_dir=folder,
            cache_dir=folder / ".cache",
            allow_patterns=list(WANTED),
            endpoint=endpoint,
            tqdm_class=bar or _bar_class(lambda _: None),
            dry_run=dry_run,
        )

    try:
        # Without a network the real run would be content with whatever is in the folder.
        files = fetch(dry_run=True)
        total = sum(file.file_size or 0 for file in files)
        fetch(dry_run=False, bar=_bar_class(lambda done: progress(min(done, total), total)))
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, RepositoryNotFoundError) or isinstance(
            error.__cause__, RepositoryNotFoundError
        ):
            raise ModelNotFoundError(
                f"the hub has no model {repository}, or does not show it to everybody; "
                f"pull one of {', '.join(MODELS)}"
            ) from error
        raise ModelError(
            f"{repository} cannot be fetched from the hub ({error.__cause__ or error}); check the network, or copy a "
            f"folder with {', '.join(MODEL_FILES)} and vocabulary.json into {folder.parent}"
        ) from error
    progress(total, total)


def _bar_class(report: Callable[[int], None]) -> type:
    """A progress bar that draws nothing and reports bytes, as the hub client wants a class for it."""
    from tqdm.std import tqdm  # type: ignore[import-untyped]

    most = 0

    class Bar(tqdm):  # type: ignore[misc]
        """One of the client's bars; those that count bytes count the same ones."""

        def __init__(
            self, *arguments: Any, unit: str = "it", disable: bool = True, **rest: Any
        ) -> None:
            del disable
            self.counts_bytes = unit == "B"
            rest.pop("name", None)
            super().__init__(*arguments, unit=unit, disable=True, **rest)

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal most
            self.n += n or 0
            if self.counts_bytes and self.n > most:
                most = int(self.n)
                report(most)
            return None

    return Bar
