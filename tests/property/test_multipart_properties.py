"""Whatever is sent, and in whatever pieces, a form is read the same or refused in words."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.errors import ProtocolError
from gapless.serve.openai.multipart import read_form

CONTENT_TYPE = "multipart/form-data; boundary=bb"

# Text that looks like the form's own marks is the most likely to confuse its reader.
values = st.lists(
    st.sampled_from([b"\r\n", b"--bb", b"--", b"-", b"\r", b"\n", b"bb", b"value", b"\xc3\xa9"]),
    max_size=8,
).map(b"".join)


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def outcome(chunks: Sequence[bytes]) -> object:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    with ThreadPoolExecutor(1) as executor:
        try:
            form = asyncio.run(read_form(body(), CONTENT_TYPE, executor, stall_ms=60_000))
        except ProtocolError:
            return "refused"
    with form:
        return form.fields, form.file and (form.file.name, form.file.content.read())


@pytest.mark.long
@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b[]", "file"]), values), max_size=4),
    st.lists(st.integers(0, 2000), max_size=12),
    st.binary(max_size=8),
)
def test_the_split_of_the_body_does_not_matter(
    parts: list[tuple[str, bytes]], cuts: list[int], tail: bytes
) -> None:
    body = b"".join(
        b'--bb\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in parts
    )
    body += b"--bb--\r\n" + tail
    assert outcome(split(body, cuts)) == outcome([body])


@pytest.mark.long
@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=200), st.lists(st.integers(0, 2000), max_size=5))
def test_any_bytes_are_read_or_refused(body: bytes, cuts: list[int]) -> None:
    assert outcome(split(b"--bb\r\n" + body, cuts)) == outcome([b"--bb\r\n" + body])
