"""``gapless bench database``: what the store answers and takes when it holds a million utterances.

In: where to keep the filled databases, and a PostgreSQL or none. Out: cases. Invariants: a filled database is made once
and found again by what it was made of; servers that were started here are gone when the context is left. Thread: main.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

import msgspec

from gapless.bench.case import Case, Cases, Check, Contender
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import database_rows, database_store
from gapless.bench.database_fill import Filled, Tell, fill_postgres, fill_sqlite
from gapless.bench.database_server import private_postgres
from gapless.bench.machine import file_system
from gapless.errors import ConnectionLostError, MissingDependencyError

SEGMENTS: Final = 1_000_000

NO_POSTGRES: Final = "none"
"""Instead of a URL: SQLite alone."""

TRIAL_SEGMENTS: Final = 3_000

CALLERS: Final = 8

ROWS: Final = 1000
"""Of a large transaction."""

WORDS: Final = {
    "rare": "a word that a few hundred of them have at most",
    "common": "one of the hundred commonest words",
    "beginning": "the first two to five letters of a word",
    "two": "two words, a common one and another",
}


class Database(msgspec.Struct, frozen=True):
    """One that is measured."""

    name: str
    filled: Filled
    room: str
    """Where new ones are made: a folder, or a URL."""


@final
class Databases:
    """Those that there are here, filled when they are first asked for."""

    def __init__(
        self, stack: ExitStack, scratch: Path, postgres: str | None, segments: int, tell: Tell
    ) -> None:
        self._stack = stack
        self._scratch = scratch
        self._postgres = postgres
        self._segments = segments
        self._tell = tell
        self._known: tuple[Database, ...] | None = None
        self.notes: tuple[str, ...] = ()
        """Those that are missing, and how to have them."""

    @property
    def all(self) -> tuple[Database, ...]:
        """SQLite first."""
        if self._known is None:
            filled = fill_sqlite(self._scratch, self._segments, self._tell)
            disk = file_system(self._scratch) or "unknown file system"
            self._known = (Database(f"SQLite, {disk}", filled, str(self._scratch)),)
            if self._postgres == NO_POSTGRES:
                return self._known
            try:
                self._known += (self._find_postgres(),)
            except (MissingDependencyError, ConnectionLostError) as error:
                self.notes = (f"PostgreSQL: {error}",)
            if hasattr(os, "sync"):  # not on Windows
                # A disk that still writes what was filled is slow to read.
                os.sync()
        return self._known

    def _find_postgres(self) -> Database:
        url = self._postgres or self._stack.enter_context(private_postgres())
        return Database("PostgreSQL", fill_postgres(url, self._segments, self._tell), url)


@contextmanager
def database_cases(
    scratch: Path | None, postgres: str | None, *, trial: bool, tell: Tell = lambda *_: None
) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        scratch: where a filled SQLite file is kept from one run to the next, on the disk to measure; None: nowhere.
        postgres: URL of a database that is empty or was filled by this bench, whose owner may make others; None: start
            a server with the programs that are on this machine; ``NO_POSTGRES``: without.
        trial: with few utterances, to see that everything runs.
        tell: is told what is filled, and how much of it is there.
    """
    with ExitStack() as stack:
        if scratch is None or trial:
            scratch = Path(stack.enter_context(TemporaryDirectory(prefix="gapless-bench-")))
        segments = TRIAL_SEGMENTS if trial else SEGMENTS
        databases = Databases(stack, scratch, postgres, segments, tell)
        yield {
            "lookups": partial(_lookups, databases),
            **{f"search-{words}": partial(_search, databases, words) for words in WORDS},
            "points": partial(_points, databases),
            "inserts": partial(_inserts, databases),
        }


def _lookups(databases: Databases) -> Case:
    contenders: list[Contender] = []
    checks: list[Check] = []
    for one in databases.all:
        sessions = {"sessions": one.filled.sessions}
        bare, get, page = (
            Contender(
                name=f"{name} ({one.name})",
                what=what,
                make=make,
                options={"where": one.filled.where} | options,
            )
            for name, what, make, options in (
                (
                    "rows of a session",
                    "the bare driver: nothing is decoded",
                    database_store.bare_get,
                    sessions,
                ),
                ("session", "a session and all it said", database_store.get, sessions),
                (
                    "page",
                    "twenty sessions from anywhere in the list on",
                    database_store.page,
                    sessions | {"last_ms": one.filled.last_ms},
                ),
            )
        )
        contenders += (bare, get, page)
        checks += (_judged("database-lookup", each) for each in (get, page))
    return _case(
        databases,
        "lookups",
        f"How fast is found what has an index? ({_size(databases)})",
        unit="look-ups",
        contenders=contenders,
        checks=checks,
    )


def _search(databases: Databases, words: str) -> Case:
    contenders: list[Contender] = []
    checks: list[Check] = []
    for one in databases.all:
        options = {"where": one.filled.where, "words": words}
        bare, newest, relevant = (
            Contender(name=f"{name} ({one.name})", what=what, make=make, options=options | more)
            for name, what, make, more in (
                (
                    "index",
                    "the bare driver: twenty newest rows, nothing else",
                    database_store.bare_search,
                    {},
                ),
                (
                    "newest",
                    "a page of twenty sessions, newest first, with what was said and marks in it",
                    database_store.search,
                    {"order": "newest"},
                ),
                (
                    "relevance",
                    "the same, those first that fit the words best",
                    database_store.search,
                    {"order": "relevance"},
                ),
            )
        )
        contenders += (bare, newest, relevant)
        checks += (
            _judged("database-search", newest),
            _judged("database-search-ranked", relevant),
        )
    return _case(
        databases,
        f"search-{words}",
        f"How fast is text found? ({WORDS[words]}; {_size(databases)})",
        unit="answers",
        contenders=contenders,
        checks=checks,
    )


def _points(databases: Databases) -> Case:
    contenders: list[Contender] = []
    checks: list[Check] = []
    for one in databases.all:
        options = {"where": one.filled.where, "sessions": one.filled.sessions, "callers": CALLERS}
        bare, pooled = (
            Contender(
                name=f"{name} ({one.name})",
                what=what,
                make=database_store.points,
                options=options | {"bare": bare},
            )
            for name, what, bare in (
                ("own connections", f"{CALLERS} threads with a connection each", True),
                ("pool", f"{CALLERS} threads over the store's pool", False),
            )
        )
        contenders += (bare, pooled)
        checks += (
            _judged("database-rate", pooled),
            _judged("database-rate-driver", pooled, bare),
        )
    return _case(
        databases,
        "points",
        f"How many rows a second are looked up by their id? ({_size(databases)})",
        unit="look-ups",
        contenders=contenders,
        checks=checks,
    )


def _inserts(databases: Databases) -> Case:
    contenders: list[Contender] = []
    checks: list[Check] = []
    for one in databases.all:
        single, batch, bare = (
            Contender(
                name=f"{name} ({one.name})",
                what=what,
                make=make,
                options={"where": one.room, "rows": rows},
            )
            for name, what, make, rows in (
                ("1 row", "the store, a transaction for each row", database_rows.store, 1),
                (f"{ROWS} rows", "the store, in one transaction", database_rows.store, ROWS),
                (
                    f"driver, {ROWS} rows",
                    "the bare driver's fastest way into the same table",
                    database_rows.bare,
                    ROWS,
                ),
            )
        )
        contenders += (single, batch, bare)
        checks += (
            _judged("batch-insert", batch, single),
            _judged("batch-insert-driver", batch, bare),
        )
    return _case(
        databases,
        "inserts",
        "How fast are utterances kept that are durable and can be searched?",
        unit="rows",
        contenders=contenders,
        checks=checks,
    )


def _case(
    databases: Databases,
    name: str,
    question: str,
    *,
    unit: str,
    contenders: Sequence[Contender],
    checks: Sequence[Check],
) -> Case:
    return Case(
        name=name,
        question=question,
        unit=unit,
        contenders=tuple(contenders),
        checks=tuple(checks),
        notes=databases.notes,
    )


def _judged(claim: str, contender: Contender, against: Contender | None = None) -> Check:
    return Check(
        claim=CLAIMS[claim],
        contender=contender.name,
        against=None if against is None else against.name,
    )


def _size(databases: Databases) -> str:
    filled = databases.all[0].filled
    return f"{filled.utterances:,} utterances of {filled.sessions:,} sessions"
