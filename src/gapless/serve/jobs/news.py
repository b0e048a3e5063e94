"""What a listener to a job has to be told, as a plain state machine.

In: the job and its files, looked at now and then. Out: server-sent events. Invariants: every file that is over is told
at least once, also to a listener that comes back with the id of the last event it saw; ``done`` comes once, at the end.
Thread: its caller's. Source: HTML Living Standard, section 9.2 (server-sent events).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, final

import msgspec

from gapless.serve.jobs.messages import JobProgress, RunningFile
from gapless.store.queue import Job, JobFile

MAX_TOLD: Final = 500
"""Files out of order that an id remembers; of more, some are told again."""

KEEPALIVE: Final = b": keepalive\n\n"

ID: Final = re.compile(r"\d{1,9}(?:\+\d{1,9}){0,500}", re.ASCII)


class Event(msgspec.Struct, frozen=True):
    """One server-sent event."""

    name: Literal["progress", "file", "done"]
    id: str
    data: JobProgress | JobFile | Job

    def encode(self) -> bytes:
        """The event on the wire."""
        data = msgspec.json.encode(self.data)
        return f"event: {self.name}\nid: {self.id}\ndata: ".encode() + data + b"\n\n"


@final
class JobNews:
    """Compares what there is with what was told.

    Args:
        last_event_id: what the listener saw last, from its header; anything else than an id of ours counts as none.
    """

    def __init__(self, last_event_id: str | None = None) -> None:
        self._before = 0
        """All files before this number were told."""
        self._beyond: set[int] = set()
        """And these."""
        self._progress: JobProgress | None = None
        self.over = False
        """Whether ``done`` was told."""
        if last_event_id is not None and ID.fullmatch(last_event_id):
            before, *beyond = map(int, last_event_id.split("+"))
            self._before, self._beyond = before, set(beyond)

    @property
    def start(self) -> int:
        """Files before this number need not be looked at."""
        return self._before

    def reconcile(self, job: Job) -> None:
        """Forget what was told if it cannot be of the job as it is: it was retried since. Call it once, first."""
        if self._before + len(self._beyond) > job.counts.total - job.counts.open:
            self._before, self._beyond = 0, set()

    def look(self, job: Job, files: Iterable[JobFile]) -> list[Event]:
        """What is new.

        Args:
            job: as it is now.
            files: from ``start`` on, in order; all, or as many as are looked at in one go.
        """
        seen = self._id
        events: list[Event] = []
        running: list[RunningFile] = []
        for file in files:
            if file.state == "running":
                running.append(RunningFile(file.number, file.name, file.heard_ms, file.duration_ms))
            elif file.state != "queued" and self._tell(file.number):
                events.append(Event("file", self._id, file))
        progress = JobProgress(job.id, job.state, job.counts, tuple(running))
        if progress != self._progress:
            self._progress = progress
            events.insert(0, Event("progress", seen, progress))
        if not job.counts.open and self._told >= job.counts.total:
            self.over = True
            events.append(Event("done", self._id, job))
        return events

    @property
    def _told(self) -> int:
        return self._before + len(self._beyond)

    @property
    def _id(self) -> str:
        return "+".join(map(str, [self._before, *sorted(self._beyond)[:MAX_TOLD]]))

    def _tell(self, number: int) -> bool:
        """Note that a file is told; False: it was."""
        if number < self._before or number in self._beyond:
            return False
        self._beyond.add(number)
        while self._before in self._beyond:
            self._beyond.remove(self._before)
            self._before += 1
        return True
