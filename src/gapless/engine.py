"""Composition root: settings in, parts wired together; the one file that knows them all.

In: ``Settings``, fitted to the machine or not. Out: an ``Engine`` that the command line, the Python interface and the
network edge work with. Invariants: models load once and are shared; everything opened here is closed by ``close``; what
can change while it works follows the machine; it is imported without compiled kernels, so that models load while these
are (a second of the start of a server). Thread: any.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, Self

import msgspec

from gapless.audio.types import DENOISE_RATE_HZ, LISTEN_RATE_HZ
from gapless.cache.contract import Cache
from gapless.cache.open import open_cache
from gapless.cache.options import CacheOptions
from gapless.infer.inference import Inference
from gapless.infer.open import open_inference
from gapless.listen.endpoint import EndpointOptions
from gapless.listen.recogniser.contract import RecogniseOptions, Recogniser, RecogniserInfo, Wake
from gapless.listen.recogniser.places import PlacesStats
from gapless.listen.recogniser.shelf.choice import Choice
from gapless.listen.recogniser.shelf.folders import CARRIED
from gapless.listen.recogniser.shelf.shelf import Shelf
from gapless.listen.segment import SegmentOptions
from gapless.listen.vad import VAD_MODEL
from gapless.settings import GuardName, Resolved, Settings
from gapless.settings.share import WHOLE, Share
from gapless.store.contract import Store
from gapless.store.open import open_store
from gapless.store.options import store_options
from gapless.store.retention import Retention, retention_options
from gapless.tune.fit import read_measured, resolved_of
from gapless.tune.probe import read_facts
from gapless.tune.watch import Changes, Replanner, Watcher

if TYPE_CHECKING:
    from gapless.jobs.runner import Runner
    from gapless.listen.listener import Listener, ListenOptions
    from gapless.listen.recording import RecordingEvent

MIB: Final = 1024 * 1024

KEEPING_THREADS: Final = 32
"""Requests that wait for the store at a time; who waits holds no core."""


class Engine:
    """Everything that listens, built from settings. Use it as a context manager, or call ``close``.

    Args:
        settings: with their sources, as ``tune.fit`` makes them, or without; what is left to the plan is planned.
        share: what this process may take of what the settings allow, where there are several.
    """

    def __init__(self, settings: Settings | Resolved, share: Share = WHOLE) -> None:
        self._resolved = settings if isinstance(settings, Resolved) else resolved_of(settings)
        self._share = share
        settings = self._settings = share.settings(self._resolved.settings)
        self._inference = open_inference(settings, carried=(CARRIED,))
        self._shelf = Shelf(settings, self._inference)
        self._cache = open_cache(
            CacheOptions(
                budget_bytes=settings.cache_mb * MIB,
                ttl_s=settings.cache_ttl_s,
                redis_url=settings.redis_url,
                redis_timeout_ms=settings.redis_timeout_ms,
            )
        )
        self._store: Store | None = None
        self._retention: Retention | None = None
        self._runner: Runner | None = None
        self._watcher: Watcher | None = None
        self._ready = False
        # More than there are cores: a thread that waits for the disk or for a model holds none.
        self._executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="gapless")
        self._keeping = ThreadPoolExecutor(KEEPING_THREADS, thread_name_prefix="gapless-keeping")

    def start(self) -> None:
        """Open the store, load the models so that the first request is as fast as the rest, and begin to work on jobs.

        Raises:
            ConfigError: the default model is not here.
            ModelError: the voice detector cannot be loaded.
            StoreError: the store cannot be opened.
        """
        self._open_store()
        self._shelf.get()
        self._inference.rehearse(VAD_MODEL)
        # The users' own models need not be waited for: whoever asks for one before it is loaded waits for that one.
        self._executor.submit(self._inference.preload)
        self._begin_jobs()
        self._watch()
        self._ready = True

    def close(self) -> None:
        """Let go of models, threads and files. Idempotent."""
        self._ready = False
        if self._watcher is not None:
            self._watcher.close()
        if self._runner is not None:
            self._runner.close()
        if self._retention is not None:
            self._retention.close()
        for executor in (self._executor, self._keeping):
            executor.shutdown(wait=True, cancel_futures=True)
        self._shelf.close()
        self._inference.close()
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def settings(self) -> Settings:
        """What the engine was built from; of limits, the share of this process."""
        return self._settings

    @property
    def resolved(self) -> Resolved:
        """The settings that are in force now, and where each came from: some follow the machine."""
        return self._resolved if self._watcher is None else self._watcher.resolved

    @property
    def store(self) -> Store | None:
        """Where transcripts are kept; None when keeping is switched off."""
        return self._store

    @property
    def jobs(self) -> Runner | None:
        """Hears recordings when there is time; None when keeping is switched off."""
        return self._runner

    @property
    def cache(self) -> Cache:
        """Remembers answers."""
        return self._cache

    @property
    def inference(self) -> Inference:
        """What runs the models that turn tensors into tensors."""
        return self._inference

    @property
    def executor(self) -> ThreadPoolExecutor:
        """Runs what computes or blocks on behalf of an event loop."""
        return self._executor

    @property
    def keeping(self) -> ThreadPoolExecutor:
        """Runs what waits for the store."""
        return self._keeping

    @property
    def ready(self) -> bool:
        """Whether ``start`` is done."""
        return self._ready

    @property
    def listen_options(self) -> ListenOptions:
        """How a stream is heard where nothing else is asked for."""
        from gapless.listen.listener import ListenOptions

        s = self._settings
        return ListenOptions(
            denoise=s.denoise,
            segment=SegmentOptions(
                threshold=s.vad_threshold,
                speech_min_ms=s.speech_min_ms,
                endpointing_ms=s.endpointing_ms,
                padding_ms=s.padding_ms,
                max_utterance_ms=s.max_utterance_ms,
            ),
            endpoint=EndpointOptions(
                silence_ms=s.endpoint_silence_ms,
                after_words_ms=s.endpoint_after_words_ms,
                most_ms=s.max_utterance_ms,
            ),
            recognise=RecogniseOptions(language=s.language),
        )

    def models(self) -> list[RecogniserInfo]:
        """The recognisers that are here, the default first."""
        return self._shelf.list()

    def suppressed(self) -> dict[str, dict[GuardName, int]]:
        """Invented text that was dropped, by recogniser and guard."""
        return self._shelf.suppressed()

    def places(self) -> dict[str, PlacesStats]:
        """Who hears and who waits, by recogniser."""
        return self._shelf.places()

    def revision(self, model: str) -> str:
        """Which state of a recogniser is here, as a digest; blocks while its files are read, the first time.

        Raises:
            ModelNotFoundError: no such model here.
        """
        return self._shelf.revision(model)

    def default_model(self) -> Choice:
        """The recogniser that is used where none is asked for, and why."""
        return self._shelf.default()

    def recogniser(self, name: str | None = None) -> Recogniser:
        """The recogniser of that name, or the default; blocks while it loads.

        Raises:
            ModelNotFoundError: no such model here.
        """
        return self._shelf.get(name)

    def open_listener(
        self,
        model: str | None,
        options: ListenOptions,
        wake: Wake | None = None,
        *,
        allow_paths: bool = False,
    ) -> Listener:
        """A listener for one stream; blocks while the model loads.

        Args:
            model: a name from ``models()``, or None for the default.
            options: how to hear the stream.
            wake: called from any thread when the listener has something to ``step`` for.
            allow_paths: accept the path of a model directory as ``model``; never set for names from the wire.

        Raises:
            ModelNotFoundError: no such model here.
        """
        from gapless.listen.listener import Listener

        recogniser = self._shelf.get(model or None, allow_paths=allow_paths)
        return Listener(options, recogniser, self._inference, wake)

    def transcribe(
        self,
        source: Path | BinaryIO,
        model: str | None,
        options: ListenOptions,
        *,
        max_ms: int | None = None,
        allow_paths: bool = False,
    ) -> Generator[RecordingEvent, None, None]:
        """Decode and recognise a whole recording; see ``hear_recording`` for what comes and what is raised.

        ``options.rate_hz`` is ignored: the recording is read at the rate that fits its first stage.
        """
        from gapless.listen.recording import hear_recording

        options = msgspec.structs.replace(
            options,
            rate_hz=DENOISE_RATE_HZ if options.denoise else LISTEN_RATE_HZ,
            recognise=msgspec.structs.replace(options.recognise, bulk=True),
        )
        listener = self.open_listener(model, options, allow_paths=allow_paths)
        return hear_recording(
            source, listener, max_ms, block_samples=self._settings.bulk_block_samples
        )

    def _open_store(self) -> None:
        settings = self._settings
        if not settings.save or self._store is not None:
            return
        self._store = open_store(settings)
        self._retention = Retention(self._store, retention_options(settings))
        self._retention.start()

    def _begin_jobs(self) -> None:
        from gapless.jobs.runner import Runner

        if self._store is not None and self._runner is None:
            self._runner = Runner(self._settings, self, self._store.queue)
            self._runner.start()

    def _watch(self) -> None:
        data_path = self._settings.data_path
        facts = read_facts(data_path)
        replanner = Replanner(self._resolved, facts, read_measured(self._settings, facts).measured)
        self._watcher = Watcher(replanner, lambda: read_facts(data_path), self._follow)
        self._watcher.start()

    def _follow(self, changes: Changes) -> None:
        """Work with what was planned anew."""
        settings = self._share.settings(msgspec.structs.replace(self.resolved.settings, **changes))
        self._cache.resize(settings.cache_mb * MIB, settings.cache_ttl_s)
        if self._store is not None:
            self._store.adjust(store_options(settings))
