"""Drums of skin, wood and bronze.

In: a rate, a seed, what the one drum has that others of its kind have not. Out: float32 [n]. Invariants: the same
arguments give the same sound; see ``Canvas.finished``. Thread: any.

Sources: N. Fletcher and T. Rossing, "The Physics of Musical Instruments", 2nd edition, 1998, chapters 18 (drums: the
modes of an ideal membrane lie at 1, 1.59, 2.14, 2.30, 2.65 ... of the lowest; struck harder, it is tighter, so that the
pitch falls as the stroke dies away; the wires of a snare drum rattle against its lower head) and 20 (cymbals: hundreds
of modes; in the first tens of milliseconds energy moves from low to high ones). Levels and times are by ear and by eye.
"""

from __future__ import annotations

import numpy as np

from gapless.play.drums.canvas import Canvas, Drum, Wave

BRONZE_HZ = (317.0, 465.0, 551.0, 655.0, 763.0, 923.0)
"""Squares without a common measure, whose harmonics together are as dense as the modes of a small cymbal."""


def bass_drum(
    rate_hz: float, seed: int, *, hz: float, t60_s: float, sweep: float, click: float
) -> Drum:
    """A thump whose pitch falls fast (the beater tightens the skin), and the click of the beater."""
    canvas = Canvas(t60_s * 0.9, rate_hz, seed)
    body = canvas.tone(canvas.glide(hz, (sweep, 0.012), (0.35, 0.05))) * canvas.decay(t60_s)
    second = canvas.tone(canvas.glide(1.59 * hz, (sweep, 0.01))) * canvas.decay(t60_s * 0.25)
    beater = canvas.band_pass(canvas.noise(), 2800, 0.7) * canvas.decay(0.018)
    # A skin that is struck hard gives way less: its peaks are rounded.
    return canvas.finished(np.tanh(1.4 * body + 0.3 * second) + click * beater)


def snare_drum(
    rate_hz: float, seed: int, *, hz: float, t60_s: float, wires: float, ring: float
) -> Drum:
    """Two heads, and wires that rattle longer than the heads sound."""
    canvas = Canvas(t60_s + 0.02, rate_hz, seed)
    pitch = canvas.glide(hz, (0.3, 0.012))
    heads = canvas.modes(
        pitch, (1, 1.0, ring), (1.59, 0.6, ring * 0.8), (2.14, 0.3, ring * 0.6), (2.65, 0.2, 0.05)
    )
    rattle = canvas.low_pass(canvas.high_pass(canvas.noise(), 1500), 9000)
    rattle *= 0.3 * canvas.decay(0.08) + 0.7 * canvas.decay(t60_s)
    stick = canvas.high_pass(canvas.noise(), 3500) * canvas.decay(0.01)
    return canvas.finished(np.tanh(heads + wires * rattle + 0.3 * stick))


def bronze(canvas: Canvas, tuning: float) -> Wave:
    """The sound of thin bronze before its filter: dense, without pitch."""
    squares = canvas.squares([tuning * hz for hz in BRONZE_HZ])
    # Their sums and differences make it denser still; one of the two is noise, so that nothing beats.
    return canvas.low_pass(squares + 1.5 * canvas.noise(), 12_000)


def hi_hat(rate_hz: float, seed: int, *, t60_s: float, tuning: float, low_hz: float) -> Drum:
    """Two small cymbals: closed they rub and stop, open they sizzle."""
    canvas = Canvas(t60_s + 0.02, rate_hz, seed)
    metal = canvas.high_pass(canvas.high_pass(bronze(canvas, tuning), low_hz), low_hz * 0.8)
    chick = canvas.decay(min(0.03, t60_s))
    return canvas.finished(metal * (0.3 * chick + 0.7 * canvas.decay(t60_s)))


def hand_clap(rate_hz: float, seed: int, *, hz: float, t60_s: float, spread_s: float) -> Drum:
    """Several pairs of hands, not quite at once, and the room after them."""
    canvas = Canvas(t60_s + 0.06, rate_hz, seed)
    starts = spread_s * (np.arange(4) + canvas.random.uniform(-0.15, 0.15, 4))
    starts[0] = 0.0
    hands = np.sum([canvas.decay(0.022, start_s=start) for start in starts], axis=0)
    room = canvas.decay(t60_s, start_s=starts[-1])
    noise = canvas.noise()
    palms = canvas.band_pass(noise, hz, 1.3) + 0.35 * canvas.band_pass(noise, 2.6 * hz, 1.5)
    clap = np.tanh(1.5 * palms * (hands + 0.35 * room))
    return canvas.finished(canvas.low_pass(canvas.high_pass(clap, 350), 7000))


def tom(rate_hz: float, seed: int, *, hz: float, t60_s: float, glide: float) -> Drum:
    """A skin over a shell: few modes, and a pitch that falls by a few semitones."""
    canvas = Canvas(t60_s * 0.95, rate_hz, seed)
    pitch = canvas.glide(hz, (glide, 0.04))
    skin = canvas.modes(
        pitch,
        (1, 1.0, t60_s),
        (1.59, 0.3, t60_s * 0.4),
        (2.14, 0.15, t60_s * 0.3),
        (2.3, 0.1, t60_s * 0.2),
    )
    stick = canvas.band_pass(canvas.noise(), 12 * hz, 0.8) * canvas.decay(0.015)
    return canvas.finished(skin + 0.25 * stick)


def cross_stick(rate_hz: float, seed: int, *, hz: float, t60_s: float) -> Drum:
    """Wood on the rim: a short knock of a few high modes."""
    canvas = Canvas(t60_s + 0.02, rate_hz, seed)
    wood = canvas.modes(
        hz, (0.29, 0.4, t60_s), (1, 1.0, t60_s * 0.7), (1.47, 0.7, t60_s * 0.5), (2.09, 0.3, 0.02)
    )
    knock = canvas.band_pass(canvas.noise(), 3200, 0.8) * canvas.decay(0.008)
    return canvas.finished(wood + 0.5 * knock)


def cowbell(rate_hz: float, seed: int, *, hz: float, t60_s: float) -> Drum:
    """Bent steel: two strong modes about a fifth apart, and rough ones above."""
    canvas = Canvas(t60_s, rate_hz, seed)
    steel = canvas.modes(
        hz,
        (1, 1.0, t60_s),
        (1.51, 0.9, t60_s * 0.8),
        (2.37, 0.5, t60_s * 0.5),
        (3.46, 0.45, t60_s * 0.4),
        (4.93, 0.3, t60_s * 0.25),
        (7.21, 0.2, t60_s * 0.2),
    )
    stick = canvas.high_pass(canvas.noise(), 2500) * canvas.decay(0.012)
    return canvas.finished(steel + 0.3 * stick)


def crash(rate_hz: float, seed: int, *, t60_s: float, tuning: float) -> Drum:
    """A large thin cymbal: the stroke, then a wash that grows bright and darkens as it dies."""
    canvas = Canvas(t60_s * 0.85, rate_hz, seed)
    metal = bronze(canvas, 1.3 * tuning)
    bloom = 1 - 0.8 * np.exp(-canvas.time / 0.02)
    low = canvas.band_pass(metal, 900 * tuning, 0.6) * canvas.decay(t60_s * 0.5)
    middle = canvas.band_pass(metal, 4200 * tuning, 0.7) * canvas.decay(t60_s) * bloom
    high = canvas.high_pass(metal, 7500) * canvas.decay(t60_s * 0.6) * bloom
    stroke = canvas.high_pass(canvas.noise(), 2500) * canvas.decay(0.04)
    return canvas.finished(0.2 * low + middle + 1.8 * high + 0.6 * stroke)


def ride(rate_hz: float, seed: int, *, t60_s: float, tuning: float, bell: float) -> Drum:
    """A heavy cymbal: the ping of the stick over a quiet wash; near its bell, tones."""
    canvas = Canvas(t60_s * 0.85, rate_hz, seed)
    metal = canvas.squares([tuning * hz for hz in BRONZE_HZ])
    ping = canvas.band_pass(metal, 5200 * tuning, 1.8) * canvas.decay(0.35)
    wash = canvas.high_pass(metal + 2 * canvas.noise(), 4500) * canvas.decay(t60_s)
    tones = canvas.modes(
        640 * tuning, (1, 1.0, t60_s), (1.58, 0.9, t60_s * 0.8), (2.41, 0.7, t60_s * 0.6)
    )
    stick = canvas.band_pass(canvas.noise(), 6500, 0.8) * canvas.decay(0.01)
    return canvas.finished(ping + 0.15 * wash + bell * tones + 0.4 * stick)
