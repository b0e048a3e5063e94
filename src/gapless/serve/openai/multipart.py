"""A multipart form, taken in as it arrives: its files go to disk, its fields stay in memory.

In: the body of a request, in any split. Out: a ``Form``. Invariants: the result does not depend on the split; the
number of files and the number and size of fields and headers are bounded, the size of the body is bounded by whoever
sends it here; whatever goes wrong, no temporary file is left. Thread: the event loop's; only ``FormReader.write``
blocks, for the disk.
Source: RFC 7578 (multipart/form-data), parsed by python-multipart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, Final, Self, final

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

from gapless.errors import ProtocolError, StoreError, TooLargeError

WRITE_BYTES: Final = 1024 * 1024
"""Bytes of the file gathered in memory before they are written."""


class FormLimits(msgspec.Struct, frozen=True):
    """What a form may hold."""

    fields: int = 64
    field_bytes: int = 64 * 1024
    files: int = 1
    """Each is open until the form is closed."""


class UploadedFile(msgspec.Struct, frozen=True):
    """A file of a form, rewound to its beginning."""

    name: str | None
    """As the client sent it: never a path to be trusted."""
    content: BinaryIO
    size_bytes: int


class Form(msgspec.Struct, frozen=True):
    """A form that has arrived. Closing it deletes the files."""

    fields: tuple[tuple[str, str], ...]
    """Names and values, in the order they were sent."""
    files: tuple[UploadedFile, ...]
    """In the order they were sent."""

    @property
    def file(self) -> UploadedFile | None:
        """The file of a form that may have one."""
        return self.files[0] if self.files else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self.files:
            file.content.close()


async def read_form(
    body: AsyncIterator[bytes],
    content_type: str,
    executor: Executor,
    *,
    file_field: str = "file",
    limits: FormLimits | None = None,
    stall_ms: int,
) -> Form:
    """Take in a whole form. The caller closes it.

    Args:
        body: the request's body.
        content_type: the request's header of that name, for the boundary between parts.
        executor: where files are written.
        file_field: name of the parts that are files; all others are fields.
        limits: what may be sent.
        stall_ms: a client that sends nothing for this long is given up.

    Raises:
        HTTPException: 415, the body is no multipart form.
        ProtocolError: the form is broken off or breaks RFC 7578, or two files were sent where one may be.
        TooLargeError: more files, or more or larger fields, than the limits allow.
        StoreError: a file does not fit on the disk.
    """
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as on_failure:
        reader = FormReader(boundary_of(content_type), file_field, limits or FormLimits())
        on_failure.callback(reader.close)
        while (data := await _next_bytes(body, stall_ms)) is not None:
            reader.feed(data)
            if reader.unwritten_bytes >= WRITE_BYTES:
                await loop.run_in_executor(executor, reader.write)
        await loop.run_in_executor(executor, reader.write)
        form = reader.finish()
        on_failure.pop_all()
    return form


async def _next_bytes(body: AsyncIterator[bytes], stall_ms: int) -> bytes | None:
    try:
        async with asyncio.timeout(stall_ms / 1000):
            return await anext(body, None)
    except TimeoutError:
        raise ProtocolError(
            f"nothing more of the upload came for {stall_ms / 1000:g} s; send it again"
        ) from None


def boundary_of(content_type: str) -> bytes:
    """The boundary that a content type names.

    Raises:
        HTTPException: 415, it is not that of a multipart form.
    """
    kind, parameters = parse_options_header(content_type)
    boundary = parameters.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        sent = f"not {content_type[:100]!r}" if content_type else "with its boundary"
        raise HTTPException(415, f"send the recording as multipart/form-data, {sent}")
    return boundary


@final
class FormReader:
    """The parts of one form, put together from bytes in any split."""

    def __init__(self, boundary: bytes, file_field: str, limits: FormLimits) -> None:
        self._file_field = file_field
        self._limits = limits
        self._fields: list[tuple[str, str]] = []
        self._files: list[_Spool] = []
        """Handed over by ``finish``."""
        self.unwritten_bytes = 0
        """Of all files."""
        self._ended = False
        # The part being read.
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._name = ""
        self._value = bytearray()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._take_header_name,
                    "on_header_value": self._take_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open_part,
                    "on_part_data": self._take_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise ProtocolError(f"the form cannot be read: {error}; send a shorter one") from error

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise ProtocolError(
                f"the form breaks the rules of multipart/form-data ({error}); "
                "let an HTTP library make it"
            ) from error

    def write(self) -> None:
        """Move what was received of the files out of the way; blocks for the disk."""
        try:
            for file in self._files:
                file.write()
        except OSError as error:
            raise StoreError(
                f"the upload cannot be put on disk ({error.strerror}); "
                "make room in the server's folder for temporary files"
            ) from error
        self.unwritten_bytes = 0

    def finish(self) -> Form:
        """The body is over and everything was written: hand over what it held."""
        if not self._ended:
            raise ProtocolError("the form breaks off before its end; send it again, in whole")
        files, self._files = self._files, []
        return Form(tuple(self._fields), tuple(file.uploaded() for file in files))

    def close(self) -> None:
        """Delete the files, unless they were handed over. Idempotent."""
        for file in self._files:
            file.close()

    # --- what the parser finds ----------------------------------------------------------------

    def _begin_part(self) -> None:
        self._disposition = b""
        self._value = bytearray()

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _open_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise ProtocolError("a part of the form has no name; give each part one")
        self._name = _text(options[b"name"])
        if self._name == self._file_field:
            self._open_file(options.get(b"filename"))
        elif len(self._fields) >= self._limits.fields:
            raise TooLargeError(
                f"the form has more than {self._limits.fields} fields; leave some out"
            )

    def _open_file(self, name: bytes | None) -> None:
        if len(self._files) >= self._limits.files:
            if self._limits.files == 1:
                raise ProtocolError(
                    f"{self._file_field} is given twice; send one recording a request",
                    param=self._file_field,
                )
            raise TooLargeError(
                f"the form has more than {self._limits.files} files; send them in several requests",
                param=self._file_field,
            )
        self._files.append(_Spool(None if name is None else name.decode("utf-8", "replace")))

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == self._file_field:
            self._files[-1].take(data[start:end])
            self.unwritten_bytes += end - start
            return
        self._value += data[start:end]
        if len(self._value) > self._limits.field_bytes:
            raise TooLargeError(
                f"{self._name[:100]} is longer than {self._limits.field_bytes} bytes; shorten it",
                param=self._name[:100],
            )

    def _end_part(self) -> None:
        if self._name != self._file_field:
            self._fields.append((self._name, _text(self._value, self._name[:100])))

    def _end(self) -> None:
        self._ended = True


@final
class _Spool:
    """A file on its way to the disk, where it has no name."""

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._place: BinaryIO | None = None
        """Made by the first ``write``."""
        self._unwritten: list[bytes] = []
        self._size_bytes = 0

    def take(self, data: bytes) -> None:
        self._unwritten.append(data)
        self._size_bytes += len(data)

    def write(self) -> None:
        """Write what was taken; blocks."""
        if self._place is None:
            self._place = TemporaryFile()  # noqa: SIM115 - closed by close(), or with the form
        elif not self._unwritten:
            return
        self._place.writelines(self._unwritten)
        self._place.flush()  # so that nothing is left to write when it is handed over
        self._unwritten.clear()

    def uploaded(self) -> UploadedFile:
        """Hand it over."""
        if self._place is None:
            raise AssertionError("a file is written before it is handed over")
        self._place.seek(0)
        return UploadedFile(self._name, self._place, self._size_bytes)

    def close(self) -> None:
        if self._place is not None:
            self._place.close()


def _text(data: bytes | bytearray, field: str | None = None) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError(
            f"{field or 'the name of a field'} is not UTF-8 text; encode it so", param=field
        ) from None
