"""The engine's face over a scripted recogniser: everything is real but the words.

In: settings, a recogniser, a store or none, an inference engine. Out: ``Services`` for the network edge.
Invariants: sound is decoded and speech found as in the engine; only what was said is made up. Thread: any.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Final, Self, final

from msgspec.structs import replace

from gapless.audio.types import DENOISE_RATE_HZ, LISTEN_RATE_HZ
from gapless.cache.contract import Cache
from gapless.cache.open import open_cache
from gapless.cache.options import CacheOptions
from gapless.errors import ModelNotFoundError
from gapless.infer.inference import Inference
from gapless.infer.open import open_inference
from gapless.jobs.runner import Runner
from gapless.listen.listener import Listener, ListenOptions
from gapless.listen.recogniser.contract import Recogniser, RecogniserInfo, Wake
from gapless.listen.recogniser.places import PlacesStats
from gapless.listen.recogniser.shelf.choice import Choice
from gapless.listen.recording import RecordingEvent, hear_recording
from gapless.serve.services import Services
from gapless.settings import GuardName, Resolved, Settings
from gapless.store.contract import Store
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.tune.fit import resolved_of

CACHE_BYTES: Final = 8 * 1024 * 1024


@final
class ScriptedServices:
    """Services for tests of the network edge; a context manager.

    Args:
        settings: as for the engine; ``model`` is not looked at.
        recogniser: what says the words; its name is the only model there is.
        store: where transcripts are kept; stays the caller's.
        inference: runs models; stays the caller's. None: one over the models that Gapless carries.
        cache: remembers answers. None: one in memory.
        jobs: stays the caller's.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        recogniser: Recogniser | None = None,
        store: Store | None = None,
        *,
        inference: Inference | None = None,
        cache: Cache | None = None,
        jobs: Runner | None = None,
    ) -> None:
        self.recogniser: Final[Recogniser] = recogniser or ScriptedRecogniser()
        self._settings = settings or Settings()
        self._store = store
        self._jobs = jobs
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="scripted")
        self._cache = cache or open_cache(CacheOptions(budget_bytes=CACHE_BYTES))
        self._own_inference = None
        if inference is None:
            inference = self._own_inference = open_inference(
                Settings(models_dir="/nowhere", repository_poll_ms=0)
            )
        self._inference = inference

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        self.recogniser.close()
        if self._own_inference is not None:
            self._own_inference.close()

    @property
    def settings(self) -> Settings:
        """What was given."""
        return self._settings

    @property
    def resolved(self) -> Resolved:
        """What was given, with sources."""
        return resolved_of(self._settings)

    @property
    def jobs(self) -> Runner | None:
        """What was given."""
        return self._jobs

    @property
    def store(self) -> Store | None:
        """What was given."""
        return self._store

    @property
    def cache(self) -> Cache:
        """What was given, or its own."""
        return self._cache

    @property
    def inference(self) -> Inference:
        """What was given, or its own."""
        return self._inference

    @property
    def executor(self) -> ThreadPoolExecutor:
        """Runs what blocks."""
        return self._executor

    @property
    def keeping(self) -> ThreadPoolExecutor:
        """Runs what waits for the store."""
        return self._executor

    @property
    def listen_options(self) -> ListenOptions:
        """The defaults of the listener."""
        return ListenOptions()

    @property
    def ready(self) -> bool:
        """Always."""
        return True

    def models(self) -> list[RecogniserInfo]:
        """The scripted recogniser."""
        return [self.recogniser.info]

    def suppressed(self) -> dict[str, dict[GuardName, int]]:
        """The scripted recogniser invents nothing."""
        return {}

    def places(self) -> dict[str, PlacesStats]:
        """Those of the scripted recogniser, where it has any."""
        recogniser = self.recogniser
        if not isinstance(recogniser, ScriptedRecogniser):
            return {}
        return {recogniser.info.name: recogniser.stats()}

    def revision(self, model: str) -> str:
        """There is one."""
        return f"{model} 1"

    def default_model(self) -> Choice:
        """The scripted recogniser."""
        return Choice(self.recogniser.info.name, "it is the only one")

    def open_listener(
        self, model: str | None, options: ListenOptions, wake: Wake | None = None
    ) -> Listener:
        """As the engine's."""
        if model not in (None, self.recogniser.info.name):
            raise ModelNotFoundError(f"no model {model!r} here; leave it out", param="model")
        return Listener(options, self.recogniser, self._inference, wake)

    def transcribe(
        self,
        source: BinaryIO,
        model: str | None,
        options: ListenOptions,
        *,
        max_ms: int | None = None,
    ) -> Generator[RecordingEvent, None, None]:
        """As the engine's."""
        rate_hz = DENOISE_RATE_HZ if options.denoise else LISTEN_RATE_HZ
        return hear_recording(
            source, self.open_listener(model, replace(options, rate_hz=rate_hz)), max_ms
        )


_: type[Services] = ScriptedServices
