"""Recordings in the ASR v2 dialect, and bodies as files."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest
from starlette.requests import Request

from gapless.audio.files import open_audio
from gapless.audio.format import AudioFormat, Encoding
from gapless.errors import InvalidAudioError, ProtocolError
from gapless.serve.asr_v2 import batch
from gapless.serve.asr_v2.batch import AUDIO, read_wish, unpack_bytes, unpack_json
from gapless.serve.recordings import Body, BodyWriter, read_body, wave_header

SAMPLES = (np.sin(np.arange(1600) / 10) * 20_000).astype("<i2").tobytes()


def body_of(data: bytes, audio: AudioFormat | None = None) -> Body:
    with BodyWriter(audio) as writer:
        writer.feed(data)
        return writer.finish()


def decode(body: Body) -> bytes:
    with body, wave.open(body.content, "rb") as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16_000, 2, 1)
        samples: bytes = file.readframes(file.getnframes())
        return samples


def json_of(data: bytes) -> bytes:
    return msgspec.json.encode({"audio_buffer": list(data), "description": "mine"})


@pytest.mark.parametrize("piece_chars", [1, 7, 1000, 1024 * 1024])
def test_a_json_list_of_bytes_is_those_bytes(
    piece_chars: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PIECE_CHARS", piece_chars)
    with body_of(json_of(SAMPLES)) as body:
        assert decode(unpack_json(body)) == SAMPLES


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"", InvalidAudioError),
        (b"nothing", ProtocolError),
        (b"{}", ProtocolError),
        (b'{"audio_buffer":"AAAA"}', ProtocolError),
        (b'{"audio_buffer":{"a":1}}', ProtocolError),
        (b'{"audio_buffer":[1,[2]]}', ProtocolError),
        (b'{"audio_buffer":[1,256]}', ProtocolError),
        (b'{"audio_buffer":[1,99999999999999999999999]}', ProtocolError),
        (b'{"audio_buffer":[1,-2]}', ProtocolError),
        (b'{"audio_buffer":[1.5,2]}', ProtocolError),
        (b'{"audio_buffer":[1e1,2]}', ProtocolError),
        (b'{"audio_buffer":[1 2]}', ProtocolError),
        (b'{"audio_buffer":[1,2,3]}', InvalidAudioError),
        (b'{"audio_buffer":[]}', InvalidAudioError),
        (b'{"audio_buffer":[ ]}', InvalidAudioError),
        (b'{"audio_buffer":"\xff"}', ProtocolError),
    ],
)
def test_other_json_is_refused(text: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=";"), body_of(text) as body:
        unpack_json(body)


def test_bytes_are_samples_unless_they_are_a_wave_file() -> None:
    with body_of(SAMPLES) as body:
        assert decode(unpack_bytes(body)) == SAMPLES
    with body_of(SAMPLES, AudioFormat()) as body:
        assert unpack_bytes(body) is body
        assert decode(body) == SAMPLES
    with body_of(SAMPLES[:-1]) as body, pytest.raises(InvalidAudioError, match="whole samples"):
        unpack_bytes(body)


@pytest.mark.parametrize(
    ("encoding", "channels"),
    [
        ("pcm_s16le", 1),
        ("pcm_s16le", 2),
        ("pcm_s32le", 1),
        ("pcm_f32le", 2),
        ("mulaw", 1),
        ("alaw", 2),
    ],
)
def test_raw_samples_of_every_encoding_become_a_file_that_can_be_read(
    encoding: Encoding, channels: int
) -> None:
    audio = AudioFormat(encoding, 8000, channels)
    silence = {"mulaw": b"\xff", "alaw": b"\xd5"}.get(encoding, b"\0")
    seconds = silence * (audio.bytes_per_second or 0)

    with body_of(seconds, audio) as body, open_audio(body.content) as file:
        assert file.info.duration_ms == 1000
        (block,) = file.blocks(8000, block_samples=8000)

    assert block.shape == (8000,)
    assert np.abs(block).max() < 0.001


def test_a_body_is_the_same_in_any_split_and_a_client_that_stalls_is_given_up() -> None:
    async def parts(*data: bytes, stalls: bool = False) -> AsyncIterator[bytes]:
        for part in data:
            yield part
        if stalls:
            await asyncio.Event().wait()

    async def take_in() -> None:
        with ThreadPoolExecutor(1) as executor:
            half = len(SAMPLES) // 2
            whole = parts(SAMPLES[:half], b"", SAMPLES[half:])
            assert decode(await read_body(whole, executor, audio=AUDIO, stall_ms=60_000)) == SAMPLES
            with pytest.raises(InvalidAudioError, match="is empty"):
                await read_body(parts(b""), executor, audio=None, stall_ms=60_000)
            with pytest.raises(ProtocolError, match="send it again"):
                await read_body(parts(b"x", stalls=True), executor, audio=None, stall_ms=1)

    asyncio.run(take_in())


def test_the_head_of_a_file_too_long_for_its_size_says_as_much_as_it_can() -> None:
    assert len(wave_header(AudioFormat(), 2**40)) == 44


def test_the_hash_is_that_of_what_was_sent() -> None:
    with body_of(b"ab", AudioFormat()) as body:
        assert (body.size_bytes, body.sha256[:8]) == (2, "fb8e20fc")


@pytest.mark.parametrize(
    ("kind", "audio", "unpacks"),
    [
        ("application/json", None, True),
        ("Application/JSON; charset=utf-8", None, True),
        ("application/octet-stream", None, True),
        ("", None, True),
        ("audio/l16; rate=16000", AudioFormat(), False),
        ("audio/wav", None, False),
        ("audio/flac", None, False),
    ],
)
def test_the_type_of_the_body_says_how_to_read_it(
    kind: str, audio: AudioFormat | None, *, unpacks: bool
) -> None:
    wish = read_wish(request_of(kind), "small")
    assert (wish.audio, wish.unpack is not None) == (audio, unpacks)
    assert wish.options.model == "small"


def test_a_body_of_another_type_is_refused() -> None:
    with pytest.raises(ProtocolError, match="send application/json"):
        read_wish(request_of("text/plain"), None)


def request_of(content_type: str) -> Request:
    return Request({"type": "http", "headers": [(b"content-type", content_type.encode())]})
