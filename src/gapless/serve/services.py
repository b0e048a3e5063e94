"""What the network edge is given to work with; the engine fills it in.

The edge knows contracts only: it never loads a model or opens a file of the store itself.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Executor
from typing import BinaryIO, Protocol

from gapless.cache.contract import Cache
from gapless.infer.inference import Inference
from gapless.jobs.runner import Runner
from gapless.listen.listener import Listener, ListenOptions
from gapless.listen.recogniser.contract import RecogniserInfo, Wake
from gapless.listen.recogniser.places import PlacesStats
from gapless.listen.recogniser.shelf.choice import Choice
from gapless.listen.recording import RecordingEvent
from gapless.settings import GuardName, Resolved, Settings
from gapless.store.contract import Store


class Services(Protocol):
    """The engine, as the network edge sees it."""

    @property
    def settings(self) -> Settings:
        """What the engine was built from."""
        ...

    @property
    def resolved(self) -> Resolved:
        """The settings that are in force now, and where each came from: some follow the machine."""
        ...

    @property
    def jobs(self) -> Runner | None:
        """Hears recordings when there is time; None when keeping is switched off."""
        ...

    @property
    def store(self) -> Store | None:
        """Where transcripts are kept; None when keeping is switched off."""
        ...

    @property
    def cache(self) -> Cache:
        """Remembers answers."""
        ...

    @property
    def inference(self) -> Inference:
        """Runs models that turn tensors into tensors, for everybody."""
        ...

    @property
    def executor(self) -> Executor:
        """Runs everything that computes or blocks: the event loop does neither."""
        ...

    @property
    def keeping(self) -> Executor:
        """Runs what waits for the store: a store that hangs stops nothing else."""
        ...

    @property
    def listen_options(self) -> ListenOptions:
        """How a stream is heard where nothing else is asked for (from the settings)."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the default models are loaded and the store is open."""
        ...

    def models(self) -> list[RecogniserInfo]:
        """The recognisers that are here, the default first."""
        ...

    def suppressed(self) -> dict[str, dict[GuardName, int]]:
        """Invented text that was dropped since the start, by recogniser and guard; of those that have guards."""
        ...

    def places(self) -> dict[str, PlacesStats]:
        """Who hears and who waits, by recogniser; of those that are loaded and bounded by places."""
        ...

    def revision(self, model: str) -> str:
        """Which state of a recogniser is here, as a digest; blocks while its files are read, the first time.

        Raises:
            ModelNotFoundError: no such model here.
        """
        ...

    def default_model(self) -> Choice:
        """The recogniser that is used where none is asked for, and why."""
        ...

    def open_listener(
        self, model: str | None, options: ListenOptions, wake: Wake | None = None
    ) -> Listener:
        """A listener for one live stream. Blocks while the model loads: call it in the executor.

        Args:
            model: a name from ``models()``, or None for the default.
            options: how to hear the stream.
            wake: see ``Listener``.

        Raises:
            ModelNotFoundError: no such model here.
        """
        ...

    def transcribe(
        self,
        source: BinaryIO,
        model: str | None,
        options: ListenOptions,
        *,
        max_ms: int | None = None,
    ) -> Generator[RecordingEvent, None, None]:
        """Decode and recognise a whole recording; each step blocks: call it in the executor.

        Raises:
            AudioTooLongError: the recording is longer than ``max_ms``.
            InvalidAudioError, UnsupportedAudioError: ``source`` is no audio file that can be read.
            ModelNotFoundError: no such model here.
        """
        ...
