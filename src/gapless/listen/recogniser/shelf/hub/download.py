"""Fetches one file, goes on where an earlier try broke off, and takes it only if it is the right one.

In: an address, and what the file must be. Out: the file, whole. Invariants: ``target`` appears only with the size and
the sums that were expected; what has arrived of it waits beside it as ``NAME.part`` and is not fetched twice, whatever
interrupts (a cut connection, Ctrl-C, a kill); a part that turns out wrong is thrown away and fetched once more.
Ranges are those of RFC 9110, 14. Thread: any, one for each target; blocks.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, final

import msgspec

from gapless.errors import ConnectionLostError, ModelError, StoreError
from gapless.listen.recogniser.shelf.hub.client import TIMEOUT_S, USER_AGENT, refusal, unreachable

if TYPE_CHECKING:
    from hashlib import _Hash

BLOCK_BYTES: Final = 256 * 1024

ATTEMPTS: Final = 5
"""Tries in a row that bring nothing before it is given up."""

FIRST_PAUSE_S: Final = 1.0
"""After a try that brought nothing; doubled each time."""

PART_SUFFIX: Final = ".part"

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")

_RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may be another in a moment."""

Report: TypeAlias = Callable[[int], None]
"""Told how many bytes of the file are here."""


class Expected(msgspec.Struct, frozen=True):
    """What a file must be."""

    size_bytes: int
    sha256: str | None = None
    blob_sha1: str | None = None
    """SHA-1 of Git's blob (a header and the contents), where that is all that the hub says."""


def download(
    url: str,
    target: Path,
    expected: Expected,
    report: Report,
    *,
    timeout_s: float = TIMEOUT_S,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch a file; one that lies complete in ``NAME.part`` is only checked.

    Args:
        url: where it is; redirects are followed.
        target: where it is to be; its folder must be there.
        expected: what it must be.
        report: called as bytes arrive.
        timeout_s: silence of the server that counts as a cut connection.
        pause: waits the given seconds between tries that brought nothing.

    Raises:
        ModelNotFoundError: there is no such file, or not for everybody.
        ConnectionLostError: the server cannot be reached, or goes away again and again.
        ModelError: the file is not what was expected, twice.
        StoreError: the disk is full or cannot be written.
    """
    part = target.with_name(target.name + PART_SUFFIX)
    damaged = fruitless = reached = 0
    while True:
        here = _Part(part, expected)
        reached = max(reached, here.size_bytes)
        try:
            if not here.complete:
                _fetch_rest(url, here, report, timeout_s)
            wrong = here.wrong()
        except _WrongError as error:
            wrong = str(error)
        except _CutError as cut:
            fruitless = 0 if here.size_bytes > reached else fruitless + 1
            if fruitless == ATTEMPTS:
                raise cut.error from cut
            pause(FIRST_PAUSE_S * 2 ** (fruitless - 1) if fruitless else 0.0)
            continue
        finally:
            here.close()
        if not wrong:
            part.replace(target)
            return
        part.unlink()
        damaged += 1
        if damaged == 2:
            raise ModelError(
                f"{url} is not the file that was expected: {wrong}; try again later, or choose another model"
            )


class _WrongError(Exception):
    """The server has another file than was expected."""


class _CutError(Exception):
    """The connection broke, or the server asked to come back."""

    def __init__(self, error: ConnectionLostError) -> None:
        super().__init__(str(error))
        self.error = error


@final
class _Part:
    """What has arrived of a file, and its sums so far."""

    def __init__(self, path: Path, expected: Expected) -> None:
        self._expected = expected
        try:
            self._file = path.open("ab+")
        except OSError as error:
            raise _unwritable(path, error) from error
        self._path = path
        if self._file.tell() > expected.size_bytes:
            self._file.truncate(0)
        self._begin_sums()
        self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES):
            self._add(block)

    @property
    def size_bytes(self) -> int:
        """Bytes that are here."""
        return self._size

    @property
    def expected_bytes(self) -> int:
        """Bytes of the whole file."""
        return self._expected.size_bytes

    @property
    def complete(self) -> bool:
        """Whether all bytes are here."""
        return self._size == self._expected.size_bytes

    def restart(self) -> None:
        """Forget what is here."""
        self._file.truncate(0)
        self._begin_sums()

    def append(self, block: bytes) -> None:
        """Write the next bytes."""
        try:
            self._file.write(block)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self._add(block)

    def close(self) -> None:
        """Bring it to the disk."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def wrong(self) -> str:
        """Why it is not the file that was expected; empty if it is."""
        wanted = self._expected
        if self._size != wanted.size_bytes:
            return f"it has {self._size} bytes and not {wanted.size_bytes}"
        for name, found, sum_wanted in (
            ("SHA-256", self._sha256.hexdigest(), wanted.sha256),
            ("Git blob", self._blob_sha1.hexdigest(), wanted.blob_sha1),
        ):
            if sum_wanted is not None and found != sum_wanted.lower():
                return f"its {name} sum is {found} and not {sum_wanted}"
        return ""

    def _begin_sums(self) -> None:
        self._size = 0
        self._sha256: _Hash = hashlib.sha256()
        self._blob_sha1: _Hash = hashlib.sha1(usedforsecurity=False)
        self._blob_sha1.update(b"blob %d\0" % self._expected.size_bytes)

    def _add(self, block: bytes) -> None:
        self._size += len(block)
        self._sha256.update(block)
        if self._expected.blob_sha1 is not None:
            self._blob_sha1.update(block)


def _fetch_rest(url: str, part: _Part, report: Report, timeout_s: float) -> None:
    """Append what is missing.

    Raises:
        _CutError: not all of it came.
        _WrongError: the server has another file.
    """
    headers = {"User-Agent": USER_AGENT}
    if part.size_bytes:
        headers["Range"] = f"bytes={part.size_bytes}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the hub's address
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            if not _goes_on(response, part):
                part.restart()
            # No further than the first byte too many: a server may go on for ever.
            while part.size_bytes <= part.expected_bytes and (block := response.read1(BLOCK_BYTES)):
                part.append(block)
                report(part.size_bytes)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error.code, url) from error
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(unreachable(url, error)) from error
    if part.size_bytes < part.expected_bytes:
        raise _CutError(
            ConnectionLostError(
                f"{url} broke off at {part.size_bytes} of {part.expected_bytes} bytes again and again; "
                "pull again later: what has arrived is kept"
            )
        )


def _goes_on(response: http.client.HTTPResponse, part: _Part) -> bool:
    """Whether the answer begins where the part ends; else it is the whole file.

    Raises:
        _WrongError: it is of a file of another size, or begins elsewhere.
    """
    goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
    given = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if goes_on and (given is None or int(given[1]) != part.size_bytes):
        raise _WrongError("it comes in ranges that nobody asked for")
    total = given[2] if goes_on and given else response.headers.get("Content-Length")
    if total is not None and int(total) != part.expected_bytes:
        raise _WrongError(f"it has {total} bytes and not {part.expected_bytes}")
    return goes_on


def _refused(status: int, url: str) -> Exception:
    """What to raise for an HTTP status that is no success."""
    if status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return _WrongError("it is shorter than what is here")
    error = refusal(status, url)
    if status in _RETRIED and isinstance(error, ConnectionLostError):
        return _CutError(error)
    return error


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be written ({error.strerror or error}); make room there, or choose another folder with "
        "--models-dir"
    )
