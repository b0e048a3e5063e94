"""Files of every usual kind, whole, damaged and hostile."""

from __future__ import annotations

import io
import socket
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from gapless.audio.demux import AudioInfo
from gapless.audio.files import KINDS, open_audio, read_audio, write_audio
from gapless.audio.types import Samples
from gapless.errors import (
    AudioError,
    DeviceError,
    GaplessError,
    InvalidAudioError,
    NotFoundError,
    UnsupportedAudioError,
)

EXTENSIONS = list(KINDS)
LOSSLESS = {".wav", ".flac"}
RATE_HZ = 16_000


def chirp(n_samples: int = 24_000) -> Samples:
    """A sweep between two silences: no other place fits it."""
    seconds = np.arange(n_samples) / RATE_HZ
    signal = 0.4 * np.sin(2 * np.pi * (200 * seconds + 400 * seconds**2))
    signal[:1600] = signal[-1600:] = 0
    return signal.astype(np.float32)


def write(path: Path, signal: Samples, rate_hz: int = RATE_HZ) -> Path:
    write_audio(path, [signal[i : i + 777] for i in range(0, len(signal), 777)], rate_hz)
    return path


def read(source: Path | io.BytesIO, rate_hz: int = RATE_HZ) -> Samples:
    return np.concatenate(list(read_audio(source, rate_hz)))


def shift_of(actual: Samples, expected: Samples) -> int:
    """By how many samples ``actual`` comes late, from the peak of the cross-correlation."""
    size = 2 * max(len(actual), len(expected))
    spectrum = np.fft.rfft(actual, size) * np.conj(np.fft.rfft(expected, size))
    peak = int(np.argmax(np.fft.irfft(spectrum, size)))
    return peak if peak < size // 2 else peak - size


class Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(size)


def info_of(source: Path | io.BytesIO) -> AudioInfo:
    with open_audio(source) as audio:
        return audio.info


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 48_000])
def test_what_is_written_is_read_again_in_its_place(
    tmp_path: Path, extension: str, rate_hz: int
) -> None:
    signal = chirp()
    path = write(tmp_path / f"sound{extension}", signal, rate_hz)
    again = read(path, rate_hz)

    assert shift_of(again, signal) == 0
    # AAC ends on a frame; all else is exact.
    assert len(signal) <= len(again) <= len(signal) + (1024 if extension == ".m4a" else 0)
    error = again[: len(signal)] - signal
    noise = {".wav": 1e-4, ".flac": 1e-4, ".mp3": 0.1}.get(extension, 0.04)
    assert np.std(error) < noise * np.std(signal)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_file_says_what_it_is(tmp_path: Path, extension: str) -> None:
    info = info_of(write(tmp_path / f"sound{extension}", chirp()))

    codec = {".wav": "pcm_s16le", ".flac": "flac", ".mp3": "mp3", ".m4a": "aac"}
    assert info.codec == codec.get(extension, "opus")
    assert info.rate_hz == (48_000 if info.codec == "opus" else RATE_HZ)
    assert info.channels == 1
    assert info.duration_ms == pytest.approx(1500, abs=15)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_objects_are_read_like_paths_and_stay_open(tmp_path: Path, extension: str) -> None:
    path = write(tmp_path / f"sound{extension}", chirp())
    source = io.BytesIO(path.read_bytes())
    assert info_of(source) == info_of(path)
    source.seek(0)
    assert read(source).tobytes() == read(path).tobytes()
    assert not source.closed


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_pipe_is_read_once_from_front_to_back(tmp_path: Path, extension: str) -> None:
    data = write(tmp_path / f"sound{extension}", chirp()).read_bytes()
    with open_audio(Pipe(data)) as audio:  # type: ignore[arg-type]
        assert audio.info.channels == 1
        samples = sum(map(len, audio.blocks(RATE_HZ)))
    # Where the length is kept at the end of the file, the last codec frame is not cut.
    assert 24_000 <= samples <= 24_000 + 1152


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_files_are_brought_to_the_asked_rate(tmp_path: Path, rate_hz: int) -> None:
    hz = 1000.0
    seconds = np.arange(RATE_HZ) / RATE_HZ
    path = write(
        tmp_path / "sound.wav", (0.5 * np.sin(2 * np.pi * hz * seconds)).astype(np.float32)
    )
    again = read(path, rate_hz)

    assert len(again) == rate_hz
    expected = 0.5 * np.sin(2 * np.pi * hz * np.arange(rate_hz) / rate_hz)
    middle = slice(rate_hz // 5, -rate_hz // 5)
    assert np.abs(again[middle] - expected[middle]).max() < 1e-3


@pytest.mark.parametrize("layout", ["stereo", "5.1"])
@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_channels_of_any_sample_format_are_averaged(
    tmp_path: Path, codec: str, layout: str
) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = cast("AudioStream", container.add_stream(codec, rate=RATE_HZ, layout=layout))
        channels = stream.layout.nb_channels
        planes = np.outer(np.arange(channels) == 1, np.full(900, 0.5)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    np.testing.assert_allclose(read(path), np.full(900, 0.5 / channels), atol=0.005)


def test_blocks_have_the_asked_length(tmp_path: Path) -> None:
    path = write(tmp_path / "sound.flac", chirp())
    blocks = list(read_audio(path, RATE_HZ, block_samples=1000))
    assert [len(block) for block in blocks] == [1000] * 24
    assert np.concatenate(blocks).tobytes() == read(path).tobytes()


@pytest.mark.long
def test_reading_takes_memory_for_a_few_blocks_only(tmp_path: Path) -> None:
    minute = np.zeros(60 * RATE_HZ, np.float32)
    path = tmp_path / "long.flac"
    write_audio(path, (minute for _ in range(5)), RATE_HZ)
    blocks = read_audio(path, RATE_HZ)
    next(blocks)
    tracemalloc.start()
    try:
        heard = sum(len(block) for block in blocks)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert heard == 5 * len(minute) - 16_000
    assert peak_bytes < minute.nbytes / 4


# --- bad files ---


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("sound.txt", "la la la " * 500)
    return buffer.getvalue()


def wav_bytes() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
    return buffer.getvalue()


NOT_AUDIO = {
    "empty": b"",
    "one byte": b"a",
    "text": b"This is a letter, not a recording.\n" * 300,
    "zip": archive(),
    "html": b"<!doctype html><html><body>404 Not Found</body></html>",
    "zeros": bytes(50_000),
    "noise": np.random.default_rng(10).bytes(100_000),
    "header only": wav_bytes()[:20],
    "no samples": wav_bytes()[:44],
}


@pytest.mark.parametrize("kind", NOT_AUDIO)
def test_what_is_not_audio_is_refused_with_advice(kind: str) -> None:
    with pytest.raises(InvalidAudioError, match=r"send .*wav, flac, ogg, opus, mp3, m4a or webm"):
        list(read_audio(io.BytesIO(NOT_AUDIO[kind]), RATE_HZ))


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for packet in stream.encode(av.VideoFrame(32, 32, "yuv420p")):
            container.mux(packet)
        container.mux(stream.encode(None))
    with pytest.raises(UnsupportedAudioError, match=r"silent\.mp4 has no sound track"):
        info_of(path)


@pytest.mark.parametrize("extension", [e for e in EXTENSIONS if e != ".m4a"])
def test_a_file_that_was_cut_off_gives_what_is_there(tmp_path: Path, extension: str) -> None:
    data = write(tmp_path / f"sound{extension}", chirp()).read_bytes()
    signal = read(io.BytesIO(data[: len(data) * 2 // 3]))
    assert 8_000 < len(signal) < 20_000
    error = signal[:8000] - chirp()[:8000]
    assert np.std(error) < 0.1 * np.std(chirp())


def test_a_cut_off_file_without_its_index_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "sound.m4a", chirp()).read_bytes()
    with pytest.raises(InvalidAudioError):
        read(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.parametrize("extension", [".mp3", ".ogg", ".flac", ".webm"])
def test_damage_in_the_middle_does_not_stop_the_reading(tmp_path: Path, extension: str) -> None:
    data = bytearray(write(tmp_path / f"sound{extension}", chirp()).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 100] = bytes(range(100))
    signal = read(io.BytesIO(bytes(data)))
    assert 6_000 < len(signal) < 25_000
    assert np.isfinite(signal).all()


def test_a_number_that_is_none_inside_a_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "nan.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, 9), np.nan, np.float32), "flt", "mono")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
    with pytest.raises(InvalidAudioError, match="not a finite number"):
        read(path)


@pytest.mark.parametrize("rate_hz", [1, 3_999, 384_001, 2**31 - 1])
def test_a_rate_that_no_recorder_has_is_refused(rate_hz: int) -> None:
    header = bytearray(wav_bytes())
    at = header.index(b"fmt ") + 12
    header[at : at + 4] = rate_hz.to_bytes(4, "little")
    with pytest.raises(UnsupportedAudioError, match=f"sample rate of {rate_hz} Hz"):
        read(io.BytesIO(bytes(header)))


def test_a_file_that_does_not_exist_is_named() -> None:
    with pytest.raises(NotFoundError, match=r"no file nowhere\.wav"):
        info_of(Path("nowhere.wav"))


def test_a_folder_is_not_audio(tmp_path: Path) -> None:
    with pytest.raises(InvalidAudioError, match="cannot be read"):
        read(tmp_path)


# --- hostile files: nothing but the given bytes is ever read ---


def playlists(url: str) -> dict[str, bytes]:
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n".encode(),
        "concat": f"ffconcat version 1.0\nfile '{url}'\n".encode(),
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "dash": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
            f'<AdaptationSet mimeType="audio/mp4"><Representation id="1"><BaseURL>{url}</BaseURL>'
            "</Representation></AdaptationSet></Period></MPD>"
        ).encode(),
        "asx": f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>'.encode(),
        "rtsp text": f"RTSPtextRTSP://{url}\n".encode(),
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }


@pytest.mark.parametrize("kind", playlists(""))
def test_playlists_are_refused_and_nothing_they_name_is_opened(tmp_path: Path, kind: str) -> None:
    secret = write(tmp_path / "secret.wav", chirp())
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        for url in (str(secret), secret.as_uri(), f"http://127.0.0.1:{port}/secret.wav"):
            with pytest.raises((UnsupportedAudioError, InvalidAudioError)):
                list(read_audio(io.BytesIO(playlists(url)[kind]), RATE_HZ))
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_playlist_that_hides_behind_an_extension_is_refused(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.wav", chirp())
    trap = tmp_path / "song.mp3"
    trap.write_bytes(playlists(str(secret))["hls"])
    with pytest.raises(GaplessError):
        read(trap)


# --- writing ---


def test_an_unknown_extension_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedAudioError, match=r"\.wav, \.flac"):
        write_audio(tmp_path / "sound.xyz", [], RATE_HZ)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"sound{extension}"
    path.write_bytes(b"before")

    def broken() -> Iterator[Samples]:
        yield chirp()
        assert path.read_bytes() == b"before"
        raise DeviceError("the microphone was unplugged")

    with pytest.raises(DeviceError):
        write_audio(path, broken(), RATE_HZ)

    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"before"


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"cannot write .*gone.*choose another folder"):
        write_audio(tmp_path / "gone" / "sound.wav", [chirp()], RATE_HZ)


def test_a_number_that_is_none_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidAudioError):
        write_audio(tmp_path / "sound.wav", [np.array([np.nan], np.float32)], RATE_HZ)
    assert list(tmp_path.iterdir()) == []


def test_writing_counts_what_it_took(tmp_path: Path) -> None:
    blocks = [np.zeros(n, np.float32) for n in (5, 0, 4000)]
    assert write_audio(tmp_path / "sound.opus", blocks, 22_050) == 4005


@pytest.mark.parametrize("extension", sorted(LOSSLESS))
def test_nothing_at_all_can_be_written(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"sound{extension}"
    assert write_audio(path, [], RATE_HZ) == 0
    assert info_of(path).rate_hz == RATE_HZ


def test_what_is_too_loud_is_clipped_not_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    write_audio(path, [np.array([2.0, -2.0, 0.5], np.float32)], RATE_HZ)
    np.testing.assert_allclose(read(path), [1.0, -1.0, 0.5], atol=1e-4)
