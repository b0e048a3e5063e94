"""Make the recordings that the tests listen to, and the console's sample.

    .venv/bin/python tools/make_speech.py              writes tests/data/speech/ and the sample
    .venv/bin/python tools/make_speech.py --out DIR    writes the recordings elsewhere, to compare

Needs ``espeak-ng`` on the path (1.51 made what is committed). The same version makes the same bytes: voices, texts and
seeds are fixed below. ``tools/score_speech.py`` shows what the embedded recogniser makes of them.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import wave
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import av
import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.float32]

ROOT: Final = Path(__file__).resolve().parent.parent
RATE_HZ: Final = 16_000
LEAD_S: Final = 0.5
PAUSE_S: Final = 1.0
TAIL_S: Final = 0.8
PEAK: Final = 0.5
FLOOR: Final = 1e-4
"""Standard deviation of the faint noise (-80 dBFS) under everything that is spoken: no room is silent."""


class Voice(NamedTuple):
    """An espeak-ng voice with its speed (words per minute) and pitch (0..99)."""

    name: str
    speed: int
    pitch: int


LOW: Final = Voice("en-us+klatt2", 160, 50)
HIGH: Final = Voice("en-us+klatt4", 160, 70)
"""Two of the voices that the embedded recogniser understands best; see the README beside the recordings."""


class Line(NamedTuple):
    """One utterance; a pause follows."""

    text: str
    voice: Voice = LOW


class Spoken(NamedTuple):
    """Utterances as sound, and where each is."""

    samples: Samples
    spans: list[tuple[int, int]]
    lines: tuple[Line, ...]

    @property
    def active(self) -> Samples:
        """The utterances without the pauses."""
        return np.concatenate([self.samples[start:end] for start, end in self.spans])


UTTERANCES: Final = (
    Line("how are you doing today"),
    Line("this is a test of the system"),
    Line("officials said there was no evidence"),
    Line("one two three four five"),
)
NEWS: Final = (
    Line("the president of the united states"),
    Line("we will be back in a few minutes"),
)
SENTENCE: Final = (Line("officials said there was no evidence"),)
TWO_VOICES: Final = (
    Line("the united nations security council"),
    Line("how are you doing today", HIGH),
    Line("the president of the united states"),
    Line("one two three four five", HIGH),
)
TELEPHONE: Final = (Line("how are you doing today"),)


def main() -> None:
    """Write everything and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "tests/data/speech")
    parser.add_argument(
        "--sample", type=Path, default=ROOT / "src/gapless/serve/console/sample.flac"
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    manifest = make_all(arguments.out)
    (arguments.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    arguments.sample.write_bytes((arguments.out / "utterances.flac").read_bytes())
    for entry in manifest:
        path = arguments.out / entry["file"]
        print(f"{path.stat().st_size:8d} bytes  {entry['seconds']:6.2f} s  {path.name}")


def make_all(out: Path) -> list[dict[str, Any]]:
    """Write every recording into ``out``; returns the manifest."""
    manifest: list[dict[str, Any]] = []

    def write(
        name: str,
        samples: Samples,
        purpose: str,
        spoken: Spoken | None = None,
        rate_hz: int = RATE_HZ,
    ) -> None:
        encode(out / name, samples, rate_hz)
        manifest.append(
            {
                "file": name,
                "purpose": purpose,
                "text": " ".join(line.text for line in spoken.lines) if spoken else "",
                "utterances": describe(spoken) if spoken else [],
                "rate_hz": rate_hz,
                "channels": samples.shape[1] if samples.ndim == 2 else 1,
                "seconds": round(len(samples) / rate_hz, 3),
            }
        )

    def write_spoken(name: str, lines: tuple[Line, ...], purpose: str) -> Spoken:
        spoken = speak(lines)
        write(name, spoken.samples, purpose, spoken)
        return spoken

    write_spoken("utterances.flac", UTTERANCES, "the story end to end; also the console's sample")
    news = write_spoken("news.flac", NEWS, "clean original of the noisy recordings")
    sentence = write_spoken("sentence.flac", SENTENCE, "one short utterance, for quick tests")
    write_spoken("two_voices.flac", TWO_VOICES, "two speakers in turn, pauses between")

    high = soxr.resample(sentence.samples, RATE_HZ, 44_100, "VHQ")
    stereo = np.stack((high, high / 2), axis=1)
    write("stereo_44k1.flac", stereo, "channels of unequal level, another rate", sentence, 44_100)
    telephone = speak(TELEPHONE)
    low = soxr.resample(telephone.samples, RATE_HZ, 8_000, "VHQ")
    write("telephone.wav", low, "mu-law at 8 kHz", telephone, 8_000)

    for kind, snr_db in (("white", 10), ("pink", 10), ("pink", 5)):
        noise = make_noise(kind, len(news.samples)) * np.std(news.active) * 10 ** (-snr_db / 20)
        purpose = f"{kind} noise, {snr_db} dB below the utterances of news.flac"
        write(f"{kind}_{snr_db}db.flac", news.samples + noise.astype(np.float32), purpose, news)

    write("silence.flac", np.zeros(3 * RATE_HZ, np.float32), "digital silence: no text, no speech")
    write(
        "white.flac", make_noise("white", RATE_HZ) * np.float32(0.01), "noise: no text, no speech"
    )
    write("pink.flac", make_noise("pink", RATE_HZ) * np.float32(0.01), "noise: no text, no speech")
    write("tones.flac", make_tones(), "music without a voice: no speech")
    return manifest


def speak(lines: tuple[Line, ...]) -> Spoken:
    """Speak the lines one after the other, with pauses."""
    parts, spans, position = [silence(LEAD_S)], [], len(silence(LEAD_S))
    for line in lines:
        voice = synthesise(line.text, line.voice)
        parts += [voice, silence(PAUSE_S)]
        spans.append((position, position + len(voice)))
        position += len(voice) + len(parts[-1])
    parts[-1] = silence(TAIL_S)
    samples = np.concatenate(parts)
    floor = np.random.default_rng(1).normal(0, FLOOR, len(samples))
    return Spoken((samples + floor).astype(np.float32), spans, lines)


def synthesise(text: str, voice: Voice) -> Samples:
    """One utterance at 16 kHz, trimmed, at the standard level."""
    command = ["espeak-ng", "-v", voice.name, "-s", str(voice.speed), "-p", str(voice.pitch)]
    spoken = subprocess.run([*command, "--stdout", text], capture_output=True, check=True)
    with wave.open(io.BytesIO(spoken.stdout)) as file:
        integers = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        rate_hz = file.getframerate()
    samples = soxr.resample(integers.astype(np.float32), rate_hz, RATE_HZ, "VHQ")
    samples *= PEAK / np.max(np.abs(samples))
    loud = np.flatnonzero(np.abs(samples) > 0.01 * PEAK)
    return np.asarray(samples[loud[0] : loud[-1] + 1], np.float32)


def silence(seconds: float) -> Samples:
    """Nothing."""
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def make_noise(kind: str, n_samples: int) -> Samples:
    """White or pink noise of standard deviation 1, always the same."""
    noise = np.random.default_rng(2).standard_normal(n_samples)
    if kind == "pink":
        hz = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
        noise = np.fft.irfft(np.fft.rfft(noise) / np.sqrt(np.maximum(hz, 20)), n_samples)
    return np.asarray(noise / np.std(noise), np.float32)


def make_tones() -> Samples:
    """Three seconds of plucked chords: C, F, G, C."""
    chords = ((60, 64, 67), (60, 65, 69), (59, 62, 67), (60, 64, 72))
    bounds = np.linspace(0, 3 * RATE_HZ, len(chords) + 1).astype(int)
    music = np.zeros(3 * RATE_HZ)
    for notes, (start, end) in zip(chords, pairwise(bounds), strict=True):
        seconds = np.arange(end - start) / RATE_HZ
        for note in notes:
            hz = 440 * 2 ** ((note - 69) / 12)
            for harmonic in (1, 2, 3):
                wave_form = np.sin(2 * np.pi * hz * harmonic * seconds) / harmonic**2
                music[start:end] += wave_form * np.exp(-3 * harmonic * seconds)
    return np.asarray(music * PEAK / np.max(np.abs(music)), np.float32)


def describe(spoken: Spoken) -> list[dict[str, Any]]:
    """Each utterance with its place in ms."""
    return [
        {
            "text": line.text,
            "voice": " ".join(map(str, line.voice)),
            "start_ms": round(start * 1000 / RATE_HZ),
            "end_ms": round(end * 1000 / RATE_HZ),
        }
        for line, (start, end) in zip(spoken.lines, spoken.spans, strict=True)
    ]


def encode(path: Path, samples: Samples, rate_hz: int) -> None:
    """Write FLAC, or mu-law WAV. ``samples``: float32 [n] or [n, channels]."""
    channels = samples.shape[1] if samples.ndim == 2 else 1
    integers = np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16).reshape(1, -1)
    layout = "stereo" if channels == 2 else "mono"
    frame = av.AudioFrame.from_ndarray(integers, format="s16", layout=layout)
    frame.sample_rate = rate_hz
    codec = "flac" if path.suffix == ".flac" else "pcm_mulaw"
    # Bit-exact: without the encoder's version in the file, the bytes depend on the audio alone.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = cast("av.AudioStream", container.add_stream(codec, rate=rate_hz, layout=layout))
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        if codec == "flac":
            stream.codec_context.options = {"compression_level": "12"}
        for item in (frame, None):
            container.mux(stream.encode(item))


if __name__ == "__main__":
    main()
