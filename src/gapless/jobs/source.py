"""The bytes of a task's recording, as a file that can be read from any place.

In: a task. Out: an open file without a name, deleted when the block is left. Invariants: no more than a chunk is in
memory; what was fetched from a URL is in the store before it is heard, so that no attempt fetches it again, unless
there is no room for it.
Thread: the caller's; blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import BinaryIO, Final, TypeAlias

import structlog

from gapless.errors import ForbiddenError, OverloadError, StoreError
from gapless.jobs.loan import Loan, Lost
from gapless.store.queue import CHUNK_BYTES, JobQueue

log = structlog.get_logger(__name__)

Fetch: TypeAlias = Callable[[str], Iterator[bytes]]

NO_FETCHING: Final = (
    "recordings are not fetched from URLs here; set job_urls = true, or send the recording itself"
)


@contextmanager
def open_source(
    queue: JobQueue, loan: Loan, fetch: Fetch | None, max_bytes: int = 0
) -> Iterator[BinaryIO]:
    """The recording of a task.

    Args:
        queue: has the bytes, or takes them.
        loan: of the task.
        fetch: gets what is at a URL; None: that is not allowed.
        max_bytes: what recordings of jobs may take up in the store; 0: no bound.

    Raises:
        NotFoundError: the bytes are gone.
        ForbiddenError: it is at a URL, and fetching is not allowed.
        GaplessError: it cannot be fetched; see ``fetch``.
        StoreError: the bytes cannot be read, or there is no room for them on this machine.
        Lost: somebody else has the task.
    """
    file = loan.task.file
    with TemporaryFile() as place:
        if file.has_content or file.url is None:
            _fill(place, queue.content(loan.task.lease), loan)
        elif fetch is None:
            raise ForbiddenError(NO_FETCHING, param="url")
        else:
            _fill(place, fetch(file.url), loan)
            _keep(queue, loan, place, max_bytes)
        yield place


def _keep(queue: JobQueue, loan: Loan, place: BinaryIO, max_bytes: int) -> None:
    """Put what was fetched into the store, for the next attempt; without room there, that one fetches it again."""
    chunks = iter(lambda: place.read(CHUNK_BYTES), b"")
    try:
        kept = queue.store_content(loan.task.lease, chunks, max_bytes=max_bytes)
    except OverloadError as error:
        log.warning("fetched_not_kept", job=loan.task.lease.job_id, error=str(error))
    else:
        if not kept:
            raise Lost
    place.seek(0)


def _fill(place: BinaryIO, chunks: Iterator[bytes], loan: Loan) -> None:
    for chunk in chunks:
        loan.check()
        try:
            place.write(chunk)
        except OSError as error:
            raise StoreError(
                f"the recording cannot be put on disk ({error.strerror}); "
                "make room in this machine's folder for temporary files"
            ) from error
    place.seek(0)
