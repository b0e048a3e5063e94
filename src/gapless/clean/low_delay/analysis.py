"""From samples to spectra and band energies.

In: a hop of samples. Out: the state's spectrum, power and energies. Invariants: energies are mean powers, so that
white noise has its variance in every band and the floor keeps logarithms finite in digital silence. Thread: the
callback's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from gapless.clean.low_delay.bands import (
    BANDS,
    BINS,
    HOP_SAMPLES,
    SHORT_BINS,
    SHORT_SAMPLES,
    WINDOW_SAMPLES,
    BandTable,
    band_table,
)
from gapless.clean.low_delay.real_fft import rfft
from gapless.clean.low_delay.state import ENERGY_HOPS, State
from gapless.clean.low_delay.windows import analysis_window, sine_window
from gapless.dsp.fft import roots_of_unity
from gapless.realtime.zone import zone

Floats = npt.NDArray[np.float32]

SILENCE: Final = np.float32(1e-11)
"""Added to every energy: -110 dB, below the noise of 16 bits."""

# Tables are constants of the machine code.
ROOTS: Final = roots_of_unity(WINDOW_SAMPLES)
SHORT_ROOTS: Final = roots_of_unity(SHORT_SAMPLES)
WINDOW: Final = analysis_window(WINDOW_SAMPLES, HOP_SAMPLES)
SHORT_WINDOW: Final = sine_window(SHORT_SAMPLES)
TABLE: Final = band_table(WINDOW_SAMPLES)
SHORT_TABLE: Final = band_table(SHORT_SAMPLES)
POWER_SCALE: Final = np.float32(1 / float((WINDOW.astype(np.float64) ** 2).sum()))
SHORT_SCALE: Final = np.float32(1 / float((SHORT_WINDOW.astype(np.float64) ** 2).sum()))


@zone
def analyse(state: State, source: Floats) -> None:
    """Take a hop in, and look at what there is.

    Args:
        state: a record of ``STATE``; samples, spectrum, power and energies are written.
        source: float32 [HOP_SAMPLES].
    """
    samples = state["samples"]
    windowed = state["windowed"]
    scratch = state["scratch"]
    kept = WINDOW_SAMPLES - HOP_SAMPLES
    for i in range(kept):
        samples[i] = samples[i + HOP_SAMPLES]
    for i in range(HOP_SAMPLES):
        samples[kept + i] = source[i]

    newest = samples[WINDOW_SAMPLES - SHORT_SAMPLES :]
    for i in range(SHORT_SAMPLES):
        windowed[i] = newest[i] * SHORT_WINDOW[i]
    short = state["short_spectrum"]
    rfft(windowed[:SHORT_SAMPLES], SHORT_ROOTS, short, scratch)
    power = state["power"]
    for k in range(SHORT_BINS):
        power[k] = (short[0, k] * short[0, k] + short[1, k] * short[1, k]) * SHORT_SCALE
    band_energies(power[:SHORT_BINS], SHORT_TABLE, state["short_energies"])

    for i in range(WINDOW_SAMPLES):
        windowed[i] = samples[i] * WINDOW[i]
    spectrum = state["spectrum"]
    rfft(windowed, ROOTS, spectrum, scratch)
    for k in range(BINS):
        real, imag = spectrum[0, k], spectrum[1, k]
        power[k] = (real * real + imag * imag) * POWER_SCALE
    band_energies(power, TABLE, state["energies"][state["hops"] % ENERGY_HOPS])
    state["hops"] += 1


@zone
def band_energies(power: Floats, table: BandTable, energies: Floats) -> None:
    """Mean power of each band.

    Args:
        power: float32 [bins].
        table: of a transform with as many bins.
        energies: float32 [BANDS], written.
    """
    for b in range(BANDS):
        energies[b] = np.float32(0.0)
    for k in range(power.shape[0]):
        band = table.lower[k]
        above = power[k] * table.share[k]
        energies[band] += power[k] - above
        energies[band + 1] += above
    for b in range(BANDS):
        energies[b] = energies[b] * table.scale[b] + SILENCE
