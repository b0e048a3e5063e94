"""Where the engine gets its models: the contract between ``Inference`` and a library of models.

In: names and versions. Out: loaded models, held while they are used. Invariants: a model that is held is not unloaded;
one load serves all who ask for the same model at the same time. Thread: any.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from gapless.infer.contract import LoadTimings, Model, ModelInfo

State = Literal["LOADING", "READY", "UNLOADED", "UNAVAILABLE"]
"""READY answers, loaded or not (an idle model comes back by itself); UNLOADED was taken out by hand; UNAVAILABLE is
broken, or the server it runs on cannot be reached."""


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one model, for whoever asks what is here."""

    name: str
    version: str
    state: State
    reason: str = ""
    """Why it is not ready, or what is wrong with a newer file of it."""
    info: ModelInfo | None = None
    """None for one that never loaded."""
    resident: bool = False
    """Whether it is in memory now."""
    pinned: bool = False
    memory_bytes: int = 0
    timings: LoadTimings | None = None
    provider: str = ""
    """What computes it, and why that was chosen; a sentence."""


class Held(Protocol):
    """A model in use; ``release`` it, once."""

    @property
    def model(self) -> Model:
        """The model; it stays loaded."""
        ...

    def release(self) -> None:
        """Stop using it."""
        ...


class Models(Protocol):
    """A library of models."""

    def try_acquire(self, name: str, version: str | None = None) -> Held | None:
        """The model if it is loaded, else None; never blocks. None as version is the newest that is ready.

        Raises:
            ModelNotFoundError: no such model or version here.
        """
        ...

    def acquire(self, name: str, version: str | None = None) -> Held:
        """The model, loaded now if need be; blocks meanwhile.

        Raises:
            ModelNotFoundError: no such model or version here, or it was unloaded.
            ModelError: it is broken.
            OverloadError: it does not fit into memory beside those in use.
        """
        ...

    def digest_of(self, name: str, version: str | None = None) -> str | None:
        """The digest of the model that answers now; None if it is not loaded. Takes no lock, and raises nothing."""
        ...

    def preload(self) -> None:
        """Load all that there is memory for, so that the first call is as fast as the others; blocks meanwhile."""
        ...

    def index(self) -> list[ModelStatus]:
        """Everything that is here, by name and version; loads nothing."""
        ...

    def load(self, name: str) -> None:
        """Load or reload a model now, its files read again; blocks.

        Raises:
            ModelNotFoundError: no such model here.
            ModelError: it is broken; what was served before still is.
        """
        ...

    def unload(self, name: str) -> None:
        """Take a model out until ``load``; calls under way finish.

        Raises:
            ModelNotFoundError: no such model here.
        """
        ...

    def close(self) -> None:
        """Close all models. Idempotent."""
        ...
