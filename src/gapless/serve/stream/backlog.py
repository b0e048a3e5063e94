"""What of a stream waits to be done: jobs in order, and how much audio they hold.

In: audio and wishes as they come. Out: jobs, one at a time. Invariants: nothing changes its place; audio that waits
together is one job, up to a bound; behind a border, where the stream begins anew with other options, audio is measured
by itself. Thread: the event loop's; no I/O.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from gapless.serve.stream.messages import StreamOptions
from gapless.serve.stream.meter import Meter
from gapless.serve.stream.work import HearJob, Job, OpenJob

MAX_JOBS: Final = 10_000
"""Jobs that may wait before reading pauses, however little audio they hold."""


class Backlog:
    """See the module's head; the first job is to open the stream.

    Args:
        options: of the stream.
    """

    def __init__(self, options: StreamOptions) -> None:
        self._jobs: deque[Job] = deque([OpenJob(options)])
        self._meters: deque[Meter] = deque([Meter(options.audio)])
        """Of the audio that is being heard; and of what comes in, behind a border that the jobs have not reached."""
        self._bytes_before = 0
        """Received before the last border."""

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def full(self) -> bool:
        """Whether no more jobs should be added."""
        return len(self._jobs) >= MAX_JOBS

    @property
    def incoming(self) -> Meter:
        """Measures the audio that comes in."""
        return self._meters[-1]

    @property
    def being_heard(self) -> Meter:
        """Measures the audio that is being heard."""
        return self._meters[0]

    @property
    def lag_ms(self) -> int:
        """Audio that waits to be processed."""
        meters = self._meters
        return meters[0].lag_ms if len(meters) == 1 else sum(meter.lag_ms for meter in meters)

    @property
    def received_bytes(self) -> int:
        """Audio received so far, and silence put in the place of what was lost."""
        return self._bytes_before + self.incoming.received

    @property
    def opens_next(self) -> bool:
        """Whether the next job, which there must be, opens the stream, the first time or anew."""
        return isinstance(self._jobs[0], OpenJob)

    def add(self, job: Job) -> None:
        """A job behind all others."""
        self._jobs.append(job)

    def receive(self, frame: bytes) -> None:
        """Audio to be heard."""
        self._jobs.extend(self.incoming.receive(frame))

    def seek(self, next_sample: int) -> bool:
        """The client goes on at ``next_sample``; whether silence had to be put in the place of what is lost."""
        silence = self.incoming.seek(next_sample)
        self._jobs.extend(silence)
        return bool(silence)

    def reopen(self, options: StreamOptions) -> None:
        """A border: what comes from now on is heard with these options."""
        self._bytes_before += self.incoming.received
        self._meters.append(Meter(options.audio))
        self._jobs.append(OpenJob(options, reopens=True))

    def take(self) -> Job:
        """The next job; there must be one."""
        job = self._jobs.popleft()
        if isinstance(job, OpenJob) and job.reopens:
            self._meters.popleft()
        if not isinstance(job, HearJob):
            return job
        frames, cost = [*job.frames], job.cost
        while self._jobs and isinstance(more := self._jobs[0], HearJob):
            if cost + more.cost > self.incoming.job_cost:
                break
            frames += more.frames
            cost += more.cost
            self._jobs.popleft()
        return HearJob(tuple(frames), cost)

    def clear(self) -> None:
        """Forget the jobs; what was received stays counted."""
        self._jobs.clear()
