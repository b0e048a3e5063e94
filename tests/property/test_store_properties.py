from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.store.contract import MAX_SEARCH_CHARS, Hit, TranscriptQuery
from gapless.store.cursor import INT64_MAX, Place, decode_cursor, encode_cursor
from gapless.store.sqlite.store import SqliteStore
from gapless.store.text import keepable
from gapless.testing.store_contract import begin, say, text_of

Keep: TypeAlias = Callable[[str], int]
"""Keeps a session that says the text; returns when it started, which is when no other did."""

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=80)
# The lower and upper case of each letter are one character, and the index knows it.
WORDS = st.text(alphabet="abcdexyzäöüéñçдж0123456789", min_size=1, max_size=8)
SENTENCES = st.lists(WORDS, min_size=1, max_size=6)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    """One store for all cases: a new one for each would take most of the time."""
    path: Path = tmp_path_factory.mktemp("store") / "transcripts.db"
    with closing(SqliteStore(path)) as store:
        yield store


@pytest.fixture(scope="module")
def keep(store: SqliteStore) -> Keep:
    numbers = count(1)

    def keep_session(text: str) -> int:
        number = next(numbers)
        begin(store, f"s{number}", started_at_ms=number)
        say(store, f"s{number}", "u1", text)
        return number

    return keep_session


def search(store: SqliteStore, text: str, number: int) -> list[Hit]:
    page = store.list(TranscriptQuery(text=text, since_ms=number, until_ms=number + 1))
    return [hit for item in page.items for hit in item.hits]


@pytest.mark.long
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=MAX_SEARCH_CHARS),
    said=st.text(alphabet="ab !", max_size=9),
)
def test_any_text_can_be_searched_for_and_finds_only_what_it_marks(
    store: SqliteStore, keep: Keep, text: str, said: str
) -> None:
    number = keep(said)
    for hit in search(store, text, number):
        assert hit.text == said
        assert hit.highlights


@pytest.mark.long
@given(text=ANYTHING)
def test_any_text_comes_back_as_it_was_kept(store: SqliteStore, keep: Keep, text: str) -> None:
    kept = text_of(store, f"s{keep(text)}")
    assert kept == keepable(text)
    assert len(kept) == len(text)


@pytest.mark.long
@given(
    words=SENTENCES, separator=st.sampled_from([" ", ", ", " — ", " 😀 ", '" "']), data=st.data()
)
def test_what_was_said_is_found_by_its_words_and_marked_where_they_are(
    store: SqliteStore, keep: Keep, words: list[str], separator: str, data: st.DataObject
) -> None:
    asked = data.draw(st.permutations(words))
    beginning = data.draw(st.integers(1, len(asked[-1])))
    number = keep(separator.join(words))
    (hit,) = search(store, " ".join([*asked[:-1], asked[-1][:beginning].upper()]), number)
    # Every word was asked for, so every word is marked, and nothing between them.
    assert [hit.text[start:end] for start, end in hit.highlights] == words


@pytest.mark.long
@given(words=SENTENCES, other=WORDS)
def test_a_word_that_was_not_said_is_not_found(
    store: SqliteStore, keep: Keep, words: list[str], other: str
) -> None:
    assert search(store, f"q{other} {words[0]}", keep(" ".join(words))) == []


@pytest.mark.long
@given(started_at_ms=st.integers(-INT64_MAX, INT64_MAX), session_id=st.text())
def test_a_cursor_comes_back_as_its_place(started_at_ms: int, session_id: str) -> None:
    place = Place(started_at_ms, session_id)
    assert decode_cursor(encode_cursor(place)) == place
