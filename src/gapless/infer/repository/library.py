"""The library of models: finds them in folders, loads them, swaps them when their files change, makes room in memory.

In: folders, loaders by platform. Out: models in use, for as long as they are held. Invariants: a model is loaded once
however many ask for it at the same time; what answers goes on to answer until what takes its place has loaded; a model
in use is never closed; nothing in a folder, and no failing model, keeps the others from being served.
Thread: any. A model is loaded by a thread that asks for it, or by the one that looks for new files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Final, final

import msgspec
import structlog

from gapless.errors import GaplessError, ModelError, ModelNotFoundError, OverloadError
from gapless.infer.contract import Loader, Model
from gapless.infer.models import Held, ModelStatus
from gapless.infer.onnx.int8.report import preferred_file
from gapless.infer.repository.catalogue import Revision
from gapless.infer.repository.holdings import NS_PER_MS, Holdings, Leaver, Leaving, again
from gapless.infer.repository.scan import Repository

STOP_TIMEOUT_S: Final = 5.0
"""How long ``close`` waits for the thread that looks for files; a load may keep it longer."""

log = structlog.get_logger(__name__)


@final
class _Held:
    """A model in use."""

    __slots__ = ("_give_back", "_revision", "model")

    def __init__(
        self, model: Model, revision: Revision, give_back: Callable[[Revision], None]
    ) -> None:
        self.model = model
        self._revision: Revision | None = revision
        self._give_back = give_back

    def release(self) -> None:
        """Stop using it; a second time does nothing."""
        revision, self._revision = self._revision, None
        if revision is not None:
            self._give_back(revision)


@final
class Library:
    """All models of this process; implements ``models.Models``.

    Before anybody asks only that is loaded which is new in the folders after the start, and, where a thread looks for
    it, what runs elsewhere; ``preload`` loads the rest.

    Args:
        roots: folders of models; where two hold the same name, the later one's counts.
        loaders: by platform.
        budget_bytes: memory that all models together may take.
        pinned: names of models that stay in memory once they are loaded.
        poll_ms: time between a thread's looks for changed files; 0: only ``refresh`` looks.
        clock: nanoseconds that never go back.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        loaders: Mapping[str, Loader],
        *,
        budget_bytes: int,
        pinned: Collection[str] = (),
        poll_ms: int = 0,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._loaders = dict(loaders)
        self._clock = clock
        self._scanning = threading.Lock()
        """Guards the repository; taken before the other lock."""
        self._repository = Repository(roots)
        self._lock = threading.Lock()
        """Guards all below; nothing is loaded, closed or read from a disk while it is held."""
        self._holdings = Holdings(budget_bytes, pinned)
        self._loads: dict[Revision, Future[GaplessError | None]] = {}
        """Loads under way, and what they will fail with."""
        self._closed = False
        self._stop = threading.Event()
        self._scan(eager=False)
        self._poller: threading.Thread | None = None
        if poll_ms:
            # They take no memory, and whether their servers are there is worth knowing before somebody asks.
            self._holdings.want(remote_only=True)
            self._poller = threading.Thread(
                target=self._poll, args=(poll_ms / 1000,), name="gapless-models", daemon=True
            )
            self._poller.start()

    def try_acquire(self, name: str, version: str | None = None) -> Held | None:
        """See ``Models.try_acquire``."""
        with self._lock:
            taken = self._holdings.take(name, version)
            if taken is None:
                with suppress(ModelError):  # `acquire` says what is wrong
                    self._choose(name, version)
                return None
        revision, model = taken
        return _Held(model, revision, self._give_back)

    def acquire(self, name: str, version: str | None = None) -> Held:
        """See ``Models.acquire``.

        Raises:
            ModelNotFoundError: no such model or version here, or it was unloaded.
            ModelError: it is broken, or the library is closed.
            OverloadError: it does not fit into memory beside those in use.
            GaplessError: whatever else its loader raises, ``ConnectionLostError`` for instance.
        """
        while True:
            held = self.try_acquire(name, version)
            if held is not None:
                return held
            with self._lock:
                revision = self._choose(name, version)
            try:
                self._load(revision)
            except GaplessError:
                with self._lock:
                    other = self._choose(name, version)
                if other is revision:
                    raise

    def digest_of(self, name: str, version: str | None = None) -> str | None:
        """See ``Models.digest_of``."""
        model = self._holdings.at_hand(name, version)
        return None if model is None else model.info.digest

    def index(self) -> list[ModelStatus]:
        """See ``Models.index``."""
        with self._lock:
            rows = self._holdings.statuses(self._loads)
        return [_with_trouble(status, model) for status, model in rows]

    def load(self, name: str) -> None:
        """See ``Models.load``; what is in memory and has not changed stays as it is, unless it runs elsewhere.

        Raises:
            ModelNotFoundError: no such model here.
            ModelError: it is broken; what was served before still is.
            GaplessError: as ``acquire``.
        """
        with self._scanning:
            try:
                entry = self._repository.look(name)
            except OSError as error:
                raise ModelError(
                    f"the folders of models cannot be read: {error}; mend that"
                ) from error
            with self._lock:
                self._check_open()
                if entry is None:
                    raise ModelNotFoundError(
                        f"no model {name!r} is in the folders; put one there first", param="model"
                    )
                revisions, leaving = self._holdings.reopen(name, entry)
        _close(leaving)
        if entry.trouble:
            raise ModelError(f"the model {name} cannot be served: {entry.trouble}", param="model")
        errors: list[GaplessError] = []
        for revision in revisions:
            try:
                self._load(revision)
            except GaplessError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def unload(self, name: str) -> None:
        """See ``Models.unload``."""
        with self._lock:
            leaving = self._holdings.unload(name)
        _close(leaving)

    def refresh(self) -> None:
        """Look for files that came, changed or went, and load what is new; blocks meanwhile.

        A change counts when two looks in a row have seen it the same; see ``Repository``.
        """
        self._scan(eager=True)
        self._load_due()

    def preload(self) -> None:
        """See ``Models.preload``."""
        with self._lock:
            self._holdings.want(remote_only=False)
        self._load_due()

    def close(self) -> None:
        """See ``Models.close``; what is held is closed when it is released."""
        with self._lock:
            self._closed = True
            leaving = self._holdings.clear()
        self._stop.set()
        _close(leaving)
        if self._poller is not None:
            self._poller.join(STOP_TIMEOUT_S)

    def _poll(self, poll_s: float) -> None:
        look = self._load_due
        while True:
            try:
                look()
            except Exception:
                # Whatever lies in the folders: what is served stays, and the next look comes.
                log.exception("looking for models failed")
            if self._stop.wait(poll_s):
                return
            look = self.refresh

    def _scan(self, *, eager: bool) -> None:
        with self._scanning:
            try:
                entries = self._repository.scan()
            except OSError as error:
                log.warning("the folders of models cannot be read", error=str(error))
                return
            with self._lock:
                if self._closed:
                    return
                changed, leaving = self._holdings.update(entries, eager=eager)
        _close(leaving)
        for name in changed:
            if name in entries and entries[name].trouble:
                log.warning("model not served", model=name, reason=entries[name].trouble)

    def _load_due(self) -> None:
        """Load what is to be loaded unasked, one after the other."""
        tried: set[Revision] = set()
        while not self._stop.is_set():
            with self._lock:
                due = self._holdings.due(tried)
            if due is None:
                return
            revision, may_evict = due
            tried.add(revision)
            with suppress(GaplessError):  # logged, and kept for `index`
                self._load(revision, may_evict=may_evict)

    def _load(self, revision: Revision, *, may_evict: bool = True) -> None:
        """Bring a revision into memory, or wait until another thread has; if nobody wants it any more, do nothing."""
        with self._lock:
            self._check_open()
            answer = self._holdings.begin(revision, self._clock(), may_evict=may_evict)
            if answer in ("resident", "unwanted"):
                return
            load = self._loads.setdefault(revision, Future())
        if isinstance(answer, list):
            _close(answer)
            self._load_into(load, revision)
        elif (error := load.result()) is not None:
            raise again(error)

    def _load_into(self, load: Future[GaplessError | None], revision: Revision) -> None:
        """Load, and tell those who wait how it went."""
        began_ns = self._clock()
        try:
            model = self._open(revision)
        except BaseException as caught:
            error = _as_gapless(revision, caught)
            with self._lock:
                del self._loads[revision]
                self._holdings.fail(revision, again(error), self._clock())
            load.set_result(error)
            log.warning(
                "model failed", model=revision.name, version=revision.version, error=error.message
            )
            if error is caught or not isinstance(caught, Exception):
                raise
            raise error from caught
        try:
            with self._lock:
                del self._loads[revision]
                leaving = self._holdings.finish(revision, model, self._clock())
        except OverloadError as error:
            load.set_result(error)
            _close([Leaver(revision, model, "no room")])
            raise
        load.set_result(None)
        _log_loaded(revision, model, (self._clock() - began_ns) / NS_PER_MS)
        _close(leaving)

    def _open(self, revision: Revision) -> Model:
        platform, path = revision.manifest.platform, revision.source.path
        if platform not in self._loaders:
            raise ModelError(
                f"nothing here runs models of the platform {platform}; run `pip install 'gapless[all]'`"
            )
        if path is not None:
            path = preferred_file(path)
        return self._loaders[platform](revision.name, revision.version, revision.manifest, path)

    def _give_back(self, revision: Revision) -> None:
        with self._lock:
            leaving = self._holdings.give_back(revision, self._clock())
        if leaving:
            _close(leaving)

    def _choose(self, name: str, version: str | None) -> Revision:
        self._check_open()
        return self._holdings.choose(name, version)

    def _check_open(self) -> None:
        if self._closed:
            raise ModelError("the models have been closed; start the engine again")


def _with_trouble(status: ModelStatus, model: Model | None) -> ModelStatus:
    """Add how the server of a remote model is, which is asked without the lock."""
    trouble = model.trouble if model is not None and status.state == "READY" else ""
    return (
        msgspec.structs.replace(status, state="UNAVAILABLE", reason=trouble) if trouble else status
    )


def _as_gapless(revision: Revision, error: BaseException) -> GaplessError:
    if isinstance(error, GaplessError):
        return error
    return ModelError(f"the model {revision.name} cannot be loaded: {error!r}; report it")


def _close(leaving: Leaving) -> None:
    for revision, model, why in leaving:
        try:
            model.close()
        except Exception:
            # It is out of the books already, and whoever closes it here wants another model.
            log.exception("model not closed", model=revision.name, version=revision.version)
        else:
            log.info("model unloaded", model=revision.name, version=revision.version, why=why)


def _log_loaded(revision: Revision, model: Model, took_ms: float) -> None:
    timings = model.timings
    log.info(
        "model loaded",
        model=revision.name,
        version=revision.version,
        ms=round(took_ms, 1),
        create_ms=timings and round(timings.create_ms, 1),
        warm_up_ms=timings and round(timings.warm_up_ms, 1),
        first_call_ms=timings and round(timings.first_call_ms, 3),
        steady_ms=timings and {rows: round(ms, 3) for rows, ms in timings.steady_ms.items()},
        memory_bytes=model.memory_bytes,
        provider=model.provider,
    )
