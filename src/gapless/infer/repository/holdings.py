"""The catalogue and the memory together: what is in memory, for whom, and what has to leave. A plain state machine.

In: what the folders hold, who takes and gives back what, how loads end, and ``now_ns`` of a monotonic clock. Out: which
revision to use or to load, and every model that has to be closed. Invariants: those of ``Catalogue`` and ``Residency``;
a model is handed out for closing exactly once, and never while it is in use. Thread: one at a time; the caller locks.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from copy import copy
from typing import Final, Literal, NamedTuple, TypeAlias, final

import msgspec

from gapless.errors import GaplessError, ModelError, OverloadError
from gapless.infer.contract import Model
from gapless.infer.models import ModelStatus
from gapless.infer.repository.catalogue import Catalogue, Revision, Shelf
from gapless.infer.repository.residency import Evict, Residency
from gapless.infer.repository.scan import Entry

MEMORY_RETRY_MS: Final = 1000
"""When to come back for a model that does not fit beside those in use."""

NS_PER_MS: Final = 1_000_000


class Leaver(NamedTuple):
    """A model that is to be closed now."""

    revision: Revision
    model: Model
    why: str


Leaving: TypeAlias = list[Leaver]


@final
class Holdings:
    """See the module's head.

    Args:
        budget_bytes: memory that all models together may take.
        pinned: names of models that stay in memory once they are loaded.
    """

    def __init__(self, budget_bytes: int, pinned: Collection[str]) -> None:
        self._pinned = frozenset(pinned)
        self._catalogue = Catalogue()
        self._residency: Residency[Revision] = Residency(budget_bytes)
        self._at_hand: dict[str, dict[str | None, Revision]] = {}
        """What ``take`` gives out, by name and version asked for."""

    def take(self, name: str, version: str | None) -> tuple[Revision, Model] | None:
        """Use a model, if it is in memory."""
        at_hand = self._at_hand.get(name)
        revision = at_hand.get(version) if at_hand else None
        if revision is None or revision.model is None:
            return None
        self._residency.take(revision)
        return revision, revision.model

    def at_hand(self, name: str, version: str | None) -> Model | None:
        """What ``take`` would give, without using it; may be called at any time, by any thread."""
        revision = self._at_hand.get(name, {}).get(version)
        return None if revision is None else revision.model

    def give_back(self, revision: Revision, now_ns: int) -> Leaving:
        """Stop using it."""
        if self._residency.give_back(revision, now_ns):
            return _leave(revision, "no longer used")
        return []

    def choose(self, name: str, version: str | None) -> Revision:
        """The revision that answers, or that is to be loaded for it; raises as ``Catalogue.choose``."""
        return self._catalogue.choose(name, version)

    def begin(
        self, revision: Revision, now_ns: int, *, may_evict: bool = True
    ) -> Leaving | Literal["resident", "loading", "unwanted"]:
        """Ask to load a revision; answers as ``Residency.begin``, and with what has to be closed before.

        Raises:
            OverloadError: it does not fit into memory beside those that must stay.
            GaplessError: it failed lately, with this.
        """
        if not self._catalogue.holds(revision):
            return "unwanted"
        answer = self._residency.begin(
            revision, revision.expected_bytes, now_ns, may_evict=may_evict
        )
        if answer == "failed":
            pause_ns = self._residency.pause_ns(revision, now_ns)
            raise again(revision.error or ModelError(revision.reason), pause_ns)
        if answer == "full":
            raise self._shortage(revision)
        return self._evict(answer.keys) if isinstance(answer, Evict) else answer

    def finish(self, revision: Revision, model: Model, now_ns: int) -> Leaving:
        """A load is done; returns what has to be closed now: the model itself, if nobody wants it any more.

        Raises:
            OverloadError: it took more than was expected, and does not fit; it must be closed.
        """
        answer = self._residency.finish(revision, model.memory_bytes, now_ns)
        revision.expected_bytes = model.memory_bytes
        if answer == "full":
            raise self._shortage(revision)
        if answer == "retired":
            return [Leaver(revision, model, "no longer wanted")]
        leaving = self._evict(answer.keys)
        revision.loaded(model)
        replaced = self._retire(self._catalogue.shelf(revision.name).proved(), "replaced")
        self._publish(revision.name)
        return leaving + replaced

    def fail(self, revision: Revision, error: GaplessError, now_ns: int) -> None:
        """A load has failed."""
        self._residency.fail(revision, now_ns)
        revision.failed(error)
        self._publish(revision.name)

    def due(self, but: Container[Revision]) -> tuple[Revision, bool] | None:
        """What to load next though nobody asks, and whether others may have to go for it; None: nothing.

        They may where something of the same name answers already, whose place it is to take. What runs elsewhere comes
        last, for a server may keep its caller waiting.
        """
        due = [
            (revision, any(other.proven for other in shelf.all()))
            for shelf in self._catalogue.shelves.values()
            for revision in shelf.due()
            if revision not in but
        ]
        return min(due, key=lambda one: one[0].is_remote, default=None)

    def want(self, *, remote_only: bool) -> None:
        """From now on everything is due, or everything that runs elsewhere."""
        for shelf in self._catalogue.shelves.values():
            for revision in shelf.newest_first():
                if revision.is_remote or not remote_only:
                    revision.eager = True

    def update(self, entries: Mapping[str, Entry], *, eager: bool) -> tuple[list[str], Leaving]:
        """Take over what is in the folders now; returns the names that changed."""
        changed = self._catalogue.update(entries, eager=eager)
        leaving = [
            leaver
            for gone in changed.values()
            for leaver in self._retire(gone, "removed or replaced")
        ]
        for name in changed:
            self._publish(name)
        return sorted(changed), leaving

    def reopen(self, name: str, entry: Entry) -> tuple[list[Revision], Leaving]:
        """Take over one model by hand; returns what to load, the newest first."""
        shelf = self._catalogue.shelves.setdefault(name, Shelf())
        shelf.unloaded = False
        # What runs elsewhere may have changed there.
        remote = any(version.path is None for version in entry.versions)
        leaving = self._retire(shelf.update(entry, anew=remote), "replaced")
        revisions = shelf.newest_first()
        for revision in revisions:
            revision.error = None
            self._residency.forgive(revision)
        self._publish(name)
        return revisions, leaving

    def unload(self, name: str) -> Leaving:
        """Take a model out until ``reopen``.

        Raises:
            ModelNotFoundError: no such model.
        """
        shelf = self._catalogue.shelf(name)
        shelf.unloaded = True
        leaving = self._retire(shelf.clear(), "unloaded by hand")
        self._publish(name)
        return leaving

    def clear(self) -> Leaving:
        """Take everything out."""
        gone = [revision for shelf in self._catalogue.shelves.values() for revision in shelf.all()]
        self._catalogue.shelves.clear()
        self._at_hand.clear()
        return self._retire(gone, "closed")

    def statuses(self, loading: Container[Revision]) -> list[tuple[ModelStatus, Model | None]]:
        """How every version stands, with its model while that is in memory."""
        return [
            (
                msgspec.structs.replace(status, pinned=name in self._pinned),
                revision.model if revision is not None else None,
            )
            for name, shelf in sorted(self._catalogue.shelves.items())
            for revision, status in shelf.statuses(name, loading)
        ]

    def _shortage(self, revision: Revision) -> OverloadError:
        needed, budget = revision.expected_bytes, self._residency.budget_bytes
        revision.reason = f"the model {revision.name} takes about {needed} bytes of memory, "
        if needed > budget:
            revision.reason += (
                f"and all models together may take {budget}; raise the setting model_memory_bytes"
            )
            return OverloadError(revision.reason)
        revision.reason += (
            f"and those in use or pinned leave less of the {budget} that models may take; try again later, or raise "
            "the setting model_memory_bytes"
        )
        return OverloadError(revision.reason, retry_after_ms=MEMORY_RETRY_MS)

    def _publish(self, name: str) -> None:
        """Note what ``take`` may give out, and keep in memory what could not be loaded again."""
        self._at_hand.pop(name, None)
        shelf = self._catalogue.shelves.get(name)
        if shelf is None or shelf.unloaded:
            return
        at_hand = self._at_hand[name] = {}
        for revision in shelf.all():
            self._residency.pin(revision, pinned=name in self._pinned or revision in shelf.old)
            for version in (None, revision.version):
                chosen = shelf.choose(version)
                if chosen is not None and chosen.model is not None:
                    at_hand[version] = chosen

    def _retire(self, revisions: Iterable[Revision], why: str) -> Leaving:
        return [
            leaver
            for revision in revisions
            if self._residency.retire(revision)
            for leaver in _leave(revision, why)
        ]

    def _evict(self, revisions: Iterable[Revision]) -> Leaving:
        return [leaver for revision in revisions for leaver in _leave(revision, "evicted")]


def _leave(revision: Revision, why: str) -> Leaving:
    model, revision.model = revision.model, None
    return [] if model is None else [Leaver(revision, model, why)]


def again(error: GaplessError, pause_ns: int = 0) -> GaplessError:
    """The same error for another caller: one that is raised twice would gather the traces of both."""
    fresh = copy(error)
    if fresh.retryable and pause_ns:
        fresh.retry_after_ms = -(-pause_ns // NS_PER_MS)
    return fresh
