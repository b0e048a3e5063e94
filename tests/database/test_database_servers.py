"""The servers that the other tests of this folder stand on."""

from __future__ import annotations

import psycopg
import pytest
import redis

from gapless.testing.postgres_server import GUARDED_PASSWORD, GUARDED_ROLE, PostgresServer
from gapless.testing.redis_server import RedisServer

pytestmark = pytest.mark.database


def test_databases_are_apart(postgres_server: PostgresServer) -> None:
    first, second = postgres_server.new_database(), postgres_server.new_database()
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE mine (number integer)")
    with psycopg.connect(second) as connection:
        row = connection.execute("SELECT to_regclass('mine')").fetchone()
    assert row == (None,)


def test_a_crash_leaves_what_was_committed(mortal_postgres: PostgresServer) -> None:
    url = mortal_postgres.new_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with psycopg.connect(url) as open_then:
        mortal_postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            open_then.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    mortal_postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_role_needs_its_password(postgres_server: PostgresServer) -> None:
    with psycopg.connect(
        postgres_server.url(user=GUARDED_ROLE, password=GUARDED_PASSWORD)
    ) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (GUARDED_ROLE,)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres_server.url(user=GUARDED_ROLE, password="wrong"))


def test_redis_is_empty_and_comes_back_empty(mortal_redis: RedisServer) -> None:
    with redis.Redis.from_url(mortal_redis.url) as client:
        assert client.dbsize() == 0
        client.set("a", "b")
    mortal_redis.restart()
    with redis.Redis.from_url(mortal_redis.url) as client:
        assert client.dbsize() == 0


def test_a_shared_redis_is_empty(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.dbsize() == 0
