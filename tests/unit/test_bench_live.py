"""What live benches are made of: their speech, their clock, and what counts as served."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import wave
from pathlib import Path

import msgspec
import numpy as np
import pytest
from websockets.frames import Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from gapless.bench.contenders.live import MOST_LAG_US, Trial
from gapless.bench.live_client import (
    CHUNK_SAMPLES,
    Report,
    StreamReport,
    _audio_frames,
    cause_sample,
    chunk_with,
    decision_sample,
)
from gapless.bench.process import Processor, memory_mib, processor
from gapless.bench.speech import read_utterances, stream_of
from gapless.errors import NotFoundError

UTTERANCES = [
    np.full(8000, 1000, np.int16),
    np.full(16_000, 2000, np.int16),
    np.full(24_000, 3000, np.int16),
]


# --- speech -----------------------------------------------------------------------------------------


def test_a_stream_says_the_same_each_time_and_no_two_say_the_same() -> None:
    streams = [stream_of(number, UTTERANCES, 12) for number in range(20)]
    assert all(
        np.array_equal(stream, stream_of(number, UTTERANCES, 12))
        for number, stream in enumerate(streams)
    )
    assert len({stream.tobytes() for stream in streams}) == 20


@pytest.mark.parametrize("seconds", [6.0, 12.0, 20.0])
def test_a_stream_has_its_length_and_ends_in_silence(seconds: float) -> None:
    for number in range(10):
        stream = stream_of(number, UTTERANCES, seconds)
        assert len(stream) == pytest.approx(seconds * 16_000, abs=16)
        assert stream.any()
        assert not stream[-16_000:].any()


def test_a_stream_too_short_for_an_utterance_is_longer() -> None:
    stream = stream_of(0, UTTERANCES, 0.1)
    assert np.count_nonzero(stream) in {8000, 16_000, 24_000}


def test_pauses_are_long_enough_to_end_an_utterance() -> None:
    spoken = np.flatnonzero(stream_of(3, UTTERANCES, 20))
    pauses = np.diff(spoken)
    assert pauses[pauses > 1].min() > 0.9 * 16_000


def test_only_sounds_with_words_are_said(tmp_path: Path) -> None:
    for name in ("one.wav", "noise.wav"):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(np.full(1600, 1234, "<i2").tobytes())
    sounds = [
        {"file": "one.wav", "text": "one", "voice": "a", "words": []},
        {"file": "noise.wav", "text": ""},
    ]
    (tmp_path / "sounds.json").write_bytes(msgspec.json.encode(sounds))

    (utterance,) = read_utterances(tmp_path)

    assert utterance.dtype == np.int16
    np.testing.assert_allclose(utterance, 1234, atol=1)


def test_a_folder_without_speech_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"name another folder with --speech"):
        read_utterances(tmp_path)


# --- the client -------------------------------------------------------------------------------------


def test_frames_are_what_a_server_takes_for_audio() -> None:
    pcm = np.arange(-2000, 2020, dtype=np.int16)
    frames = _audio_frames(pcm)
    server = ServerProtocol(state=OPEN)

    for frame in frames:
        server.receive_data(frame)
    received = [frame for frame in server.events_received() if isinstance(frame, Frame)]

    assert [len(frame.data) for frame in received] == [1280] * 6 + [2 * (4020 - 6 * 640)]
    assert b"".join(bytes(frame.data) for frame in received) == pcm.astype("<i2").tobytes()
    assert len(_audio_frames(pcm[:50])[0]) == 2 + 4 + 100


@pytest.mark.parametrize(
    ("sample", "chunk"),
    [(0, 0), (1, 0), (CHUNK_SAMPLES, 0), (CHUNK_SAMPLES + 1, 1), (6400, 9), (10**9, 99)],
)
def test_audio_is_there_when_its_chunk_is(sample: int, chunk: int) -> None:
    assert chunk_with(sample, 100) == chunk


def test_audio_goes_on_when_the_window_over_it_is_complete() -> None:
    assert [cause_sample(position) for position in (1, 511, 512, 513)] == [512, 512, 512, 1024]


def test_silence_is_long_enough_at_the_end_of_a_window() -> None:
    # Speech that ends with window 31 is told with 300 ms of padding; 500 ms are over within the 16th window behind it.
    told_ms = 31 * 32 + 300
    assert decision_sample(told_ms) == (31 + 16) * 512


# --- what counts as served --------------------------------------------------------------------------


def used(cpu_s: float, *threads_s: float) -> Processor:
    names = {str(number): seconds for number, seconds in enumerate(threads_s)}
    return Processor(at_s=10.0, cpu_s=cpu_s, threads_s=names)


def trial(*streams: StreamReport, expected: tuple[str, ...] = ("one", "two")) -> Trial:
    report = Report(
        streams=streams,
        elapsed_ns=10**10,
        audio_s=20.0,
        late_us=(0, 5),
        server=used(5.0, 4.0, 1.0),
        client=used(1.0, 1.0),
    )
    return Trial(report, (expected,) * len(streams))


def stream(*lags_us: int, texts: tuple[str, ...] = ("one", "two"), error: str = "") -> StreamReport:
    return StreamReport(
        number=0,
        texts=texts,
        error=error,
        partial_lags_us=lags_us,
        position_lags_us=lags_us,
        final_lags_us=(9,),
    )


def test_streams_are_served_when_19_of_20_partials_are_less_than_a_chunk_late() -> None:
    assert trial(stream(*[1000] * 19, 10**6)).passed
    late = trial(stream(*[1000] * 18, MOST_LAG_US, 10**6))
    assert late.why == "the 95th percentile of the lag was 40 ms"


def test_a_single_wrong_word_or_error_is_too_many() -> None:
    wrong = trial(stream(1000), stream(1000, texts=("one", "too")))
    assert wrong.why == "1 streams had other text than alone"
    broken = trial(stream(1000, error="too busy"), stream(1000))
    assert broken.why == "1 streams ended in an error, the first: too busy"
    assert trial(stream()).why == "no partial result came"


# --- processes --------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="other systems do not tell")
def test_the_processor_time_of_a_process_is_that_of_its_threads() -> None:
    before = processor(os.getpid())
    began = time.process_time()
    while time.process_time() - began < 0.1:
        sum(range(1000))
    took = processor(os.getpid()).since(before)

    # The system counts in ticks of 10 ms.
    assert took.cpu_s >= 0.05
    assert took.busiest_cores <= took.cores + 0.02 / took.at_s
    resident, peak = memory_mib(os.getpid())
    assert 1 < resident <= peak


def test_a_process_ends_when_its_parent_lets_go_of_it() -> None:
    command = [sys.executable, "-m", "gapless.bench.parent", "http.server", "0"]
    with subprocess.Popen(
        [*command, "--bind", "127.0.0.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"Serving HTTP")
            process.stdin.close()
            assert process.wait(20) == 1
        finally:
            process.kill()


def test_a_process_that_is_gone_uses_nothing() -> None:
    gone = processor(2**22 + 1)
    assert gone.cpu_s == 0
    assert gone.busiest_cores == 0
    assert memory_mib(2**22 + 1) == (0, 0)
