from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gapless.errors import ConnectionLostError, ModelError, ModelNotFoundError, OverloadError
from gapless.infer.contract import ModelInfo, SequenceStep, Tensors
from gapless.infer.models import ModelStatus
from gapless.infer.repository.catalogue import Revision
from gapless.infer.repository.holdings import Holdings
from gapless.infer.repository.manifest import Manifest
from gapless.infer.repository.scan import Entry, VersionEntry

SECOND_NS = 1_000_000_000


class Weight:
    """A model that only weighs something."""

    timings = None
    provider = "nothing"
    trouble = ""

    def __init__(self, name: str, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self.info = ModelInfo(name=name, platform="none", inputs=(), outputs=())

    def run(
        self, inputs: Tensors, *, timeout_s: float | None = None, step: SequenceStep | None = None
    ) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """Nothing is held."""


def entry(*versions: int, state: int = 1, name: str = "m", size: int = 4) -> Entry:
    """A folder with these versions, whose files are in a numbered state."""
    return Entry(
        name,
        Manifest(),
        tuple(
            VersionEntry(number, Path(str(number)), (("model.onnx", size, state, 0),))
            for number in versions
        ),
    )


def stocked(*entries: Entry, budget: int = 100) -> Holdings:
    holdings = Holdings(budget, ())
    holdings.update({one.name: one for one in entries}, eager=False)
    return holdings


def load(holdings: Holdings, revision: Revision, size: int = 1, now_ns: int = 0) -> list[Revision]:
    """Begin and finish; returns those that had to go."""
    before = holdings.begin(revision, now_ns)
    assert isinstance(before, list)
    after = holdings.finish(revision, Weight(revision.name, size), now_ns)
    return [leaver.revision for leaver in (*before, *after)]


def fail(holdings: Holdings, revision: Revision, error: ModelError | ConnectionLostError) -> None:
    assert isinstance(holdings.begin(revision, 0), list)
    holdings.fail(revision, error, 0)


def answering(holdings: Holdings, version: str | None = None) -> str | None:
    """The version that answers for ``m``, if one is in memory."""
    taken = holdings.take("m", version)
    if taken is None:
        return None
    holdings.give_back(taken[0], 0)
    return taken[0].version


def status(holdings: Holdings, version: str = "1") -> ModelStatus:
    return next(one for one, _ in holdings.statuses(()) if one.version == version)


def test_the_newest_that_loaded_answers() -> None:
    holdings = stocked(entry(1, 2))
    load(holdings, holdings.choose("m", "1"))
    assert answering(holdings) == "1"

    load(holdings, holdings.choose("m", "2"))
    assert answering(holdings) == "2"
    assert answering(holdings, "1") == "1"


def test_where_the_newest_is_broken_the_one_before_answers() -> None:
    holdings = stocked(entry(1, 2))

    fail(holdings, holdings.choose("m", None), ModelError("broken"))

    assert holdings.choose("m", None).version == "1"
    assert status(holdings, "2").state == "UNAVAILABLE"
    assert status(holdings, "2").reason == "broken"


def test_an_evicted_newest_is_still_the_newest() -> None:
    holdings = stocked(entry(1, 2), entry(1, name="big"), budget=10)
    load(holdings, holdings.choose("m", "1"), 1)
    newest = holdings.choose("m", "2")
    load(holdings, newest, 5)

    assert newest in load(holdings, holdings.choose("big", None), 10, now_ns=1)
    assert holdings.choose("m", None) is newest


def test_what_answers_is_replaced_when_its_successor_has_loaded() -> None:
    holdings = stocked(entry(1))
    old = holdings.choose("m", None)
    load(holdings, old)

    _, leaving = holdings.update({"m": entry(2)}, eager=True)
    assert not leaving
    assert answering(holdings) == "1"
    assert status(holdings).reason == "what takes its place is loading"
    assert status(holdings, "2").state == "LOADING"

    due = holdings.due(())
    assert due is not None
    assert due[1], "it takes somebody's place, and others may have to go for it"
    assert load(holdings, due[0]) == [old]
    assert answering(holdings) == "2"
    with pytest.raises(ModelNotFoundError, match="served are: 2"):
        holdings.choose("m", "1")


def test_a_broken_successor_leaves_what_answers() -> None:
    holdings = stocked(entry(1))
    load(holdings, holdings.choose("m", None))
    holdings.update({"m": entry(1, state=2)}, eager=True)
    due = holdings.due(())
    assert due is not None

    fail(holdings, due[0], ModelError("it is broken"))

    assert answering(holdings) == "1"
    assert (status(holdings).state, status(holdings).reason) == ("READY", "it is broken")
    assert holdings.due(()) is None, "it is not tried again until its files change"

    holdings.update({"m": entry(1, state=3)}, eager=True)
    due = holdings.due(())
    assert due is not None
    assert len(load(holdings, due[0])) == 1
    assert status(holdings).reason == ""


def test_files_that_are_put_back_are_what_answers_already() -> None:
    holdings = stocked(entry(1))
    first = holdings.choose("m", None)
    load(holdings, first)

    holdings.update({"m": entry(1, state=2)}, eager=True)
    holdings.update({"m": entry(1)}, eager=True)

    assert holdings.choose("m", None) is first
    assert holdings.due(()) is None


def test_a_failure_is_remembered_for_a_while() -> None:
    holdings = stocked(entry(1))
    revision = holdings.choose("m", None)
    fail(holdings, revision, ConnectionLostError("away"))

    with pytest.raises(ConnectionLostError, match="away") as first:
        holdings.begin(revision, SECOND_NS // 4)
    with pytest.raises(ConnectionLostError) as second:
        holdings.begin(revision, SECOND_NS // 4)

    assert first.value is not second.value
    assert first.value.retry_after_ms == 750
    assert isinstance(holdings.begin(revision, SECOND_NS), list)


def test_what_fails_for_a_cause_that_passes_is_due_again() -> None:
    holdings = stocked(entry(1))
    assert holdings.due(()) is None, "nothing is loaded unasked at the start"

    revision = holdings.choose("m", None)
    fail(holdings, revision, ConnectionLostError("away"))

    assert holdings.due(()) == (revision, False)
    assert holdings.due({revision}) is None


def test_what_does_not_fit_says_so() -> None:
    holdings = stocked(entry(1, size=1000), entry(1, name="other", size=60))
    other = holdings.choose("other", None)
    load(holdings, other, 90)
    assert holdings.take("other", None) is not None

    with pytest.raises(OverloadError, match=r"about 1500 bytes.*all models.*100") as never:
        holdings.begin(holdings.choose("m", None), 0)
    assert never.value.retry_after_ms is None

    holdings.update({"m": entry(1, size=50), "other": entry(1, name="other", size=60)}, eager=False)
    with pytest.raises(OverloadError, match=r"about 75 bytes.*in use.*model_memory_bytes") as error:
        holdings.begin(holdings.choose("m", None), 0)
    assert error.value.retry_after_ms is not None
    assert (status(holdings).state, status(holdings).reason) == ("READY", error.value.message)


def test_what_takes_more_than_expected_has_to_fit_as_well() -> None:
    holdings = stocked(entry(1))
    revision = holdings.choose("m", None)
    assert holdings.begin(revision, 0) == []

    with pytest.raises(OverloadError, match="about 200 bytes"):
        holdings.finish(revision, Weight("m", 200), 0)

    assert answering(holdings) is None
    with pytest.raises(OverloadError):
        holdings.begin(revision, 0)


def test_a_load_that_nobody_wants_any_more_does_not_begin() -> None:
    holdings = stocked(entry(1))
    stale = holdings.choose("m", None)

    holdings.update({"m": entry(1, state=2)}, eager=False)

    assert holdings.begin(stale, 0) == "unwanted"


def test_a_model_that_is_replaced_while_it_loads_is_closed() -> None:
    holdings = stocked(entry(1))
    revision = holdings.choose("m", None)
    holdings.begin(revision, 0)

    holdings.update({"m": entry(1, state=2)}, eager=False)
    (leaver,) = holdings.finish(revision, Weight("m", 1), 0)

    assert leaver.revision is revision


def test_one_in_use_is_closed_when_it_is_given_back() -> None:
    holdings = stocked(entry(1))
    load(holdings, holdings.choose("m", None))
    taken = holdings.take("m", None)
    assert taken is not None

    assert holdings.unload("m") == []
    with pytest.raises(ModelNotFoundError, match="unloaded by hand"):
        holdings.choose("m", None)
    (leaver,) = holdings.give_back(taken[0], 0)

    assert leaver.model is taken[1]


def test_what_was_unloaded_stays_out_until_it_is_reopened() -> None:
    holdings = stocked(entry(1))
    load(holdings, holdings.choose("m", None))
    holdings.unload("m")

    holdings.update({"m": entry(1, state=2)}, eager=True)
    assert holdings.due(()) is None
    assert status(holdings).state == "UNLOADED"

    ((revision,), _) = holdings.reopen("m", entry(1, state=2))
    load(holdings, revision)
    assert answering(holdings) == "1"


def test_a_description_that_cannot_be_read_leaves_what_answers() -> None:
    holdings = stocked(entry(1))
    load(holdings, holdings.choose("m", None))

    holdings.update({"m": Entry("m", None, trouble="a typo")}, eager=True)

    assert answering(holdings) == "1"
    assert (status(holdings).state, status(holdings).reason) == ("READY", "a typo")


def test_trouble_is_told_where_nothing_answers() -> None:
    holdings = stocked(Entry("m", None, trouble="a typo"))

    with pytest.raises(ModelError, match="the model m cannot be served: a typo"):
        holdings.choose("m", None)
    assert (status(holdings, "").state, status(holdings, "").reason) == ("UNAVAILABLE", "a typo")


def test_what_is_not_here_is_named_with_what_is() -> None:
    holdings = stocked(entry(1), entry(1, name="other"))

    with pytest.raises(ModelNotFoundError, match="no model 'x' is here; here are: m, other"):
        holdings.choose("x", None)
    for version in ("9", "01", "", "latest"):
        with pytest.raises(ModelNotFoundError, match="served are: 1"):
            holdings.choose("m", version)
