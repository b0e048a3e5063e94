"""Recordings in the ASR v2 dialect: ``POST /v2/decode/batch/{model}``.

In: the head of a request; a body. Out: how to hear it; its audio. Invariants: a JSON list of bytes is turned into bytes
piece by piece, so that it takes no more memory than its text. Thread: any; ``unpack_json`` blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np
from starlette.requests import Request

from gapless.audio.format import AudioFormat
from gapless.errors import InvalidAudioError, ProtocolError
from gapless.serve.asr_v2.messages import BatchRequest, Decoded
from gapless.serve.recordings import Body, BodyWriter, Recorded, Wish
from gapless.serve.stream.messages import StreamOptions

AUDIO: Final = AudioFormat("pcm_s16le", 16_000, 1)
"""What the dialect sends where nothing else is said."""

RAW_TYPES: Final = frozenset({"audio/l16", "audio/pcm", "audio/raw", "audio/x-raw"})
"""Media types of samples without a head."""

PIECE_CHARS: Final = 1024 * 1024


def read_wish(request: Request, model: str | None) -> Wish:
    """What a request asks for.

    Args:
        request: its head.
        model: name of a recogniser; None: the default.

    Raises:
        ProtocolError: the body is of a kind that is not taken.
    """
    options = StreamOptions(model=model, interim=False, words=False)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return Wish(options, render, unpack=unpack_json)
    if kind in ("", "application/octet-stream"):
        return Wish(options, render, unpack=unpack_bytes)
    if kind in RAW_TYPES:
        return Wish(options, render, AUDIO)
    if kind.startswith("audio/"):
        return Wish(options, render)
    raise ProtocolError(
        f"a body of type {kind[:100]!r} is not taken; send application/json, application/octet-stream or audio/*"
    )


def render(recorded: Recorded) -> Decoded:
    """The JSON of a transcript."""
    seconds = recorded.transcript.duration_ms / 1000
    return Decoded(recorded.transcript.text, "COMPLETE", metadata={"audio_length_seconds": seconds})


def unpack_bytes(body: Body) -> Body:
    """Samples without a head, unless the bytes are those of a WAVE file; blocks."""
    start = body.content.read(12)
    body.content.seek(0)
    if start[:4] == b"RIFF" and start[8:] == b"WAVE":
        return body
    if body.size_bytes % 2:
        raise InvalidAudioError(
            f"{body.size_bytes} bytes end within a sample; send whole samples of 16 bits"
        )
    with BodyWriter(AUDIO) as writer:
        while data := body.content.read(PIECE_CHARS):
            writer.feed(data)
            writer.write()
        return writer.finish()


def unpack_json(body: Body) -> Body:
    """The samples in a JSON list of bytes; blocks.

    Raises:
        ProtocolError: the JSON has no such list.
        InvalidAudioError: the list is empty, or ends within a sample.
    """
    try:
        text = bytes(msgspec.json.decode(body.content.read(), type=BatchRequest).audio_buffer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(
            f"the JSON cannot be used: {error}; send an audio_buffer", param="audio_buffer"
        ) from error
    with BodyWriter(AUDIO) as writer:
        size = 0
        for piece in _pieces(text):
            size += len(piece)
            writer.feed(piece)
            writer.write()
        if size % 2:
            raise InvalidAudioError(
                f"{size} bytes end within a sample; send whole samples of 16 bits",
                param="audio_buffer",
            )
        return writer.finish()


def _pieces(text: bytes) -> Iterator[bytes]:
    """The bytes that a JSON list of numbers stands for."""
    refusal = ProtocolError(
        "audio_buffer is no list of whole numbers from 0 to 255; send the bytes of the samples so",
        param="audio_buffer",
    )
    if text.translate(None, b"0123456789, \t\r\n") != b"[]":
        raise refusal
    start, last = 1, len(text) - 1
    while start < last:
        end = text.find(b",", min(start + PIECE_CHARS, last))
        end = last if end < 0 else end
        numbers = np.fromstring(text[start:end], np.int64, sep=",")
        if numbers.size and numbers.max() > 255:
            raise refusal
        yield numbers.astype(np.uint8).tobytes()
        start = end + 1
