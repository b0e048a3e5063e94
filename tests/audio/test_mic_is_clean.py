"""The real command on a real PipeWire: another process hears less noise, and still understands the words; a thread that
hogs the interpreter inside the microphone's process changes nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest
import soxr

from gapless import api
from gapless.audio.files import read_audio, write_audio
from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.bench.speech import SOUNDS, Sound
from gapless.testing.sound_programs import RATE_HZ, wait_until
from gapless.testing.sound_servers import PipeWireServer

pytestmark = pytest.mark.audio

SPOKEN: Final = 4
PAUSE_S: Final = 2.0
SNR_DB: Final = 20.0

# The product's own command line, with a thread beside it that never lets go of the interpreter by itself.
HOGGED: Final = """
import sys, threading
def spin():
    while True:
        pass
threading.Thread(target=spin, daemon=True).start()
from gapless.cli.main import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def spoken() -> tuple[Samples, list[str]]:
    """Sentences with white noise under all of it, at 48 kHz, and their words."""
    catalogue = msgspec.json.decode((SOUNDS / "sounds.json").read_bytes(), type=list[Sound])
    chosen = [sound for sound in catalogue if sound.text][:SPOKEN]
    pause = np.zeros(round(PAUSE_S * LISTEN_RATE_HZ), np.float32)
    parts = [pause]
    for sound in chosen:
        parts += [*read_audio(SOUNDS / sound.file, LISTEN_RATE_HZ), pause]
    speech: Samples = soxr.resample(np.concatenate(parts), LISTEN_RATE_HZ, RATE_HZ)
    speech *= np.float32(0.5)
    power = float(np.mean(speech[np.abs(speech) > 0.01] ** 2)) / 10 ** (SNR_DB / 10)
    noise = np.random.default_rng(7).standard_normal(len(speech)) * np.sqrt(power)
    return (speech + noise).astype(np.float32), [w for one in chosen for w in one.text.split()]


@contextmanager
def microphone(pipewire: PipeWireServer, *program: str) -> Iterator[str]:
    """``gapless mic`` as a process of its own; the name that others see."""
    before = {*pipewire.sources()}
    command = [sys.executable, *program, "mic", "--input", "desk-mic", "--json"]
    with subprocess.Popen(command, env=pipewire.env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "cleans now" in line:
                    break
            (name,) = {*pipewire.sources()} - before
            yield name
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.mark.parametrize(
    "program", [("-m", "gapless"), ("-c", HOGGED)], ids=["alone", "beside a busy thread"]
)
def test_the_noise_is_down_and_the_words_are_still_understood(
    pipewire: PipeWireServer,
    spoken: tuple[Samples, list[str]],
    program: tuple[str, str],
    tmp_path: Path,
) -> None:
    noisy, words = spoken
    sink = pipewire.microphone("desk-mic").sink
    with microphone(pipewire, *program) as name, pipewire.recording(name) as recording:
        recording.wait_for(RATE_HZ // 10)
        with pipewire.play(sink, noisy):
            wait_until(
                lambda: len(recording.samples()) > len(noisy) + RATE_HZ, "all of it", seconds=60
            )
        heard = recording.samples()
    loud = np.flatnonzero(np.abs(heard) > 0.1)
    begin = int(loud[0])
    pause = heard[begin - RATE_HZ : begin - RATE_HZ // 5]
    before = noisy[RATE_HZ // 2 : RATE_HZ]
    down_db = 20 * np.log10(before.std() / pause.std())
    assert down_db > 10, f"the noise is down by {down_db:.1f} dB only"
    write_audio(tmp_path / "heard.wav", [heard], RATE_HZ)
    said = api.transcribe(tmp_path / "heard.wav", model="commands-en").text.split()
    understood = sum(word in said for word in words)
    assert understood >= 0.85 * len(words), (said, words)
