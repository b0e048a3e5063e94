"""What the bench calls a full voice, so that all who sing it can be compared: saw, envelope, low-pass filter, pan.

In: how many. Out: what each voice is; how loud they are together in every octave, by calculation; whether a recording
is that. Invariants: a voice is the same whoever sings it; nobody is timed who does not sing it. Thread: any.

A saw of frequency f is the sum of sines of f, 2 f, 3 f ... with amplitudes 2 / (pi k). The filter has two poles and
quality 1, made from the analogue one by the bilinear transform. Voices have frequencies that share no partials, so
their powers add up.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.errors import AudioError

RATE_HZ: Final = 44_100
BLOCK_SAMPLES: Final = 512
BLOCK_NS: Final = BLOCK_SAMPLES * 1_000_000_000 // RATE_HZ
"""11.6 ms."""

LOWEST_HZ: Final = 55.0
OCTAVES: Final = 5.0
LOWEST_CUTOFF_HZ: Final = 300.0
CUTOFF_OCTAVES: Final = 4.7
DAMPING: Final = 1.0
"""1 / quality."""
ATTACK_S: Final = 0.01
DECAY_S: Final = 0.05
SUSTAIN: Final = 0.8
RELEASE_S: Final = 0.1
LOUDNESS: Final = 0.25
"""Of all together."""

SETTLED_S: Final = 0.25
"""By then every voice holds."""
CHECKED_VOICES: Final = 24
CHECKED_S: Final = 1.5
TOLERANCE_DB: Final = 1.0
"""In an octave, of one channel. Others make a saw and a filter in other ways; what differs by ear differs by more."""
FAINT_DB: Final = -40.0
"""Octaves that are so far below the loudest are not looked at."""
HALF_OCTAVE: Final = 0.5
CENTRES_HZ: Final = (62.5, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)

Numbers: TypeAlias = npt.NDArray[np.float64]


class FullVoices(NamedTuple):
    """Each float64 [n]."""

    hz: Numbers
    cutoff_hz: Numbers
    pan: Numbers
    """0 left .. 1 right, of equal power."""
    gain: Numbers


def full_voices(count: int) -> FullVoices:
    """The first so many of them, spread evenly over 55 .. 1760 Hz, 300 .. 7800 Hz and both sides."""
    number = np.arange(count, dtype=np.float64) + 0.5
    # Multiples of irrational numbers fill an interval evenly, however many there are.
    place, height, side = ((number * factor) % 1 for factor in (0.618034, 0.754878, 0.569840))
    return FullVoices(
        hz=LOWEST_HZ * np.exp2(OCTAVES * place),
        cutoff_hz=LOWEST_CUTOFF_HZ * np.exp2(CUTOFF_OCTAVES * height),
        pan=side,
        gain=np.full(count, LOUDNESS / np.sqrt(count)),
    )


def expected_power(voices: FullVoices, level: float = SUSTAIN) -> Numbers:
    """Mean square of left and right in every octave of ``CENTRES_HZ``: float64 [2, 7].

    Args:
        voices: that sing.
        level: of their envelopes.
    """
    power = np.zeros((2, len(CENTRES_HZ)))
    for hz, cutoff_hz, pan, gain in zip(*voices, strict=True):
        partial = np.arange(1, int(RATE_HZ / 2 / hz))
        frequency = hz * partial
        # Bent by the bilinear transform.
        bent = np.tan(np.pi * frequency / RATE_HZ) / np.tan(np.pi * cutoff_hz / RATE_HZ)
        passed = 1 / ((1 - bent**2) ** 2 + (DAMPING * bent) ** 2)
        each = (2 / (np.pi * partial)) ** 2 / 2 * passed * (gain * level) ** 2
        sides = np.cos(pan * np.pi / 2) ** 2, np.sin(pan * np.pi / 2) ** 2
        for octave, centre_hz in enumerate(CENTRES_HZ):
            inside = each[_in_octave(frequency, centre_hz)].sum()
            power[:, octave] += [inside * side for side in sides]
    return power


def power_of(sound: Samples) -> Numbers:
    """Mean square of both channels in every octave: float64 [2, 7].

    Args:
        sound: float32 [2, n].
    """
    window = np.hanning(sound.shape[1])
    spectra = np.abs(np.fft.rfft(sound * window)) ** 2
    frequency = np.fft.rfftfreq(sound.shape[1], 1 / RATE_HZ).astype(np.float64)
    scale = 2 / (sound.shape[1] * (window**2).sum())
    octaves = [_in_octave(frequency, centre_hz) for centre_hz in CENTRES_HZ]
    power = [[float((one * octave).sum()) * scale for octave in octaves] for one in spectra]
    return np.array(power, np.float64)


def deviation_db(sound: Samples, voices: FullVoices, level: float = SUSTAIN) -> Numbers:
    """By how much each octave of each channel is too loud: float64 [2, 7]; 0 where nothing is to be heard.

    Args:
        sound: float32 [2, n], of voices that hold.
        voices: that sing.
        level: of their envelopes.
    """
    expected = expected_power(voices, level)
    loud = expected > expected.max() * 10 ** (FAINT_DB / 10)
    heard = np.maximum(power_of(sound), expected.max() * 1e-9)
    return np.where(loud, 10 * np.log10(heard / np.maximum(expected, 1e-30)), 0.0)


def check_sound(sound: Samples, who: str, level: float = SUSTAIN) -> float:
    """See that ``CHECKED_VOICES`` voices sing what they should.

    Args:
        sound: float32 [2, n] from their beginning, ``CHECKED_S`` long.
        who: sings, for the message.
        level: of their envelopes.

    Returns:
        The largest deviation of an octave in dB.

    Raises:
        AudioError: they sing something else.
    """
    held = sound[:, round(SETTLED_S * RATE_HZ) :]
    deviation = deviation_db(held, full_voices(CHECKED_VOICES), level)
    side, octave = np.unravel_index(np.abs(deviation).argmax(), deviation.shape)
    worst = float(deviation[side, octave])
    if not abs(worst) <= TOLERANCE_DB:
        raise AudioError(
            f"{who} is not the same sound: {('left', 'right')[side]} is {worst:+.1f} dB at "
            f"{CENTRES_HZ[octave]:g} Hz, more than {TOLERANCE_DB} dB off; it cannot be compared"
        )
    return abs(worst)


def _in_octave(frequency: Numbers, centre_hz: float) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (
        np.abs(np.log2(np.maximum(frequency, 1.0) / centre_hz)) < HALF_OCTAVE
    )
    return inside
