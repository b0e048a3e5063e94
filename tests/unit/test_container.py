"""Files that arrive in pieces."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import numpy as np
import pytest

from gapless.audio import container as container_module
from gapless.audio.codec import Decoder, open_decoder
from gapless.audio.files import write_audio
from gapless.audio.format import AudioFormat
from gapless.audio.types import Samples
from gapless.errors import AudioTooLongError, InvalidAudioError, UnsupportedAudioError
from gapless.testing.laws import require_same, run_stage, usual_splits

pytestmark = pytest.mark.long

STREAMABLE = [".wav", ".flac", ".ogg", ".mp3", ".webm"]
NOISE = np.random.default_rng(11).uniform(-0.9, 0.9, 16_000).astype(np.float32)


def new_decoder() -> Decoder:
    return open_decoder(AudioFormat("auto"))


def demuxers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "demuxer"]


def recorded(folder: Path, extension: str, signal: Samples = NOISE, rate_hz: int = 16_000) -> bytes:
    path = folder / f"sound{extension}"
    write_audio(path, [signal], rate_hz)
    return path.read_bytes()


@pytest.mark.parametrize("extension", STREAMABLE)
def test_any_split_gives_the_same_sound(tmp_path: Path, extension: str) -> None:
    data = recorded(tmp_path, extension)
    decoder = new_decoder()
    whole = run_stage(decoder, data, []).output
    assert 48_000 <= len(whole) <= 48_000 + 3 * 1152
    for split in usual_splits(len(data), ones=300):
        decoder.reset()
        require_same(run_stage(decoder, data, split).output, whole, f"{extension}")
    decoder.close()
    assert demuxers() == []


def test_the_sound_is_that_of_the_file_in_its_place(tmp_path: Path) -> None:
    data = recorded(tmp_path, ".flac", NOISE, 48_000)
    decoder = new_decoder()
    sound = run_stage(decoder, data, [1000] * 10).output
    decoder.close()
    np.testing.assert_allclose(sound, NOISE, atol=1e-4)


def test_sound_comes_out_while_the_file_is_still_coming(tmp_path: Path) -> None:
    data = recorded(tmp_path, ".webm")
    decoder = new_decoder()
    early = decoder.process(data[: len(data) // 2])
    assert 12_000 < len(early) < 30_000
    assert len(decoder.process(b"")) == 0
    decoder.close()


def test_the_thread_ends_with_the_stream(tmp_path: Path) -> None:
    data = recorded(tmp_path, ".ogg")
    decoder = new_decoder()
    assert demuxers() == []
    decoder.process(data[:1000])
    assert len(demuxers()) == 1
    decoder.reset()
    assert demuxers() == []
    decoder.process(data[:1000])
    decoder.close()
    decoder.close()
    assert demuxers() == []


def test_the_thread_ends_with_a_decoder_that_was_forgotten(tmp_path: Path) -> None:
    decoder = new_decoder()
    decoder.process(recorded(tmp_path, ".ogg")[:1000])
    (thread,) = demuxers()
    del decoder
    gc.collect()
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04" + bytes(np.random.default_rng(12).bytes(70_000)),
        b"It was a dark and stormy night. " * 3000,
        bytes(70_000),
    ],
    ids=["zip", "text", "zeros"],
)
def test_what_is_not_audio_is_refused_within_70_kb(data: bytes) -> None:
    decoder = new_decoder()
    split = [1000] * 70
    with pytest.raises(InvalidAudioError, match="not audio"):
        run_stage(decoder, data[:70_000], split)
    with pytest.raises(InvalidAudioError, match="not audio"):
        decoder.process(b"more")
    decoder.close()
    assert demuxers() == []


def test_a_playlist_is_refused() -> None:
    decoder = new_decoder()
    decoder.process(b"ffconcat version 1.0\nfile /etc/hostname\n")
    with pytest.raises(UnsupportedAudioError):
        decoder.flush()
    decoder.close()


def test_a_file_whose_index_comes_last_is_refused_as_a_stream(tmp_path: Path) -> None:
    data = recorded(tmp_path, ".m4a", np.tile(NOISE, 10))
    decoder = new_decoder()
    with pytest.raises(InvalidAudioError, match="index is at its end"):
        run_stage(decoder, data, [1000] * 1000)
    decoder.close()


def test_a_stream_without_bytes_is_silence() -> None:
    decoder = new_decoder()
    assert len(decoder.process(b"")) == 0
    assert len(decoder.flush()) == 0
    decoder.close()


def test_a_stream_that_is_cut_off_gives_what_came(tmp_path: Path) -> None:
    data = recorded(tmp_path, ".webm")
    decoder = new_decoder()
    sound = run_stage(decoder, data[: len(data) * 2 // 3], []).output
    decoder.close()
    assert 24_000 < len(sound) < 40_000


def test_a_block_that_unpacks_to_hours_is_refused_after_what_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_module, "MAX_BLOCK_S", 2)
    bomb = recorded(tmp_path, ".flac", np.zeros(60 * 48_000, np.float32), 48_000)
    decoder = new_decoder()
    sound = decoder.process(bomb)
    assert len(sound) < 3 * 48_000
    with pytest.raises(AudioTooLongError, match="send smaller blocks"):
        decoder.process(bomb)
    decoder.close()
    assert demuxers() == []


def test_bytes_behind_the_end_of_a_file_are_ignored(tmp_path: Path) -> None:
    data = recorded(tmp_path, ".wav")
    decoder = new_decoder()
    sound = [decoder.process(data), decoder.process(bytes(70_000)), decoder.flush()]
    decoder.close()
    assert sum(map(len, sound)) == 48_000
