"""A text has the words that SQLite's full-text search finds in it."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.store.sqlite.search import match_expression
from gapless.store.text import CLOSE_MARK, OPEN_MARK, keepable
from gapless.store.words import highlights, read_search, tokens

OTHERWISE = {
    "\u1885": "was a letter until Unicode 9",
    "\u1886": "was a letter until Unicode 9",
    "\u01e0": "FTS5 takes one accent off, not two",
    "\u01e1": "FTS5 takes one accent off, not two",
}


@cache
def characters() -> list[str]:
    """Assigned in Unicode 3.2 and so in the tables of FTS5, which are those of 6.1, as well as in Python's."""
    return [
        chr(code)
        for code in range(1, 0x110000)
        if unicodedata.ucd_3_2_0.category(chr(code)) not in {"Cn", "Cs"}
        and chr(code) not in OTHERWISE
    ]


SPEECH = st.text(alphabet="abABzäÄéßøŁçñ'-.,  \u0301\u0308\u05d0\u0416ж你好άǆ12½_😀", max_size=30)
ANYTHING = st.deferred(lambda: st.text(st.sampled_from(characters()), max_size=20))


@pytest.fixture(scope="module")
def fts5() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(
            "CREATE VIRTUAL TABLE said USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')"
        )
        connection.execute("CREATE VIRTUAL TABLE words USING fts5vocab (said, instance)")
        yield connection


def words_of(fts5: sqlite3.Connection, text: str) -> list[str]:
    fts5.execute("DELETE FROM said")
    fts5.execute("INSERT INTO said (text) VALUES (?)", (text,))
    return [row[0] for row in fts5.execute("SELECT term FROM words ORDER BY offset")]


def highlights_of(
    fts5: sqlite3.Connection, text: str, query: str
) -> tuple[tuple[int, int], ...] | None:
    fts5.execute("DELETE FROM said")
    fts5.execute("INSERT INTO said (text) VALUES (?)", (text,))
    row = fts5.execute(
        "SELECT highlight(said, 0, ?, ?) FROM said WHERE said MATCH ?",
        (OPEN_MARK, CLOSE_MARK, match_expression(query)),
    ).fetchone()
    return None if row is None else ranges_marked(row[0])


def ranges_marked(marked: str) -> tuple[tuple[int, int], ...]:
    """What stands between marks, as half-open ranges of the text without them."""
    ranges: list[tuple[int, int]] = []
    place = 0
    # Marks come in pairs, so every second piece was between two of them.
    for number, piece in enumerate(re.split(f"[{OPEN_MARK}{CLOSE_MARK}]", marked)):
        if number % 2:
            ranges.append((place, place + len(piece)))
        place += len(piece)
    return tuple(ranges)


def holds(text: str, query: str) -> bool:
    """Whether all that is asked for stands in a text."""
    search = read_search(query)
    assert search is not None
    said = [token.word for token in tokens(text)]
    wanted = [*((phrase, False) for phrase in search.phrases), (search.beginning, True)]

    def stands(phrase: tuple[str, ...], place: int, *, is_beginning: bool) -> bool:
        there = said[place : place + len(phrase)]
        if is_beginning and len(there) == len(phrase):
            return tuple(there[:-1]) == phrase[:-1] and there[-1].startswith(phrase[-1])
        return tuple(there) == phrase

    return all(
        any(stands(phrase, place, is_beginning=last) for place in range(len(said)))
        for phrase, last in wanted
    )


@pytest.mark.long
def test_every_character_alone_and_within_a_word_is_as_in_fts5(fts5: sqlite3.Connection) -> None:
    text = "".join(f"{character} a{character}b " for character in characters())
    assert [token.word for token in tokens(text)] == words_of(fts5, text)


def test_the_exceptions_are_exceptions(fts5: sqlite3.Connection) -> None:
    for character in OTHERWISE:
        text = f"{character} a{character}b"
        assert [token.word for token in tokens(text)] != words_of(fts5, text)


@pytest.mark.long
@given(text=SPEECH | ANYTHING)
def test_words_are_those_of_fts5(fts5: sqlite3.Connection, text: str) -> None:
    assert [token.word for token in tokens(text)] == words_of(fts5, text)


@pytest.mark.long
@given(text=SPEECH, query=SPEECH)
def test_what_is_found_and_marked_is_as_in_fts5(
    fts5: sqlite3.Connection, text: str, query: str
) -> None:
    search = read_search(query)
    assert (search is None) == (match_expression(query) is None)
    if search is not None:
        marked = highlights_of(fts5, text, query)
        assert holds(text, query) == (marked is not None)
        if marked is not None:
            assert highlights(text, search) == marked


@pytest.mark.long
@given(
    words=st.lists(st.text(alphabet="abAB1", max_size=3), max_size=8),
    wanted=st.lists(st.text(alphabet="ab1", min_size=1, max_size=3), min_size=1, max_size=3),
    between=st.sampled_from([" ", "-", "_ ", ". "]),
)
def test_plain_text_is_marked_as_in_fts5(
    fts5: sqlite3.Connection, words: list[str], wanted: list[str], between: str
) -> None:
    text, query = between.join(words), " ".join(wanted)
    marked = highlights_of(fts5, text, query)
    search = read_search(query)
    assert search is not None
    assert holds(text, query) == (marked is not None)
    assert marked is None or highlights(text, search) == marked


@pytest.mark.long
@given(words=st.lists(SPEECH.filter(str.strip), min_size=1, max_size=5), data=st.data())
def test_parts_of_a_text_are_found_and_marked_as_in_fts5(
    fts5: sqlite3.Connection, words: list[str], data: st.DataObject
) -> None:
    text = " ".join(words)
    query = " ".join(data.draw(st.permutations(words)))[: data.draw(st.integers(1, 40))]
    search = read_search(query)
    if search is not None:
        assert (highlights_of(fts5, text, query) or ()) == (
            highlights(text, search) if holds(text, query) else ()
        )


@pytest.mark.long
@given(text=st.text(st.characters(exclude_categories=()), max_size=80))
def test_places_are_where_the_words_are(text: str) -> None:
    text = keepable(text)
    end = 0
    for token in tokens(text):
        assert end <= token.start < token.end <= len(text)
        assert [found.word for found in tokens(text[token.start : token.end])] == [token.word]
        end = token.end
