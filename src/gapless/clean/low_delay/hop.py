"""One hop: 2 ms of sound in, 2 ms of sound without noise out.

In: float32 samples at 48 kHz; RNNoise's gains, whenever they come. Out: what came in a hop before, cleaned.
Invariants: with the time in which a hop is gathered that is 192 samples, 4.0 ms; unit gains give the input back; a
finite input of at most 2 gives a finite output; nothing is allocated or waited for. Thread: the callback's, who has
denormals flushed to zero.

Per hop: look at the newest 1024 samples; ask the network for 32 gains; refine each frequency by a mild Wiener
filter whose noise those gains track; apply them; give out what the next hop does not touch any more.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.clean.low_delay.analysis import ROOTS, TABLE, analyse
from gapless.clean.low_delay.bands import BINS, HOP_SAMPLES, WINDOW_SAMPLES
from gapless.clean.low_delay.features import describe
from gapless.clean.low_delay.floors import follow_quiet
from gapless.clean.low_delay.network import Weights, correct
from gapless.clean.low_delay.real_fft import irfft
from gapless.clean.low_delay.state import State
from gapless.clean.low_delay.windows import synthesis_window
from gapless.realtime.zone import zone

Floats = npt.NDArray[np.float32]

DELAY_SAMPLES: Final = 2 * HOP_SAMPLES
"""4.0 ms, counted from the moment a sample comes in to the moment it goes out. As ``process_hop`` takes a whole hop
at once, its target lags its source by one hop; the other is the time that the hop took to come in."""

FLOOR: Final = np.float32(0.05)
"""Least gain, -26 dB: what is left of the noise hides artefacts, and pauses do not sound dead."""
LEAST_WIENER: Final = np.float32(0.01)
WIENER_KEPT: Final = np.float32(math.exp(-0.2))
"""At each hop, of a filter that falls: a time constant of 10 ms."""
NOISE_STEP: Final = np.float32(0.01)
"""Of the way to the newest power, at each hop: a time constant of 0.2 s; in the first 0.2 s, the mean so far."""

SYNTHESIS: Final = synthesis_window(WINDOW_SAMPLES, HOP_SAMPLES)
LOWER: Final = TABLE.lower
SHARE: Final = TABLE.share


@zone
def process_hop(state: State, weights: Weights, source: Floats, target: Floats) -> None:
    """Clean a hop.

    Args:
        state: a record of ``STATE``, changed.
        weights: a record of ``WEIGHTS``.
        source: float32 [HOP_SAMPLES], finite, at most 2.
        target: float32 [HOP_SAMPLES], written: the hop before ``source``, cleaned. May be the same memory.
    """
    analyse(state, source)
    follow_quiet(state)
    describe(state)
    correct(state, weights)
    apply_gains(state)
    synthesise(state, target)


@zone
def apply_gains(state: State) -> None:
    """Multiply the spectrum by the corrected gains and a Wiener filter's."""
    spectrum, power = state["spectrum"], state["power"]
    noise, wiener, gains = state["noise"], state["wiener"], state["corrected"]
    hops = state["hops"]
    step = max(NOISE_STEP, np.float32(1.0) / np.float32(hops + 1))
    for k in range(BINS):
        below, above = gains[LOWER[k]], gains[LOWER[k] + 1]
        gain = below + SHARE[k] * (above - below)
        if hops == 1:
            noise[k] = power[k]
            wiener[k] = np.float32(1.0)
        noise[k] += step * (np.float32(1.0) - gain * gain) * (power[k] - noise[k])
        wanted = max(np.float32(1.0) - noise[k] / (power[k] + np.float32(1e-20)), LEAST_WIENER)
        # It rises at once, so that onsets keep their edge, and falls slowly, so that noise does not sing.
        kept = WIENER_KEPT if wanted < wiener[k] else np.float32(0.0)
        wiener[k] = wanted + kept * (wiener[k] - wanted)
        mild = math.sqrt(math.sqrt(math.sqrt(wiener[k])))
        gain = max(gain * np.float32(mild), FLOOR)
        spectrum[0, k] *= gain
        spectrum[1, k] *= gain


@zone
def synthesise(state: State, target: Floats) -> None:
    """Transform back; give out the hop that is complete."""
    frame, tail = state["windowed"], state["tail"]
    irfft(state["spectrum"], ROOTS, frame, state["scratch"])
    start = WINDOW_SAMPLES - 2 * HOP_SAMPLES
    for i in range(HOP_SAMPLES):
        target[i] = tail[i] + frame[start + i] * SYNTHESIS[i]
        tail[i] = frame[start + HOP_SAMPLES + i] * SYNTHESIS[HOP_SAMPLES + i]
