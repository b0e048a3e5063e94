"""How soon the model is heard again after its thread stood still, and what is left of it.

In: length and number of stalls. Out: work whose operations are stalls: the time from its end until the model is wholly
heard again; 0 if it never was not. Invariants: a stall ends for us when it would if the thread had begun it at once,
so that what the thread is late by counts against us. The sound is judged where the engine gives it: blocks that a busy
machine loses on the way to another program are not the engine's. Thread: main, beside the sound server's and the
engine's.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gapless.audio.device.foreign import offset
from gapless.bench.contenders.mic_engine import engine_of
from gapless.bench.desk import HEARS_S, desk
from gapless.bench.distribution import distribution
from gapless.bench.drive import Samples, Work
from gapless.bench.flaws import count_flaws, step_ratio
from gapless.bench.lag import MOST_LAG
from gapless.bench.mic_sounds import vowel
from gapless.bench.probe import Switch, Times
from gapless.bench.tapped import Tapped
from gapless.clean.live.state import PATH, STATE
from gapless.clean.mic.status import MicOptions
from gapless.errors import DeviceError
from gapless.realtime.breaker import FULL

if TYPE_CHECKING:
    from gapless.clean.mic.engine import MicEngine

BLOCK_FRAMES: Final = 128
LISTENS_S: Final = 1.0
"""From the begin of each stall."""
APART_S: Final = 5.0
"""From stall to stall: the engine raises its latency if the model is late three times in ten seconds."""
TOGETHER_S: Final = 0.5
"""Where it shall be raised."""
BACK_S: Final = 120.0
"""For the latency to come back; a step of 5 ms takes ten seconds."""
LAG_S: Final = 1.0
LAST: Final = 64
STEADY: Final = 38
"""Blocks, 0.1 s: a model that comes and goes has not come back."""
FRAME_JITTER_S: Final = 0.01
"""A stall meets the model at any place in a frame."""


class Stall(NamedTuple):
    """One stall and what came of it."""

    left: bool
    """The model was not wholly heard for a while."""
    opened: bool
    """The breaker did not trust it."""
    back_ns: int
    """From the end of the stall until the model is wholly heard."""
    closed_ns: int
    """From the block in which the breaker gave it up to the one in which it trusts it again; 0: it never did."""
    seam: float
    """The largest step of what the engine gives, over that of what it hears."""
    clicks: int


@contextmanager
def stalled(*, stall_ms: float, together: bool = False) -> Iterator[Work]:
    """Puts stalls into the model's thread in quality mode.

    Args:
        stall_ms: length of each.
        together: so often that the latency is raised; then it is waited for until it has come back.
    """
    with engine_of("quality") as engine:
        state = engine.block.state
        full_share = state + offset(STATE, "full_share")
        path = state + offset(STATE, "told_by_callback") + PATH * 8
        switch = Switch(engine.block, watched=(full_share, path))
        tapped = Tapped(switch.block, vowel(), HEARS_S)
        with desk(tapped.block, vowel(), BLOCK_FRAMES):
            watched = _Watched(tapped, switch, engine)

            def work(seconds: float) -> Samples:
                return watched.work(seconds, stall_ms, TOGETHER_S if together else APART_S)

            yield work


class _Watched:
    """An engine at a desk, whose paths are looked at after each block.

    Args:
        tapped: what it hears and gives.
        switch: runs the engine, watches its share and its path.
        engine: to stall.
    """

    def __init__(self, tapped: Tapped, switch: Switch, engine: MicEngine) -> None:
        self._tapped = tapped
        self._switch = switch
        self._engine = engine

    def work(self, seconds: float, stall_ms: float, every_s: float) -> Samples:
        """Stall again and again for about so many seconds, at least once."""
        began_ns = time.monotonic_ns()
        self._wait_for_model()
        before, declared_ms = self._lag(), self._engine.status().latency_ms
        chance = random.Random(round(stall_ms))
        stalls, raised_ms = [], 0.0
        listens_s = min(LISTENS_S, every_s)
        for number in range(max(round(seconds / every_s), 1)):
            time.sleep((every_s - listens_s if number else 0.0) + chance.uniform(0, FRAME_JITTER_S))
            stalls.append(self._stall(stall_ms, listens_s))
            raised_ms = max(raised_ms, self._engine.status().latency_ms - declared_ms)
        returned_s = self._wait_for_latency(declared_ms)
        took = [stall.back_ns for stall in stalls]
        return Samples(
            took_ns=took,
            elapsed_ns=time.monotonic_ns() - began_ns,
            units=len(took),
            figures={
                "noticed_share": statistics.mean(stall.left for stall in stalls),
                "opened_share": statistics.mean(stall.opened for stall in stalls),
                "closed_p95_us": distribution([stall.closed_ns for stall in stalls]).p95 / 1e3,
                "seam_times": max(stall.seam for stall in stalls),
                "clicks": float(sum(stall.clicks for stall in stalls)),
                "raised_us": raised_ms * 1e3,
                "returned_us": returned_s * 1e6,
                "lasting_samples": float(self._lag() - before),
            },
        )

    def _stall(self, stall_ms: float, listens_s: float) -> Stall:
        blocks_before = len(self._switch.came_ns)
        ended_ns = time.monotonic_ns() + round(stall_ms * 1e6)
        self._engine.stall(stall_ms)
        start, end = self._tapped.gave.listen(listens_s)
        gave = self._tapped.gave.heard(start, end)
        came_ns = self._switch.came_ns
        share, path = (self._switch.seen(n)[blocks_before : len(came_ns)] for n in (0, 1))
        came_ns = came_ns[blocks_before:]
        closed = path == FULL
        opened = np.flatnonzero(~closed)
        whole = closed & (share == MicOptions().crossfade_samples)
        return Stall(
            left=not whole.all(),
            opened=bool(len(opened)),
            back_ns=time_until(ended_ns, came_ns, whole),
            closed_ns=time_until(int(came_ns[opened[0]]), came_ns, closed) if len(opened) else 0,
            # What is given was heard a while before.
            seam=step_ratio(gave, self._tapped.heard.played(start - MOST_LAG, end)),
            clicks=count_flaws(gave).clicks,
        )

    def _wait_for_model(self) -> None:
        """Until it was heard in every one of the last blocks."""
        give_up_s = time.monotonic() + BACK_S
        while not (self._switch.seen(0)[-LAST:] == MicOptions().crossfade_samples).all():
            if time.monotonic() > give_up_s:
                raise DeviceError("the model is never heard; is the machine too busy?")
            time.sleep(LAG_S / 10)

    def _wait_for_latency(self, declared_ms: float) -> float:
        """Until it is what it was, or for as long as that may take; seconds."""
        began_s = time.monotonic()
        while (
            self._engine.status().latency_ms > declared_ms and time.monotonic() < began_s + BACK_S
        ):
            time.sleep(LAG_S / 10)
        return time.monotonic() - began_s

    def _lag(self) -> int:
        """Of what is heard behind what is played, in samples."""
        return round(statistics.median(self._tapped.lags_samples(LAG_S, LAG_S)))


def time_until(
    ended_ns: int, came_ns: Times, holds: npt.NDArray[np.bool_], steady: int = STEADY
) -> int:
    """Nanoseconds from a moment to the first block from which on something holds; 0 if it always did.

    Args:
        ended_ns: the moment.
        came_ns: int64 [n], when blocks came.
        holds: bool [n], whether it held in each.
        steady: blocks for which it must hold; what breaks it later has other causes.

    Raises:
        DeviceError: it does not hold in the end.
    """
    broken = np.flatnonzero(~holds)
    if not len(broken):
        return 0
    held = np.diff(broken) - 1
    last = int(broken[np.argmax(np.append(held >= steady, True))])
    if last == len(holds) - 1:
        raise DeviceError("the model did not come back; is the machine too busy?")
    return max(int(came_ns[last + 1]) - ended_ns, 0)
