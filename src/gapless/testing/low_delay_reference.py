"""The low-delay denoiser a second time, slowly and plainly, for tests to compare the kernels with.

In: a recording, and RNNoise's gains for it. Out: the recording, cleaned. Invariants: nothing is shared with the
kernels but the constants; float64; whole arrays where the kernels go step by step. Thread: any.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gapless.clean.low_delay.bands import BANDS, EDGES, HOP_SAMPLES, SHORT_SAMPLES, WINDOW_SAMPLES

Array = npt.NDArray[np.float64]


def reference_suppress(
    samples: npt.NDArray[np.float32],
    gains: npt.NDArray[np.float32],
    vad: npt.NDArray[np.float32],
    late_hops: npt.NDArray[np.int64],
    weights: npt.NDArray[Any],
) -> Array:
    """Clean a recording; arguments as for ``clean.low_delay.offline.suppress_with``.

    Returns:
        float64 [n], aligned with ``samples``.
    """
    n_hops = -(-len(samples) // HOP_SAMPLES) + 1
    padded = np.zeros((n_hops - 1) * HOP_SAMPLES + WINDOW_SAMPLES)
    padded[WINDOW_SAMPLES - HOP_SAMPLES :][: len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
    rise = np.arange(WINDOW_SAMPLES - HOP_SAMPLES) + 0.5
    fall = np.arange(HOP_SAMPLES) + 0.5
    window = np.concatenate(
        (np.sin(0.5 * np.pi * rise / len(rise)), np.cos(0.5 * np.pi * fall / HOP_SAMPLES))
    )
    spectra = np.fft.rfft(frames * window, axis=1)
    power = np.abs(spectra) ** 2 / (window**2).sum()
    sine = np.sin(np.pi * (np.arange(SHORT_SAMPLES) + 0.5) / SHORT_SAMPLES)
    short = np.abs(np.fft.rfft(frames[:, -SHORT_SAMPLES:] * sine, axis=1)) ** 2 / (sine**2).sum()
    energies = power @ band_means(WINDOW_SAMPLES) + 1e-11
    short_energies = short @ band_means(SHORT_SAMPLES) + 1e-11

    features = reference_features(energies, short_energies, gains, vad, late_hops)
    corrected = reference_network(features, weights)

    cleaned = np.zeros(len(padded) + WINDOW_SAMPLES)
    by_bin = corrected @ band_shares(WINDOW_SAMPLES).T
    noise, wiener = power[0].copy(), np.ones(power.shape[1])
    hann = np.sin(np.pi * (np.arange(2 * HOP_SAMPLES) + 0.5) / (2 * HOP_SAMPLES)) ** 2
    synthesis = hann / window[-2 * HOP_SAMPLES :]
    for hop in range(n_hops):
        gain = by_bin[hop]
        noise += max(0.01, 1 / (hop + 2)) * (1 - gain**2) * (power[hop] - noise)
        wanted = np.maximum(1 - noise / (power[hop] + 1e-20), 0.01)
        fallen = wanted + np.exp(-0.2) * (wiener - wanted)
        wiener = np.maximum(wanted, fallen)
        gain = np.maximum(gain * wiener**0.125, 0.05)
        frame = np.fft.irfft(spectra[hop] * gain)[-2 * HOP_SAMPLES :]
        cleaned[hop * HOP_SAMPLES :][: 2 * HOP_SAMPLES] += frame * synthesis
    return cleaned[HOP_SAMPLES : HOP_SAMPLES + len(samples)]


def band_shares(n_fft: int) -> Array:
    """How much of each frequency belongs to each band: [bins, BANDS], rows that add up to one."""
    middles_hz = np.array(EDGES[1 : BANDS + 1]) * 50.0
    bins_hz = np.fft.rfftfreq(n_fft, 1 / 48_000)
    return np.stack([np.interp(bins_hz, middles_hz, row) for row in np.eye(BANDS)], axis=1)


def band_means(n_fft: int) -> Array:
    """What makes mean powers of bands of powers: [bins, BANDS]."""
    shares = band_shares(n_fft)
    return np.asarray(shares / np.maximum(shares.sum(axis=0), 1e-3))


def reference_features(
    energies: Array,
    short_energies: Array,
    gains: npt.NDArray[np.float32],
    vad: npt.NDArray[np.float32],
    late_hops: npt.NDArray[np.int64],
) -> Array:
    """What the network hears in each hop: [hops, FEATURES]."""
    arrivals: dict[int, list[int]] = {}
    for frame, late in enumerate(late_hops):
        if late >= 0:
            arrivals.setdefault((frame + 1) * 5 + int(late), []).append(frame)
    rows = []
    floor, smooth = energies[0].copy(), energies[0].copy()
    history: list[Array] = []
    fresh: list[int] = []
    newest, learned = -1, 0
    for hop, now in enumerate(energies):
        for frame in arrivals.get(hop, []):
            if frame <= newest:
                continue
            newest = frame
            fresh.append(frame)
            speech = gains[frame].astype(float) ** 2
            kept = min(0.95, 1 - 1 / (learned + 1.5)) if learned < 20 else 0.95
            kept = kept + (1 - kept) * speech
            floor = kept * floor + (1 - kept) * (1 - speech) * energies[frame * 5 + 4]
            learned += 1
        smooth = 0.967 * smooth + 0.033 * now
        history.append(smooth)
        # Parts of 75 hops, of which the newest may have just begun; before there were eight, the first hop counts.
        quiet = np.min(history[max(0, (hop // 75 - 7) * 75) :], axis=0)
        if hop // 75 < 7:
            quiet = np.minimum(quiet, energies[0])
        quiet = 1.6 * quiet
        age = (hop + 1) * 96 - (newest + 1) * 480
        if not fresh or age >= 1920:
            age, fresh = 1920, []
            floor = floor + 0.02 * (quiet - floor)
        noise = np.log10(floor + 1e-12)
        ratios = [np.log10(e) - noise for e in (now, short_energies[hop], quiet)]
        nothing = np.zeros(BANDS)
        rows.append(
            np.concatenate(
                (
                    gains[fresh[-1]] if fresh else nothing,
                    gains[fresh[-2]] if len(fresh) > 1 else nothing,
                    *np.clip(ratios, -2, 4),
                    [vad[fresh[-1]] if fresh else 0, len(fresh) > 0, len(fresh) > 1, age / 480],
                    [np.log10(now.sum())],
                )
            )
        )
    return np.array(rows)


def reference_network(features: Array, weights: npt.NDArray[Any]) -> Array:
    """Gains of each hop: [hops, BANDS]."""
    w = {name: weights[name][0].astype(float) for name in weights.dtype.names or ()}
    first = np.tanh(features @ w["first"] + w["first_bias"])
    hidden = np.zeros(first.shape[1])
    gains = []
    for row in first:
        given = np.split(row @ w["input"] + w["input_bias"], 3)
        remembered = np.split(hidden @ w["recurrent"] + w["recurrent_bias"], 3)
        forget, update = (_sigmoid(g + r) for g, r in zip(given[:2], remembered[:2], strict=True))
        new = np.tanh(given[2] + forget * remembered[2])
        hidden = (1 - update) * new + update * hidden
        gains.append(_sigmoid(np.concatenate((hidden, row)) @ w["last"] + w["last_bias"]))
    return np.array(gains)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))
