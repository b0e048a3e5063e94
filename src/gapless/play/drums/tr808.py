"""The voices of a well-known drum machine of 1980, by its circuits.

In: a rate, a seed, where its knobs stand. Out: float32 [n]. Invariants: the same arguments give the same sound; see
``Canvas.finished``. Thread: any.

Sources, for facts: Roland Corporation, "TR-808 Service Notes", 1981 (bridged T networks ring for drums, at twice the
pitch for the first half cycle of the bass drum; ranges of tuning; three discharges of 10 ms and a tail make a clap);
K. Werner, J. Abel, J. Smith, "A Physically-Informed, Circuit-Bendable, Digital Model of the Roland TR-808 Bass Drum
Circuit", DAFx 2014; the same, "The TR-808 Cymbal", ICMC 2014 (six square waves at 205.3, 304.4, 369.6, 522.7, 540 and
800 Hz; band-passes at 3440 and 7100 Hz); the same, "More Cowbell", AES 2014. Levels are by ear and by eye.
"""

from __future__ import annotations

import numpy as np

from gapless.play.drums.canvas import Canvas, Drum, Wave

SQUARES_HZ = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)
HALF_CYCLE_S = 0.006
"""For which the bass drum rings higher."""


def bass_drum(rate_hz: float, seed: int, *, hz: float, t60_s: float, tone: float) -> Drum:
    """A resonance near 50 Hz that begins an octave higher, sags, and rings as long as the knob says."""
    canvas = Canvas(t60_s * 0.95, rate_hz, seed)
    higher = 0.5 - 0.5 * np.tanh((canvas.time - HALF_CYCLE_S) / 0.0016)
    sag = 0.06 * np.exp(-canvas.time / 0.1)
    body = canvas.tone(hz * (1 + higher + sag)) * canvas.decay(t60_s)
    trigger = canvas.low_pass(canvas.decay(0.004), 2000 * tone)
    return canvas.finished(body + 0.25 * tone * trigger)


def snare_drum(rate_hz: float, seed: int, *, hz: float, snappy: float, t60_s: float) -> Drum:
    """Two resonances (about 177 and 315 Hz in the machines built after June 1981), and noise without its lows."""
    canvas = Canvas(t60_s + 0.03, rate_hz, seed)
    shell = canvas.modes(hz, (1, 1.0, 0.16), (1.78, 0.7, 0.1))
    noise = canvas.band_pass(canvas.high_pass(canvas.noise(), 1200), 5500, 0.5)
    return canvas.finished(shell + snappy * noise * canvas.decay(t60_s))


def tom(rate_hz: float, seed: int, *, hz: float, t60_s: float, breath: float) -> Drum:
    """A resonance that falls a little, and dull noise as its room; a conga is one without ``breath``."""
    canvas = Canvas(t60_s * 0.95, rate_hz, seed)
    body = canvas.tone(canvas.glide(hz, (0.12, 0.03), (0.5, 0.002))) * canvas.decay(t60_s)
    room = canvas.low_pass(canvas.noise(), 5 * hz, 0.6) * canvas.decay(t60_s * 0.8)
    return canvas.finished(body + breath * room)


def metal(canvas: Canvas) -> Wave:
    """The six oscillators that cymbals and hi-hats share."""
    return canvas.squares(SQUARES_HZ)


def hi_hat(rate_hz: float, seed: int, *, t60_s: float) -> Drum:
    """The upper band of the six, without its lows."""
    canvas = Canvas(t60_s + 0.02, rate_hz, seed)
    band = canvas.high_pass(canvas.band_pass(metal(canvas), 7100, 1.2), 6500)
    return canvas.finished(canvas.high_pass(band, 5000) * canvas.decay(t60_s))


def cymbal(rate_hz: float, seed: int, *, t60_s: float, tone: float) -> Drum:
    """Both bands of the six: the lower rings long, the upper strikes and sizzles."""
    canvas = Canvas(t60_s * 0.9, rate_hz, seed)
    six = metal(canvas)
    low = canvas.high_pass(canvas.band_pass(six, 3440, 1.6), 2500) * canvas.decay(t60_s)
    high = canvas.high_pass(canvas.band_pass(six, 7100, 1.2), 6000)
    high *= canvas.decay(0.12) + 0.6 * canvas.decay(t60_s * 0.6)
    return canvas.finished((1.2 - tone) * low + tone * high)


def hand_clap(rate_hz: float, seed: int, *, t60_s: float, hz: float) -> Drum:
    """Noise around 1 kHz: three discharges of 10 ms, a fourth that is not cut short, and a tail."""
    canvas = Canvas(t60_s + 0.06, rate_hz, seed)
    band = canvas.band_pass(canvas.noise(), hz, 1.4)
    bursts = np.zeros_like(canvas.time)
    for start_s in (0.0, 0.01, 0.02):
        since = canvas.time - start_s
        bursts += np.where((since >= 0) & (since < 0.01), np.exp(-np.maximum(since, 0) / 0.003), 0)
    bursts += canvas.decay(0.05, start_s=0.03)
    tail = 0.3 * canvas.decay(t60_s, start_s=0.03)
    return canvas.finished(canvas.low_pass(canvas.high_pass(band * (bursts + tail), 400), 7000))


def rim_shot(rate_hz: float, seed: int, *, hz: float) -> Drum:
    """Two resonances, about 1667 and 455 Hz, driven hard and soon cut off."""
    canvas = Canvas(0.08, rate_hz, seed)
    rings = canvas.modes(hz, (1, 1.0, 0.05), (0.273, 0.8, 0.06))
    clipped = np.tanh(3 * rings) * canvas.decay(0.06)
    return canvas.finished(canvas.high_pass(canvas.low_pass(clipped, 8000), 300))


def claves(rate_hz: float, seed: int, *, hz: float) -> Drum:
    """One resonance, about 2500 Hz."""
    canvas = Canvas(0.12, rate_hz, seed)
    return canvas.finished(canvas.tone(hz) * canvas.decay(0.09))


def cowbell(rate_hz: float, seed: int, *, t60_s: float, tuning: float) -> Drum:
    """Two of the six, 540 and 800 Hz, through a band-pass; a strike, then a slower fall."""
    canvas = Canvas(t60_s, rate_hz, seed)
    pair = canvas.squares((540 * tuning, 800 * tuning))
    band = canvas.band_pass(pair, 1000 * tuning, 0.7)
    return canvas.finished(band * (canvas.decay(0.04) + 0.6 * canvas.decay(t60_s)))


def maracas(rate_hz: float, seed: int, *, t60_s: float) -> Drum:
    """Noise above 5 kHz that swells for a few milliseconds."""
    canvas = Canvas(t60_s + 0.02, rate_hz, seed)
    seeds = canvas.low_pass(canvas.high_pass(canvas.noise(), 5000), 12_000)
    swell = np.minimum(canvas.time / 0.008, 1) ** 2
    return canvas.finished(seeds * swell * canvas.decay(t60_s))
