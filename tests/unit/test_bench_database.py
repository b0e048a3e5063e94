"""The bench of the store: what it fills databases with, and what it asks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gapless.bench import database
from gapless.bench.case import Case, Check
from gapless.bench.contenders import database_rows, database_store
from gapless.bench.database import NO_POSTGRES, database_cases
from gapless.bench.database_fill import Filled, fill_sqlite
from gapless.bench.database_server import is_postgres, on_database
from gapless.bench.drive import Work
from gapless.bench.segments import session_id, transcripts, vocabulary
from gapless.errors import MissingDependencyError, StoreError

UTTERANCES = 3_000

WORK_S = 0.01


def silent(*_: object) -> None:
    pass


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    return fill_sqlite(tmp_path, UTTERANCES, silent)


def test_transcripts_are_the_same_each_time() -> None:
    assert list(transcripts(300)) == list(transcripts(300))


def test_transcripts_hold_as_many_utterances_as_asked_for_in_order() -> None:
    made = list(transcripts(UTTERANCES))
    starts = [one.session.started_at_ms for one in made]
    assert sum(len(one.utterances) for one in made) == UTTERANCES
    assert [one.session.id for one in made] == [session_id(number) for number in range(len(made))]
    assert starts == sorted(set(starts))
    for one in made:
        ends = [0, *(utterance.end_ms for utterance in one.utterances)]
        assert all(
            utterance.start_ms >= end for utterance, end in zip(one.utterances, ends, strict=False)
        )
        assert one.session.audio_ms >= ends[-1]


@pytest.mark.long
def test_words_have_the_frequencies_of_a_language() -> None:
    said = Counter(
        word.text for one in transcripts(5_000) for said in one.utterances for word in said.words
    )
    total = sum(said.values())
    first, tenth, hundredth = (said[vocabulary()[rank]] / total for rank in (0, 9, 99))
    assert 0.03 < first < 0.06
    # Zipf: the tenth is a fifth or sixth of the first, the hundredth a tenth of that.
    assert 4 < first / tenth < 8
    assert 6 < tenth / hundredth < 14
    assert len(set(vocabulary())) == len(vocabulary())


@pytest.mark.long
def test_file_is_made_once_for_each_number(tmp_path: Path) -> None:
    told: list[int] = []
    first = fill_sqlite(tmp_path, 500, lambda _, there, __: told.append(there))
    assert told[-1] == 500
    told.clear()
    assert fill_sqlite(tmp_path, 500, lambda _, there, __: told.append(there)) == first
    assert not told
    assert fill_sqlite(tmp_path, 400, silent).where != first.where
    assert (first.utterances, first.sessions) == (500, len(list(transcripts(500))))


@pytest.mark.long
def test_file_that_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_sqlite(tmp_path, 500, interrupt)
    assert not list(tmp_path.iterdir())
    assert fill_sqlite(tmp_path, 500, silent).utterances == 500


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("postgresql:///one?host=/tmp/p&user=u", "postgresql:///two?host=/tmp/p&user=u"),
        ("postgresql://u:p@h:5432/one", "postgresql://u:p@h:5432/two"),
        ("postgres://h", "postgres://h/two"),
        ("postgresql://h?user=u", "postgresql://h/two?user=u"),
    ],
    ids=["socket", "network", "bare", "no-name"],
)
def test_url_of_another_database(url: str, other: str) -> None:
    assert is_postgres(url)
    assert on_database(url, "two") == other
    assert not is_postgres("/srv/postgresql/store.db")


def contender(name: str, filled: Filled) -> AbstractContextManager[Work]:
    where, sessions = filled.where, filled.sessions
    made: dict[str, Callable[[], AbstractContextManager[Work]]] = {
        "get": lambda: database_store.get(where, sessions=sessions),
        "bare-get": lambda: database_store.bare_get(where, sessions=sessions),
        "page": lambda: database_store.page(where, sessions=sessions, last_ms=filled.last_ms),
        "newest": lambda: database_store.search(where, words="common", order="newest"),
        "relevance": lambda: database_store.search(where, words="beginning", order="relevance"),
        "index": lambda: database_store.bare_search(where, words="two"),
        "pool": lambda: database_store.points(where, sessions=sessions, callers=3, bare=False),
        "connections": lambda: database_store.points(
            where, sessions=sessions, callers=3, bare=True
        ),
    }
    return made[name]()


NAMES = ["get", "bare-get", "page", "newest", "relevance", "index", "pool", "connections"]


@pytest.mark.parametrize("name", NAMES)
def test_contenders_are_answered(name: str, filled: Filled) -> None:
    with contender(name, filled) as work:
        samples = work(WORK_S)
    assert samples.units == len(samples.took_ns) > 0


@pytest.mark.parametrize("name", ["bare-get", "pool", "connections"])
def test_wrong_answers_end_a_round(name: str, filled: Filled) -> None:
    other = Filled(filled.where, 100_000, filled.utterances, filled.last_ms)
    with contender(name, other) as work, pytest.raises(StoreError, match="delete it"):
        work(WORK_S)


@pytest.mark.long
@pytest.mark.parametrize("rows", [1, 50])
@pytest.mark.parametrize("make", [database_rows.store, database_rows.bare], ids=["store", "driver"])
def test_rows_are_counted_and_nothing_is_left(
    make: Callable[..., AbstractContextManager[Work]], rows: int, tmp_path: Path
) -> None:
    with make(str(tmp_path), rows=rows) as work:
        samples = work(WORK_S)
        assert list(tmp_path.iterdir())
    assert samples.units == rows * len(samples.took_ns) > 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "shortest", "longest"), [("rare", 4, 40), ("common", 2, 12), ("beginning", 2, 5)]
)
def test_texts_to_search_for(words: database_store.Words, shortest: int, longest: int) -> None:
    texts = database_store.search_texts(words)
    assert texts == database_store.search_texts(words)
    assert all(shortest <= len(text) <= longest for text in texts)
    assert len(set(texts)) > 50


@pytest.mark.long
def test_missing_postgres_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing() -> AbstractContextManager[str]:
        raise MissingDependencyError("PostgreSQL is not installed; install it")

    monkeypatch.setattr(database, "private_postgres", missing)
    with database_cases(tmp_path, None, trial=True) as cases:
        made: list[Case] = [make() for make in cases.values()]
        for case in made:
            assert case.notes == ("PostgreSQL: PostgreSQL is not installed; install it",)
            names = {one.name for one in case.contenders}
            assert names
            checked = {check.contender for check in case.checks if isinstance(check, Check)}
            assert checked <= names
            assert checked
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_postgres_that_was_named_must_be_there(tmp_path: Path) -> None:
    url = f"postgresql:///none?host={tmp_path}"
    with database_cases(None, url, trial=True) as cases, pytest.raises(StoreError):
        cases["lookups"]()


@pytest.mark.long
def test_sqlite_alone() -> None:
    with database_cases(None, NO_POSTGRES, trial=True) as cases:
        case = cases["points"]()
    assert case.notes == ()
    assert len(case.contenders) == 2
