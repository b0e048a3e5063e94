"""A search in PostgreSQL finds and marks what it would in SQLite, also in texts that break the limits of its index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.store.contract import Hit, Store, TranscriptQuery
from gapless.store.postgres.search import MAX_POSITION, MAX_WORD_CHARS
from gapless.store.postgres.store import PostgresStore
from gapless.store.sqlite.store import SqliteStore
from gapless.testing.postgres_server import PostgresServer
from gapless.testing.store_contract import begin, found, say, text_of

pytestmark = pytest.mark.database

SPEECH = st.text(alphabet="abABzäÄéßøñ'-.,  \u0301Ж你ά12½_%\\\":&|!<>()*", max_size=25)

Both = tuple[Store, Store]


@pytest.fixture(scope="module")
def both(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    path: Path = tmp_path_factory.mktemp("store") / "transcripts.db"
    with ExitStack() as stack:
        postgres = stack.enter_context(closing(PostgresStore(postgres_server.new_database())))
        yield postgres, stack.enter_context(closing(SqliteStore(path)))


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count(1)


def hits(store: Store, text: str, number: int) -> list[Hit]:
    page = store.list(TranscriptQuery(text=text, since_ms=number, until_ms=number + 1))
    return [hit for item in page.items for hit in item.hits]


@settings(max_examples=150)
@given(words=st.lists(SPEECH, min_size=1, max_size=4), other=SPEECH, data=st.data())
def test_both_find_and_mark_the_same(
    both: Both, numbers: Iterator[int], words: list[str], other: str, data: st.DataObject
) -> None:
    number = next(numbers)
    parts = data.draw(st.permutations(words))
    queries = [other, " ".join(parts), parts[0], " ".join(parts)[: data.draw(st.integers(1, 30))]]
    for store in both:
        begin(store, f"s{number}", started_at_ms=number)
        say(store, f"s{number}", "u1", " ".join(words))
    for query in filter(str.strip, queries):
        assert hits(both[0], query, number) == hits(both[1], query, number)


def test_words_that_are_too_long_are_found_whole_and_by_their_beginning(postgres_url: str) -> None:
    with closing(PostgresStore(postgres_url)) as store:
        begin(store, "s1")
        say(store, "s1", "u1", "x" * 5000 + " 你" + "好" * 5000)
        assert found(store, "x" * MAX_WORD_CHARS) == ["u1"]
        assert found(store, "你好") == ["u1"]
        # All of that length is asked for as a word of its own, which it is not.
        assert found(store, "x" * (MAX_WORD_CHARS - 3) + " 你") == []


def test_texts_with_more_words_than_positions_are_searched_like_others(postgres_url: str) -> None:
    many = " ".join(f"w{number}" for number in range(MAX_POSITION + 100))
    often = "don't " + "so " * 400
    with closing(PostgresStore(postgres_url)) as store:
        begin(store, "s1")
        say(store, "s1", "many", f"{many} isn't", start_ms=0)
        say(store, "s1", "often", f"{often} so't", start_ms=1)
        assert found(store, "w16400 w1") == ["many"]
        assert found(store, "isn't") == ["many"]
        assert found(store, "isn't w2") == ["many"]
        assert found(store, "w1't") == []
        assert found(store, "so't") == ["often"]
        assert found(store, "so'don") == []
        assert found(store, "don't") == ["often"]
        assert store.check() == ()


def test_a_text_with_more_different_words_than_an_index_holds_is_kept_whole(
    postgres_url: str,
) -> None:
    text = " ".join(f"word{number}" for number in range(120_000))
    with closing(PostgresStore(postgres_url)) as store:
        begin(store, "s1")
        say(store, "s1", "u1", text)
        assert text_of(store, "s1") == text
        assert found(store, "word77") == ["u1"]
        # Beyond the bound, as the documentation says.
        assert found(store, "word119999") == []
        assert store.check() == ()
