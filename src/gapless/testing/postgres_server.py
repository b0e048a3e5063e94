"""A PostgreSQL of one's own, on a socket in a private folder.

In: nothing. Out: a server with an empty database for whoever asks, and its URL. Invariants: those of ``PrivateServer``;
``kill`` and ``start`` leave what was committed, as after a crash; nothing listens on the network. PostgreSQL refuses to
run as root: there it runs as the user that Debian's package makes for it.
Thread: one at a time.

Source: https://www.postgresql.org/docs/current/server-shutdown.html (what each signal means).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final, final

from gapless.errors import MissingDependencyError
from gapless.testing.private_server import PrivateServer

DEBIAN_PROGRAMS: Final = "/usr/lib/postgresql"
"""Debian keeps the servers out of the PATH, one folder for each version."""

USER: Final = "postgres"
"""The superuser of the server, and who runs it instead of root."""

GUARDED_ROLE: Final = "guarded"
"""A role that needs a password, unlike all others."""

GUARDED_PASSWORD: Final = "open sesame"  # noqa: S105  of a server that lives for a test

ACCESS: Final = f"local all {GUARDED_ROLE} scram-sha-256\nlocal all all trust\n"

CHILDREN: Final = "/proc/{pid}/task/{pid}/children"


def postgres_program(name: str) -> str:
    """Where a program of PostgreSQL is.

    Raises:
        MissingDependencyError: nowhere.
    """
    found = shutil.which(name)
    if found is None:
        newest_first = sorted(Path(DEBIAN_PROGRAMS).glob(f"*/bin/{name}"), reverse=True)
        if not newest_first:
            raise MissingDependencyError(
                f"{name} of PostgreSQL is not installed; on Debian add postgresql"
            )
        found = str(newest_first[0])
    return found


@final
class PostgresServer(PrivateServer):
    """A server; a context manager.

    Args:
        durable: wait for the disk at every commit, as a real one does. Only a power loss tells the difference.
        settings: of the server, by name.
    """

    def __init__(self, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        super().__init__()
        self._settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.dir),
            "fsync": "on" if durable else "off",
            "max_connections": "200",
        } | (settings or {})
        self._data: Final = self.dir / "data"
        self._numbers: Final = count(1)
        self._as_user: tuple[str, ...] = ()
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(self.dir, user.pw_uid, user.pw_gid)
            self._as_user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")

    def url(self, database: str = "postgres", *, user: str = USER, password: str = "") -> str:
        """What leads to a database on this server."""
        secret = f"&password={password.replace(' ', '%20')}" if password else ""
        return f"postgresql:///{database}?host={self.dir}&user={user}{secret}"

    def new_database(self) -> str:
        """Make an empty database.

        Returns:
            Its URL.
        """
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the superuser, outside of a transaction."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def kill(self) -> None:
        """End it as a crash would: connections break, and the next start reads the log of what was committed."""
        # SIGKILL would leave the backends behind, who are in sessions of their own.
        self._end(signal.SIGQUIT)
        super().kill()

    def stop(self) -> None:
        """End it without waiting for clients, but in order."""
        self._end(signal.SIGINT)
        super().stop()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """All of it stands still, and its connections stay open."""
        postmaster = int((self._data / "postmaster.pid").read_text().split()[0])
        all_of_it = [
            postmaster,
            *map(int, Path(CHILDREN.format(pid=postmaster)).read_text().split()),
        ]
        for pid in all_of_it:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in all_of_it:
                os.kill(pid, signal.SIGCONT)

    def _start_programs(self) -> None:
        fresh = not (self._data / "PG_VERSION").exists()
        if fresh:
            self._make_cluster()
        options = [
            part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")
        ]
        self.run(*self._as_user, postgres_program("postgres"), "-D", str(self._data), *options)
        ready = (postgres_program("pg_isready"), "-q", "-h", str(self.dir), "-t", "1")
        self._wait_until(lambda: self.ask(*ready) is not None, "a PostgreSQL that answers")
        if fresh:
            self.execute(f"CREATE ROLE {GUARDED_ROLE} LOGIN PASSWORD '{GUARDED_PASSWORD}'")

    def _make_cluster(self) -> None:
        command = (
            *self._as_user,
            postgres_program("initdb"),
            *("-D", str(self._data), "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
        )
        if self.ask(*command) is None:
            raise RuntimeError(f"{' '.join(command)} failed")
        access = self._data / "pg_hba.conf"
        access.write_text(ACCESS)

    def _end(self, number: signal.Signals) -> None:
        for program in self._programs:
            program.send(number)
            with suppress(subprocess.TimeoutExpired):  # then it is killed
                program.wait()
