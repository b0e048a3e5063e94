"""What a cleaned microphone does with every block.

In: a block as a device gives it. Out: a block as other programs hear it, ``state.latency`` samples late. Invariants:
there are three paths, aligned by position: the model's (``cleaned``), the low-delay one (``quick``) and the sound as it
came (``heard``). Going from one to another is a fade, and the model's is only heard as long as a whole fade of it lies
ready, so that there is enough to fade out of it whenever it stops. Nothing here waits, allocates or fails.
Thread: the callback's.
"""

from __future__ import annotations

from typing import Final

from gapless.audio.types import Samples
from gapless.clean.live.choose import choose, model_trusted
from gapless.clean.live.hear import hear
from gapless.clean.live.mix import mix
from gapless.clean.live.state import (
    AMOUNT,
    BANDS,
    BYPASS,
    GAIN_ROWS,
    GAINS,
    GATE,
    HEARD,
    HOP,
    MASK,
    QUICK_LATENCY,
    RATE_HZ,
    RESTS,
    Record,
)
from gapless.clean.low_delay.floors import set_gains
from gapless.clean.low_delay.hop import process_hop
from gapless.realtime.atomics import load_acquire, load_relaxed, store_relaxed
from gapless.realtime.breaker import DRY
from gapless.realtime.clock import now_ns
from gapless.realtime.counters import record
from gapless.realtime.zone import zone

REST_AFTER: Final = RATE_HZ
"""Samples that go out dry by wish after which the models rest."""
VOICE: Final = 0.5
"""Likelihood from which on it is one."""
BUSIEST: Final = 0.8
"""Share of a block's time; a callback that takes longer counts as late."""


@zone
def process(state: Record, source: Samples, target: Samples) -> None:
    """Take a block, give a block.

    Args:
        state: a record of ``STATE``.
        source: float32 [n], n at most ``MAX_FRAMES``.
        target: float32 [n], written; may be ``source``.
    """
    began_ns = now_ns()
    frames = source.shape[0]
    hear(state, source)
    rests = _rests(state)
    path = choose(state, frames)
    _take_gains(state)
    # What fades out is still made, even on the dry path.
    if rests or (path == DRY and state.wet == 0.0):
        _skip_hops(state)
    else:
        _clean_quickly(state)
    mix(state, target, path)
    took_ns = now_ns() - began_ns
    record(state.took, took_ns)
    state.took_too_long = 1 if took_ns * RATE_HZ > BUSIEST * 1e9 * frames else 0


@zone
def _take_gains(state: Record) -> None:
    """The newest gains of the worker's model, if it is trusted."""
    written = load_acquire(state.told_by_worker, GAINS)
    if written == state.gains_seen:
        return
    state.gains_seen = written
    row = (written - 1) % GAIN_ROWS
    state.newest_gains = state.gains_at[row]
    if state.gains[row, BANDS] > VOICE:
        state.voice_until = load_relaxed(state.told_by_callback, HEARD) + state.hang_over
    if state.quality == 0 and model_trusted(state):
        # As the low-delay path counts: it has heard nothing of what was skipped.
        gains, voice = state.gains[row, :BANDS], state.gains[row, BANDS]
        set_gains(state.low_delay, gains, voice, state.gains_at[row] - state.skipped)


@zone
def _rests(state: Record) -> bool:
    """Whether what goes out was dry by wish for a while, so that nobody misses the models."""
    heard = load_relaxed(state.told_by_callback, HEARD)
    told = state.told
    dry = load_relaxed(told, BYPASS) != 0 or load_relaxed(told, AMOUNT) == 0
    # A gate wants to know what is a voice.
    if not dry or state.wet > 0.0 or load_relaxed(told, GATE) != 0:
        state.asleep_since = heard
    rests: bool = heard - state.asleep_since > REST_AFTER
    if rests:
        state.rested_until = heard
    store_relaxed(state.told_by_callback, RESTS, 1 if rests else 0)
    return rests


@zone
def _skip_hops(state: Record) -> None:
    heard = load_relaxed(state.told_by_callback, HEARD)
    hops = (heard - state.hopped) // HOP
    state.hopped += hops * HOP
    state.skipped += hops * HOP
    state.awake_since = heard


@zone
def _clean_quickly(state: Record) -> None:
    """The low-delay path, up to the last whole hop."""
    heard = load_relaxed(state.told_by_callback, HEARD)
    while heard - state.hopped >= HOP:
        for n in range(HOP):
            state.hop_in[n] = state.heard[(state.hopped + n) & MASK]
        process_hop(state.low_delay, state.weights, state.hop_in, state.hop_out)
        state.hopped += HOP
        for n in range(HOP):
            state.quick[(state.hopped - QUICK_LATENCY + n) & MASK] = state.hop_out[n]
