"""A multipart form is put together whatever its split, and nothing in it is unbounded."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.exceptions import HTTPException

from gapless.errors import ProtocolError, TooLargeError
from gapless.serve.openai.multipart import Form, FormLimits, boundary_of, read_form

BOUNDARY = "xYzZy"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n"
    return head.encode() + value + b"\r\n"


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def chunks(data: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in data:
        yield chunk


def read(
    *data: bytes, content_type: str = CONTENT_TYPE, limits: FormLimits | None = None
) -> tuple[tuple[tuple[str, str], ...], bytes | None, Form]:
    with ThreadPoolExecutor(1) as executor:
        form = asyncio.run(
            read_form(chunks(data), content_type, executor, limits=limits, stall_ms=60_000)
        )
    with form:
        return form.fields, form.file.content.read() if form.file else None, form


def test_fields_keep_their_order_and_the_file_its_bytes() -> None:
    content = bytes(range(256)) * 50
    fields, received, form = read(
        whole(
            part("a[]", b"1"),
            part("file", content, "x.wav"),
            part("a[]", b"2"),
            part("b", b"\xc3\xa9"),
        )
    )
    assert fields == (("a[]", "1"), ("a[]", "2"), ("b", "é"))
    assert received == content
    assert form.file is not None
    assert (form.file.name, form.file.size_bytes) == ("x.wav", len(content))
    assert form.file.content.closed


def test_a_file_larger_than_what_is_gathered_in_memory_arrives_whole() -> None:
    content = bytes(range(256)) * 4 * 1024 * 5
    body = whole(part("file", content, "long.wav"))
    _, received, _ = read(*(body[i : i + 65_536] for i in range(0, len(body), 65_536)))
    assert received == content


def test_the_file_is_known_by_its_name_even_without_a_file_name() -> None:
    fields, received, form = read(whole(part("file", b"RIFF"), part("model", b"m", "blob")))
    assert fields == (("model", "m"),)
    assert received == b"RIFF"
    assert form.file is not None
    assert form.file.name is None


def test_a_form_without_a_file_has_none() -> None:
    assert read(whole(part("model", b"m")))[:2] == ((("model", "m"),), None)


def test_an_empty_file_is_a_file() -> None:
    _, received, form = read(whole(part("file", b"", "empty.wav")))
    assert received == b""
    assert form.file is not None
    assert form.file.size_bytes == 0


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
        "\xff",
    ],
)
def test_other_content_types_are_refused_with_415(content_type: str) -> None:
    with pytest.raises(HTTPException) as caught:
        boundary_of(content_type)
    assert caught.value.status_code == 415
    assert "multipart/form-data" in caught.value.detail


def test_a_form_that_breaks_off_is_refused() -> None:
    body = whole(part("file", b"x" * 5000, "x.wav"))
    with pytest.raises(ProtocolError, match="breaks off"):
        read(body[:3000])


def test_an_empty_body_is_refused() -> None:
    with pytest.raises(ProtocolError, match="breaks off"):
        read(b"")


def test_bytes_that_are_no_form_are_refused() -> None:
    with pytest.raises(ProtocolError, match="rules of multipart"):
        read(b"PK\x03\x04" * 100)


def test_a_second_file_is_refused() -> None:
    with pytest.raises(ProtocolError, match="twice") as caught:
        read(whole(part("file", b"a", "a"), part("file", b"b", "b")))
    assert caught.value.param == "file"


def test_a_part_without_a_name_is_refused() -> None:
    with pytest.raises(ProtocolError, match="no name"):
        read(f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n--{BOUNDARY}--".encode())


def test_a_field_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(ProtocolError, match="UTF-8") as caught:
        read(whole(part("prompt", b"\xff\xfe")))
    assert caught.value.param == "prompt"


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(TooLargeError, match="more than 3 fields"):
        read(whole(*(part(f"f{i}", b"") for i in range(4))), limits=FormLimits(fields=3))


def test_a_field_over_its_bound_is_refused() -> None:
    with pytest.raises(TooLargeError, match="prompt is longer than 10 bytes") as caught:
        read(whole(part("prompt", b"x" * 11)), limits=FormLimits(field_bytes=10))
    assert caught.value.param == "prompt"


def test_endless_headers_are_refused() -> None:
    with pytest.raises(ProtocolError, match="rules of multipart"):
        read(f"--{BOUNDARY}\r\nX: ".encode() + b"x" * 100_000)


def test_an_endless_boundary_is_refused() -> None:
    with pytest.raises(ProtocolError, match="Boundary length"):
        read(b"", content_type=f"multipart/form-data; boundary={'x' * 1000}")


def test_a_client_that_sends_nothing_more_is_given_up() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield part("file", b"x", "x.wav")
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as executor, pytest.raises(ProtocolError, match="nothing more"):
        asyncio.run(read_form(stalled(), CONTENT_TYPE, executor, stall_ms=10))
