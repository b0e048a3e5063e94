"""Compressed bodies: what clients send is read, and what attackers send costs no more than its bound."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from starlette.exceptions import HTTPException

from gapless.errors import ProtocolError, TooLargeError
from gapless.serve.kserve.encoding import Encoding, deflate, encoding_of, inflate, wanted_encoding

BODY = b"tensor" * 1000


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("deflate", "deflate"),
    ],
)
def test_the_encoding_of_a_body_is_that_of_its_header(
    header: str | None, encoding: Encoding | None
) -> None:
    assert encoding_of(header) == encoding


@pytest.mark.parametrize("header", ["br", "gzip, deflate", "zstd"])
def test_an_encoding_that_is_not_known_is_an_unsupported_media_type(header: str) -> None:
    with pytest.raises(HTTPException) as caught:
        encoding_of(header)

    assert caught.value.status_code == 415


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (None, None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", None),
        ("identity", None),
    ],
)
def test_only_a_client_that_asks_for_one_encoding_gets_it(
    header: str | None, encoding: Encoding | None
) -> None:
    assert wanted_encoding(header) == encoding


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_was_compressed_comes_back(encoding: Encoding) -> None:
    packed = deflate(BODY, encoding)

    assert len(packed) < len(BODY)
    assert inflate(packed, encoding, len(BODY)) == BODY


def test_other_programs_understand_it() -> None:
    assert gzip.decompress(deflate(BODY, "gzip")) == BODY
    assert zlib.decompress(deflate(BODY, "deflate")) == BODY
    assert inflate(gzip.compress(BODY, mtime=0), "gzip", len(BODY)) == BODY
    assert inflate(zlib.compress(BODY), "deflate", len(BODY)) == BODY


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_would_pass_its_bound_is_refused(encoding: Encoding) -> None:
    with pytest.raises(TooLargeError, match="inflated"):
        inflate(deflate(BODY, encoding), encoding, len(BODY) - 1)


@pytest.mark.long
def test_a_bomb_costs_no_more_memory_than_the_bound() -> None:
    bomb = deflate(bytes(64 * 2**20), "gzip")
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            inflate(bomb, "gzip", 2**16)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 2**20


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not compressed at all",
        gzip.compress(BODY, mtime=0)[:-1],
        gzip.compress(BODY, mtime=0) + b"more",
        gzip.compress(BODY, mtime=0) + gzip.compress(BODY, mtime=0),
        zlib.compress(BODY),
    ],
    ids=["empty", "plain", "cut", "trailing", "two", "zlib"],
)
def test_a_body_that_is_not_one_whole_stream_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="send"):
        inflate(body, "gzip", 2**20)
