"""Which state of a model's files answers, while files come, change and go. A plain state machine.

In: entries of the repository, and what became of each load. Out: which ``Revision`` to ask, and which nobody will ask
any more. Invariants: what answers goes on to answer until what takes its place has loaded; a version asked for by
number is that version; where none is asked for, the newest that loaded answers. Thread: one at a time; the caller
locks.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Final, final

from gapless.errors import GaplessError, ModelError, ModelNotFoundError
from gapless.infer.contract import LoadTimings, Model, ModelInfo
from gapless.infer.models import ModelStatus, State
from gapless.infer.repository.manifest import Manifest
from gapless.infer.repository.scan import Entry, VersionEntry

MEMORY_PER_FILE: Final = 1.5
"""What a model that never was loaded is expected to take of memory, in sizes of its largest file."""


@final
class Revision:
    """One version of a model, with its files in one state. Compared by identity."""

    __slots__ = (
        "eager",
        "error",
        "expected_bytes",
        "info",
        "manifest",
        "model",
        "name",
        "proven",
        "provider",
        "reason",
        "source",
        "timings",
    )

    def __init__(self, name: str, manifest: Manifest, source: VersionEntry) -> None:
        self.name = name
        self.manifest = manifest
        self.source = source
        self.model: Model | None = None
        """While it is in memory."""
        self.proven = False
        """Whether its last load, if any, went well."""
        self.eager = False
        """Whether it is to be loaded before anybody asks for it."""
        self.error: GaplessError | None = None
        """What its last load failed with."""
        self.reason = ""
        """Why it is not in memory, though it should be."""
        # What its last load told:
        self.info: ModelInfo | None = None
        self.timings: LoadTimings | None = None
        self.provider = ""
        largest = max(size for _, size, *_ in source.marks)
        self.expected_bytes = 0 if self.is_remote else round(MEMORY_PER_FILE * largest)

    @property
    def version(self) -> str:
        """As it is asked for."""
        return str(self.source.number)

    @property
    def is_remote(self) -> bool:
        """Whether it runs elsewhere."""
        return self.source.path is None

    @property
    def is_coming(self) -> bool:
        """Whether it will be loaded shortly, for the first time."""
        return self.eager and not (self.proven or self.reason)

    def loaded(self, model: Model) -> None:
        """It is in memory."""
        self.model, self.proven, self.error, self.reason = model, True, None, ""
        self.info, self.timings, self.provider = model.info, model.timings, model.provider
        self.expected_bytes = model.memory_bytes

    def failed(self, error: GaplessError) -> None:
        """Its load failed."""
        self.proven, self.error, self.reason = False, error, error.message

    def unloaded(self) -> Revision:
        """The same files, as if never loaded."""
        revision = Revision(self.name, self.manifest, self.source)
        revision.info = self.info
        return revision


@final
class Shelf:
    """What is known of one name."""

    def __init__(self) -> None:
        self.wanted: dict[int, Revision] = {}
        """Versions as the folder has them."""
        self.old: list[Revision] = []
        """In memory, and answering for those that are wanted until these have loaded."""
        self.entry: Entry | None = None
        """What the folder said last."""
        self.unloaded = False
        """Taken out by hand."""

    @property
    def trouble(self) -> str:
        """What is wrong with the folder; where it cannot be read, what was wanted before still is."""
        return self.entry.trouble if self.entry else ""

    def update(self, entry: Entry, *, eager: bool = True, anew: bool = False) -> list[Revision]:
        """Take over what the folder has now.

        Args:
            entry: what the repository says.
            eager: whether what is new is to be loaded before anybody asks for it.
            anew: take even what has not changed for new.

        Returns:
            Those that nobody will ask for any more.
        """
        self.entry = entry
        if entry.manifest is None:
            return []
        manifest = entry.manifest
        before = list(self.wanted.values())
        by_marks = {} if anew else {revision.source: revision for revision in (*before, *self.old)}
        self.wanted = {
            source.number: by_marks.get(source) or Revision(entry.name, manifest, source)
            for source in entry.versions
        }
        kept = set(self.wanted.values())
        for revision in kept.difference(before):
            revision.eager = eager
        replaced = [revision for revision in (*before, *self.old) if revision not in kept]
        self.old = [revision for revision in replaced if kept and revision.model is not None]
        return [revision for revision in replaced if revision not in self.old] + self.proved()

    def proved(self) -> list[Revision]:
        """Retire the old ones whose place is taken; returns them."""
        proven = {number for number, revision in self.wanted.items() if revision.proven}
        done = [
            revision
            for revision in self.old
            if revision.source.number in proven
            or (revision.source.number not in self.wanted and proven)
        ]
        self.old = [revision for revision in self.old if revision not in done]
        return done

    def clear(self) -> list[Revision]:
        """Retire all; what is wanted is as if never loaded."""
        gone = [*self.wanted.values(), *self.old]
        self.wanted = {number: revision.unloaded() for number, revision in self.wanted.items()}
        self.old = []
        return gone

    def choose(self, version: str | None) -> Revision | None:
        """The one that answers, or that is to be loaded for it; None if there is none."""
        return max(
            (revision for revision in self.all() if version in {None, revision.version}),
            key=lambda revision: (
                revision.proven,
                revision.error is None,
                revision.source.number,
            ),
            default=None,
        )

    def due(self) -> list[Revision]:
        """Those to load now though nobody asks: new ones, and those that failed for a cause that passes."""
        if self.unloaded:
            return []
        return [
            revision
            for revision in self.newest_first()
            if not revision.proven
            and (revision.eager if revision.error is None else revision.error.retryable)
        ]

    def newest_first(self) -> list[Revision]:
        """The versions that are wanted, in descending order."""
        return [self.wanted[number] for number in sorted(self.wanted, reverse=True)]

    def statuses(
        self, name: str, loading: Container[Revision]
    ) -> Iterator[tuple[Revision | None, ModelStatus]]:
        """How every version stands; whether the server of a remote one is there is not looked at."""
        numbers = sorted({revision.source.number for revision in self.all()})
        if not numbers:
            yield None, ModelStatus(name=name, version="", state="UNAVAILABLE", reason=self.trouble)
        for number in numbers:
            revision = self.choose(str(number))
            if revision is not None:
                yield revision, self._status(revision, loading)

    def _status(self, revision: Revision, loading: Container[Revision]) -> ModelStatus:
        state: State = "READY"
        reason = revision.reason or self.trouble
        if self.unloaded:
            state, reason = "UNLOADED", "unloaded by hand"
        elif revision in self.old:
            reason = self._successor(revision).reason or "what takes its place is loading"
        elif revision.model is None and (revision in loading or revision.is_coming):
            state = "LOADING"
        elif revision.model is None and revision.error is not None:
            state = "UNAVAILABLE"
        return ModelStatus(
            name=revision.name,
            version=revision.version,
            state=state,
            reason=reason,
            info=revision.info,
            resident=revision.model is not None,
            memory_bytes=revision.expected_bytes if revision.model is not None else 0,
            timings=revision.timings,
            provider=revision.provider,
        )

    def _successor(self, old: Revision) -> Revision:
        same = self.wanted.get(old.source.number)
        return same if same is not None else self.wanted[max(self.wanted)]

    def all(self) -> Iterator[Revision]:
        """Those that can be asked for."""
        yield from self.wanted.values()
        yield from self.old


@final
class Catalogue:
    """All shelves by name."""

    def __init__(self) -> None:
        self.shelves: dict[str, Shelf] = {}

    def update(
        self, entries: Mapping[str, Entry], *, eager: bool = True
    ) -> dict[str, list[Revision]]:
        """Take over what is in the folders now; ``eager`` as in ``Shelf.update``.

        Returns:
            The names that changed, each with the revisions that nobody will ask for any more.
        """
        gone = {
            name: list(self.shelves.pop(name).all())
            for name in self.shelves.keys() - entries.keys()
        }
        for name, entry in entries.items():
            shelf = self.shelves.setdefault(name, Shelf())
            # The repository makes a new entry only where something has changed.
            if shelf.entry is not entry:
                gone[name] = shelf.update(entry, eager=eager)
        return gone

    def holds(self, revision: Revision) -> bool:
        """Whether it can be asked for."""
        shelf = self.shelves.get(revision.name)
        return shelf is not None and not shelf.unloaded and revision in shelf.all()

    def shelf(self, name: str) -> Shelf:
        """What is known of a name.

        Raises:
            ModelNotFoundError: nothing.
        """
        try:
            return self.shelves[name]
        except KeyError:
            here = ", ".join(sorted(self.shelves)) or "none"
            raise ModelNotFoundError(
                f"no model {name!r} is here; here are: {here}", param="model"
            ) from None

    def choose(self, name: str, version: str | None) -> Revision:
        """The revision that answers, or that is to be loaded for it.

        Raises:
            ModelNotFoundError: no such model or version, or it was taken out by hand.
            ModelError: its folder is in trouble.
        """
        shelf = self.shelf(name)
        if shelf.unloaded:
            raise ModelNotFoundError(
                f"the model {name} was unloaded by hand; load it with POST /v2/repository/models/{name}/load",
                param="model",
            )
        revision = shelf.choose(version)
        if revision is not None:
            return revision
        if shelf.trouble:
            raise ModelError(f"the model {name} cannot be served: {shelf.trouble}", param="model")
        here = ", ".join(sorted({revision.version for revision in shelf.all()}, key=int))
        raise ModelNotFoundError(
            f"the model {name} has no version {version!r}; served are: {here}", param="version"
        )
