"""Real servers in private folders: one of each for a session, and a fresh database or an empty cache for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from gapless.errors import MissingDependencyError
from gapless.testing.postgres_server import PostgresServer, postgres_program
from gapless.testing.redis_server import RedisServer, redis_programs


def _require(find: Callable[[], object]) -> None:
    """Without the programs these tests cannot say anything; where they must, that is an error."""
    try:
        find()
    except MissingDependencyError as error:
        if os.environ.get("GAPLESS_REQUIRE_DATABASE"):
            pytest.fail(error.message)
        pytest.skip(error.message)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL that all tests share; do not stop it (``mortal_postgres`` may be stopped)."""
    _require(lambda: postgres_program("initdb"))
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """An empty database of the test's own."""
    return postgres_server.new_database()


@pytest.fixture
def mortal_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, to be killed, stopped and started again."""
    _require(lambda: postgres_program("initdb"))
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    _require(redis_programs)
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(_shared_redis: RedisServer) -> RedisServer:
    """An empty Redis that the tests share one after the other; do not stop it (``mortal_redis`` may be stopped)."""
    _shared_redis.flush()
    return _shared_redis


@pytest.fixture
def mortal_redis() -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed, stopped, hung and started again."""
    _require(redis_programs)
    with RedisServer() as server:
        yield server
