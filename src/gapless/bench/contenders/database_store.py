"""What a store that holds a million utterances is asked, through the store and through the bare driver.

In: where the database is (a file, or the URL of a PostgreSQL), and how much it holds. Out: work. Invariants: what is
asked for is drawn beforehand, alike in every round; an answer that is wrong ends the round. Thread: the callers'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from random import Random
from typing import Final, Literal, TypeAlias, TypeVar

from gapless.bench.contenders.database_driver import driver
from gapless.bench.database_server import open_store
from gapless.bench.drive import Work, alone, in_threads
from gapless.bench.segments import FIRST_MS, session_id, vocabulary
from gapless.errors import StoreError
from gapless.store.contract import Order, TranscriptQuery
from gapless.store.cursor import Place, encode_cursor

QUESTIONS: Final = 2048
"""Different ones, asked over and over."""

PAGE: Final = 20

Question = TypeVar("Question")

Words: TypeAlias = Literal["rare", "common", "beginning", "two"]

RARE_RANKS: Final = (5_000, 50_000)
"""In a million utterances, a dozen to a few hundred have such a word."""

COMMON_RANKS: Final = (0, 100)
"""From 0.2 % of the utterances to 35 %."""

BEGUN_RANKS: Final = (0, 5_000)
BEGINNING_LETTERS: Final = (2, 5)
"""What a search box sends while somebody types."""


@contextmanager
def get(where: str, *, sessions: int) -> Iterator[Work]:
    """A session and all it said, through the store."""
    with closing(open_store(where)) as store:

        def ask(wanted: str) -> None:
            if not store.get(wanted).utterances:
                raise _wrong()

        yield _ask_each(ask, _ids(sessions))


@contextmanager
def page(where: str, *, sessions: int, last_ms: int) -> Iterator[Work]:
    """A page of a list from anywhere on, through the store."""
    with closing(open_store(where)) as store:

        def ask(query: TranscriptQuery) -> None:
            if len(store.list(query).items) < min(PAGE, sessions):
                raise _wrong()

        random = Random(1)
        # In the newer half, so that every page is full.
        first_ms = (FIRST_MS + last_ms) // 2
        places = (Place(random.randint(first_ms, last_ms), "") for _ in range(QUESTIONS))
        yield _ask_each(
            ask, [TranscriptQuery(cursor=encode_cursor(one), limit=PAGE) for one in places]
        )


@contextmanager
def search(where: str, *, words: Words, order: Order) -> Iterator[Work]:
    """The first page of what a search finds, with its hits, through the store."""
    with closing(open_store(where)) as store:

        def ask(text: str) -> None:
            items = store.list(TranscriptQuery(text=text, limit=PAGE, order=order)).items
            if not all(item.hits for item in items):
                raise _wrong()

        yield _ask_each(ask, search_texts(words))


@contextmanager
def points(where: str, *, sessions: int, callers: int, bare: bool) -> Iterator[Work]:
    """Threads that look up a session by its id, a statement each: through the pool, or each on its own connection."""
    with ExitStack() as stack:
        bank = stack.enter_context(driver(where))
        lent = None if bare else stack.enter_context(bank.pool())

        def caller(number: int) -> Callable[[], None]:
            wanted = cycle(_ids(sessions, seed=number))
            point = stack.enter_context(bank.point()) if lent is None else lent

            def ask() -> None:
                if point(next(wanted)) is None:
                    raise _wrong()

            return ask

        yield in_threads([caller(number) for number in range(callers)])


@contextmanager
def bare_get(where: str, *, sessions: int) -> Iterator[Work]:
    """A session and all it said as rows, with the bare driver: nothing is decoded."""
    with driver(where) as bank, bank.whole() as whole:

        def ask(wanted: str) -> None:
            if not whole(wanted):
                raise _wrong()

        yield _ask_each(ask, _ids(sessions))


@contextmanager
def bare_search(where: str, *, words: Words) -> Iterator[Work]:
    """The newest rows that the index finds, with the bare driver: no sessions, no text, no marks."""
    with driver(where) as bank, bank.found(PAGE) as found:
        yield _ask_each(found, search_texts(words))


def search_texts(words: Words) -> list[str]:
    """What is searched for."""
    random = Random(2)
    known = vocabulary()

    def word(ranks: tuple[int, int]) -> str:
        return known[random.randrange(*ranks)]

    draw: dict[Words, Callable[[], str]] = {
        "rare": lambda: word(RARE_RANKS),
        "common": lambda: word(COMMON_RANKS),
        "beginning": lambda: word(BEGUN_RANKS)[: random.randint(*BEGINNING_LETTERS)],
        "two": lambda: f"{word(COMMON_RANKS)} {word(BEGUN_RANKS)}",
    }
    return [draw[words]() for _ in range(QUESTIONS)]


def _ids(sessions: int, seed: int = 0) -> list[str]:
    random = Random(seed)
    return [session_id(random.randrange(sessions)) for _ in range(QUESTIONS)]


def _ask_each(ask: Callable[[Question], object], questions: Sequence[Question]) -> Work:
    turn = cycle(questions)
    return alone(lambda: ask(next(turn)))


def _wrong() -> StoreError:
    return StoreError("the database answers otherwise than it was filled; delete it and try again")
