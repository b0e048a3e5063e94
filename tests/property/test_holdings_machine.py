"""Models that come, change, load, fail, are used and go, in every order: nothing is closed twice, or under a user."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gapless.errors import ConnectionLostError, GaplessError, ModelError, OverloadError
from gapless.infer.contract import ModelInfo, SequenceStep, Tensors
from gapless.infer.repository.catalogue import Revision
from gapless.infer.repository.holdings import Holdings, Leaving
from gapless.infer.repository.manifest import Manifest
from gapless.infer.repository.scan import Entry, VersionEntry

pytestmark = pytest.mark.long

NAMES = ("a", "b", "c")
SIZES = st.integers(0, 12)
ASKED = st.sampled_from([None, "1", "2", "3"])
VERSIONS = st.dictionaries(st.integers(1, 3), st.integers(1, 3), min_size=1, max_size=2)
"""Numbers of versions, each with the number of the state that its files are in."""


class Weight:
    """A model that only weighs something."""

    timings = None
    provider = "nothing"
    trouble = ""

    def __init__(self, revision: Revision, memory_bytes: int) -> None:
        self.revision = revision
        self.memory_bytes = memory_bytes
        self.info = ModelInfo(name=revision.name, platform="none", inputs=(), outputs=())
        self.uses = 0
        self.closed = False

    def run(
        self, inputs: Tensors, *, timeout_s: float | None = None, step: SequenceStep | None = None
    ) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        assert not self.closed, "closed twice"
        assert not self.uses, "closed under a user"
        self.closed = True


def entry(name: str, versions: dict[int, int], *, readable: bool = True) -> Entry:
    """A folder with these versions, each with its files in a numbered state."""
    if not readable:
        return Entry(name, None, trouble="it cannot be read")
    return Entry(
        name,
        Manifest(),
        tuple(
            VersionEntry(number, Path(name, str(number)), (("model.onnx", 4, state, 0),))
            for number, state in sorted(versions.items())
        ),
        trouble="" if versions else "there is no version",
    )


class HoldingsMachine(RuleBasedStateMachine):
    """Drives ``Holdings`` as a library does, with models that know whether they are in use."""

    @initialize(budget=st.integers(8, 40), pinned=st.booleans())
    def start(self, budget: int, pinned: bool) -> None:
        self.holdings = Holdings(budget, {"a"} if pinned else set())
        self.budget = budget
        self.now = 0
        self.entries = {name: entry(name, {1: 1}) for name in NAMES}
        self.holdings.update(self.entries, eager=False)
        self.chosen: list[Revision] = []
        self.loading: list[Revision] = []
        self.made: list[Weight] = []
        self.taken: list[tuple[Revision, Weight]] = []
        self.unloaded: set[str] = set()

    def close(self, leaving: Leaving) -> None:
        for revision, model, why in leaving:
            model.close()
            if why == "evicted":
                here = self.entries[revision.name]
                assert here.manifest is None or revision.source in here.versions, "gone for good"

    def at_hand(self, name: str, version: str | None = None) -> Weight | None:
        taken = self.holdings.take(name, version)
        if taken is None:
            return None
        revision, model = taken
        assert isinstance(model, Weight)
        assert not model.closed
        self.close(self.holdings.give_back(revision, self.now))
        return model

    @rule(
        name=st.sampled_from(NAMES),
        versions=VERSIONS,
        readable=st.sampled_from([True, True, True, False]),
        eager=st.sampled_from([True, True, True, False]),
    )
    def the_folder_changes(
        self, name: str, versions: dict[int, int], readable: bool, eager: bool
    ) -> None:
        before = self.at_hand(name)
        self.entries[name] = entry(name, versions, readable=readable)
        changed, leaving = self.holdings.update(self.entries, eager=eager)
        self.close(leaving)
        assert changed == [name]
        if before is not None:
            assert self.at_hand(name) is not None, "what answered goes on to answer"

    @rule(name=st.sampled_from(NAMES), versions=VERSIONS, size=SIZES, fails=st.booleans())
    def a_model_in_memory_is_replaced(
        self, name: str, versions: dict[int, int], size: int, fails: bool
    ) -> None:
        """Change the files of what answers, and load what is due then."""
        self.is_loaded(name, None, size=1)
        self.the_folder_changes(name, versions, readable=True, eager=True)
        self.what_is_due_is_loaded(size, fails)

    @rule(name=st.sampled_from(NAMES), empty=st.booleans())
    def the_folder_goes(self, name: str, empty: bool) -> None:
        self.entries.pop(name, None)
        if empty:
            self.entries[name] = entry(name, {})
        else:
            self.unloaded.discard(name)
        _, leaving = self.holdings.update(self.entries, eager=False)
        self.close(leaving)
        assert self.at_hand(name) is None

    @rule(name=st.sampled_from(NAMES), version=ASKED)
    def somebody_asks(self, name: str, version: str | None) -> None:
        with suppress(GaplessError):
            self.chosen.append(self.holdings.choose(name, version))

    @precondition(lambda self: self.chosen)
    @rule()
    def a_load_begins(self) -> None:
        """Of what was chosen a while ago, perhaps: another thread may have been here in between."""
        self.begin(self.chosen.pop(0))

    def begin(self, revision: Revision, *, may_evict: bool = True) -> bool:
        self.now += 1
        with suppress(GaplessError):
            leaving = self.holdings.begin(revision, self.now, may_evict=may_evict)
            if isinstance(leaving, list):
                self.close(leaving)
                self.loading.append(revision)
                return True
        return False

    @rule(name=st.sampled_from(NAMES), version=ASKED, size=SIZES)
    def is_loaded(self, name: str, version: str | None, size: int) -> None:
        """Begin and end, so that memory fills up."""
        with suppress(GaplessError):
            if self.begin(self.holdings.choose(name, version)):
                self.end_load(self.loading.pop(), size)

    @rule(size=SIZES, fails=st.booleans())
    def what_is_due_is_loaded(self, size: int, fails: bool) -> None:
        tried: set[Revision] = set()
        while (due := self.holdings.due(tried)) is not None:
            revision, may_evict = due
            tried.add(revision)
            if self.begin(revision, may_evict=may_evict):
                if fails:
                    self.fail(self.loading.pop(), passes=False)
                else:
                    self.end_load(self.loading.pop(), size)

    @precondition(lambda self: self.loading)
    @rule(data=st.data(), size=SIZES)
    def a_load_ends(self, data: st.DataObject, size: int) -> None:
        self.end_load(self.loading.pop(data.draw(st.integers(0, len(self.loading) - 1))), size)

    def end_load(self, revision: Revision, size: int) -> None:
        model = Weight(revision, size)
        self.made.append(model)
        try:
            self.close(self.holdings.finish(revision, model, self.now))
        except OverloadError:
            model.close()
        if not model.closed:
            assert self.at_hand(revision.name, revision.version) is model

    @precondition(lambda self: self.loading)
    @rule(data=st.data(), passes=st.booleans())
    def a_load_fails(self, data: st.DataObject, passes: bool) -> None:
        self.fail(self.loading.pop(data.draw(st.integers(0, len(self.loading) - 1))), passes=passes)

    def fail(self, revision: Revision, *, passes: bool) -> None:
        before = self.at_hand(revision.name)
        error = ConnectionLostError("away") if passes else ModelError("broken")
        self.holdings.fail(revision, error, self.now)
        assert self.at_hand(revision.name) is before, "a failure changes nothing for the others"

    @rule(name=st.sampled_from(NAMES), version=ASKED)
    def is_taken(self, name: str, version: str | None) -> None:
        taken = self.holdings.take(name, version)
        if taken is not None:
            revision, model = taken
            assert isinstance(model, Weight)
            assert version in {None, revision.version}
            model.uses += 1
            self.taken.append((revision, model))

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def is_given_back(self, data: st.DataObject) -> None:
        revision, model = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        model.uses -= 1
        self.now += 1
        self.close(self.holdings.give_back(revision, self.now))

    @rule(name=st.sampled_from(NAMES))
    def is_unloaded(self, name: str) -> None:
        if name in self.entries:
            self.close(self.holdings.unload(name))
            self.unloaded.add(name)

    @rule(name=st.sampled_from(NAMES))
    def is_reopened(self, name: str) -> None:
        if name in self.entries:
            _, leaving = self.holdings.reopen(name, self.entries[name])
            self.close(leaving)
            self.unloaded.discard(name)

    @invariant()
    def the_budget_holds(self) -> None:
        assert sum(model.memory_bytes for model in self.made if not model.closed) <= self.budget

    @invariant()
    def what_is_in_memory_is_in_use_or_at_hand(self) -> None:
        for model in self.made:
            if not (model.closed or model.uses):
                assert self.at_hand(model.revision.name, model.revision.version) is model

    @invariant()
    def what_was_unloaded_does_not_answer(self) -> None:
        for name in self.unloaded:
            assert self.at_hand(name) is None
        states = {status.name: status.state for status, _ in self.holdings.statuses(())}
        for name in self.unloaded & {name for name, here in self.entries.items() if here.versions}:
            assert states[name] == "UNLOADED"

    @invariant()
    def versions_that_are_not_wanted_answer_only_until_others_do(self) -> None:
        for name, here in self.entries.items():
            if here.manifest is None:
                continue
            wanted = {source.number: source for source in here.versions}
            answering = {
                number: model.revision.source
                for number in (1, 2, 3)
                if (model := self.at_hand(name, str(number))) is not None
            }
            if any(source == wanted.get(number) for number, source in answering.items()):
                assert answering.keys() <= wanted.keys()

    @invariant()
    def the_statuses_are_of_what_is_there(self) -> None:
        statuses = self.holdings.statuses(self.loading)
        assert {status.name for status, _ in statuses} == self.entries.keys()
        for status, model in statuses:
            assert status.resident == (model is not None)
            if model is not None and status.state != "UNLOADED":
                assert status.state == "READY"
                assert self.at_hand(status.name, status.version) is model
            if status.state == "UNAVAILABLE":
                assert status.reason

    def teardown(self) -> None:
        for revision, model in self.taken:
            model.uses -= 1
            self.close(self.holdings.give_back(revision, self.now))
        self.close(self.holdings.clear())
        for revision in self.loading:
            late = Weight(revision, 1)
            self.close(self.holdings.finish(revision, late, self.now))
            assert late.closed, "nobody wants it any more"
        assert all(model.closed for model in self.made), "nothing stays behind"


TestHoldings = HoldingsMachine.TestCase
TestHoldings.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
