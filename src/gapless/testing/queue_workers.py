"""Workers of the queue in processes of their own, to be killed and to compete.

In: how to open a store, here and in another process (``"sqlite PATH"`` or ``"postgres URL"``). Out: nothing, or an
``AssertionError``. Invariants: no process is left behind. Thread: one.
"""

# ruff: noqa: S101 - these are checks

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import Final, final

from gapless.store.queue import FileCounts, FileSource, JobOptions
from gapless.testing.store_contract import OpenStore, opened

WAIT_S: Final = 60

LEASE_MS: Final = 1000

FILES: Final = 60

# What a process does; it says each step once the store has answered.
PROGRAM: Final = """
import sys
from pathlib import Path
from gapless.store.queue import FileSource, JobOptions
from gapless.transcript import Utterance

def open_store(kind, where):
    if kind == "sqlite":
        from gapless.store.sqlite.store import SqliteStore
        return SqliteStore(Path(where))
    from gapless.store.postgres.store import PostgresStore
    return PostgresStore(where)

def hear(queue, now_ms):
    task = queue.claim("killed", now_ms=now_ms, lease_ms=1000)
    place = task.utterances
    while True:
        place += 1
        spoken = Utterance(f"u{place}", f"sentence {place}", place * 100, place * 100 + 90)
        assert queue.keep(task.lease, [spoken], now_ms=now_ms, lease_ms=1000, heard_ms=place * 100)
        print(spoken.utt, flush=True)

def take_all(queue, now_ms):
    print("ready", flush=True)
    sys.stdin.readline()
    while task := queue.claim("w", now_ms=now_ms, lease_ms=10**6):
        assert task.lease.attempt == 1
        assert queue.finish(task.lease, now_ms=now_ms, audio_ms=1)
        print(task.lease.number, flush=True)

def submit(queue, now_ms):
    def content():
        while True:
            yield bytes(2**20)
            print("sent", flush=True)
    queue.submit("j1", [FileSource(content=content())], JobOptions(), now_ms=now_ms, max_jobs=9)

kind, where = sys.argv[1].split(" ", 1)
store = open_store(kind, where)
{"hear": hear, "take_all": take_all, "submit": submit}[sys.argv[2]](store.queue, int(sys.argv[3]))
store.close()
"""


@final
class Worker:
    """A process of ``PROGRAM``; killed in the end.

    Args:
        where: the store, as above.
        what: name of the function that it runs.
        now_ms: the time that it takes it to be.
    """

    def __init__(self, where: str, what: str, now_ms: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", PROGRAM, where, what, now_ms],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Worker:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, if it still runs."""
        self._process.kill()
        self._process.communicate()

    def read_line(self) -> str:
        """What it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the process ended"
        return line

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def rest(self) -> list[str]:
        """All that it says until it ends."""
        assert self._process.stdout is not None
        return self._process.stdout.read().split()

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Its exit status."""
        return self._process.wait(timeout_s)


def crash_in_the_middle_is_resumed(open_store: OpenStore, where: str, utterances: int) -> None:
    """Kill a worker behind some utterances; what it had answered is there, and another goes on behind it."""
    with opened(open_store) as store:
        source = FileSource(content=[b"sound"])
        store.queue.submit("j1", [source], JobOptions(), now_ms=0, max_jobs=1)
        with Worker(where, "hear", "1000") as process:
            said = [process.read_line() for _ in range(utterances)]
            process.send_signal(signal.SIGKILL)
            # What was answered between the last line read and the kill counts as well.
            said += process.rest()
            assert process.wait(WAIT_S) == -signal.SIGKILL
        assert store.queue.claim("next", now_ms=1999, lease_ms=LEASE_MS) is None
        task = store.queue.claim("next", now_ms=2000, lease_ms=LEASE_MS)
        assert task is not None
        assert (task.lease.attempt, task.file.attempts) == (2, 2)
        kept = [utterance.utt for utterance in store.get(task.lease.session_id).utterances]
        # At most one more was kept than answered.
        assert kept == [f"u{place}" for place in range(1, len(kept) + 1)]
        assert kept[: len(said)] == said
        assert len(kept) - len(said) in {0, 1}
        assert (task.utterances, task.resume_ms) == (len(kept), len(kept) * 100 + 90)
        assert list(store.queue.content(task.lease)) == [b"sound"]
        assert store.queue.finish(task.lease, now_ms=2001, audio_ms=10_000)
        assert store.queue.get("j1").state == "done"
        assert len(store.get(task.lease.session_id).utterances) == len(kept)


def workers_share_the_files(open_store: OpenStore, where: str) -> None:
    """Several processes take all there is, at the same time, and none takes what another has."""
    with opened(open_store) as store, ExitStack() as stack:
        sources = [FileSource(url=f"u{number}") for number in range(FILES)]
        store.queue.submit("j1", sources, JobOptions(), now_ms=0, max_jobs=1)
        workers = [stack.enter_context(Worker(where, "take_all", "1000")) for _ in range(2)]
        for worker in workers:
            assert worker.read_line() == "ready"
        for worker in workers:
            worker.go()
        taken = [worker.rest() for worker in workers]
        assert [worker.wait(WAIT_S) for worker in workers] == [0, 0]
        assert sorted(int(number) for part in taken for number in part) == list(range(FILES))
        assert store.queue.get("j1").counts == FileCounts(done=FILES)
