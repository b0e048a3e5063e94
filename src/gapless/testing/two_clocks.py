"""Two sides of an elastic buffer that wake up by clocks of their own: a schedule is played through without waiting.

In: when each side wakes up and how long its blocks are. Out: what the consumer got, and the delay and target it saw.
Invariants: the same schedule gives the same bits; if both wake up at once the producer is first. Thread: any.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gapless.audio.types import Samples
from gapless.dsp.kernel import kernel
from gapless.realtime.elastic import DELAY, TARGET, pull, push

Integers = npt.NDArray[np.int64]


class Wakeups(NamedTuple):
    """When one side wakes up, in order."""

    at_ns: Integers
    """int64 [n]."""
    blocks: Integers
    """int64 [n]: samples that it pushes or pulls then."""

    def between(self, start_ns: int, end_ns: int) -> Wakeups:
        """Those from ``start_ns`` to before ``end_ns``."""
        part = slice(*np.searchsorted(self.at_ns, [start_ns, end_ns]))
        return Wakeups(self.at_ns[part], self.blocks[part])

    def without(self, start_ns: int, end_ns: int) -> Wakeups:
        """All others: a device that stood still meanwhile and lost what it should have done."""
        keep = (self.at_ns < start_ns) | (self.at_ns >= end_ns)
        return Wakeups(self.at_ns[keep], self.blocks[keep])

    def stalled(self, start_ns: int, end_ns: int) -> Wakeups:
        """All, but those in this time at its end, one after the other at once: a thread that was not woken up."""
        inside = (self.at_ns >= start_ns) & (self.at_ns < end_ns)
        return Wakeups(np.where(inside, end_ns, self.at_ns), self.blocks)


def regular(
    blocks: int | Integers,
    *,
    seconds: float,
    rate_hz: int = 48_000,
    ppm: float = 0.0,
    phase: float = 0.0,
    ahead: bool = False,
    late_ns: Integers | None = None,
) -> Wakeups:
    """Wake-ups whenever a block is full by a clock, or the one before it is used up.

    Args:
        blocks: samples of each, or int64 [n] that are taken in turn.
        seconds: for how long.
        rate_hz: nominal.
        ppm: how much faster the clock is.
        phase: blocks (the first one's length) by which all come later.
        ahead: whether a wake-up is before its block, as a consumer's is, and not behind it. With blocks of one length
            that is only another phase.
        late_ns: int64 [n], by how much each wake-up is late, taken in turn; none is before the one ahead of it.
    """
    turn = np.atleast_1d(np.asarray(blocks, np.int64))
    count = int(seconds * rate_hz * (1 + ppm * 1e-6) / turn.mean())
    lengths = np.resize(turn, count)
    places = np.cumsum(lengths) - (lengths if ahead else 0) + phase * turn[0]
    at_ns = np.round(places / (rate_hz * (1 + ppm * 1e-6)) * 1e9).astype(np.int64)
    if late_ns is not None:
        at_ns = np.maximum.accumulate(at_ns + np.resize(late_ns, count))
    return Wakeups(at_ns, lengths)


class Heard(NamedTuple):
    """What the consumer got."""

    samples: Samples
    """float32 [n]."""
    delays: Integers
    """int64 [n_pulls], samples: of each block."""
    targets: Integers
    """int64 [n_pulls], samples."""


def play(elastic: npt.NDArray[np.void], source: Samples, pushes: Wakeups, pulls: Wakeups) -> Heard:
    """Play a schedule; a later one goes on where it ended.

    Args:
        elastic: from ``make_elastic``.
        source: float32, as long as all pushes together.
        pushes: of the producer.
        pulls: of the consumer.
    """
    samples = np.empty(int(pulls.blocks.sum()), np.float32)
    delays = np.empty(len(pulls.at_ns), np.int64)
    targets = np.empty(len(pulls.at_ns), np.int64)
    _play(elastic[0], source, *pushes, *pulls, samples, delays, targets)
    return Heard(samples, delays, targets)


@kernel
def _play(  # noqa: PLR0917  compiled code takes its arguments by position
    elastic: Any,
    source: Samples,
    push_ns: Integers,
    push_blocks: Integers,
    pull_ns: Integers,
    pull_blocks: Integers,
    samples: Samples,
    delays: Integers,
    targets: Integers,
) -> None:
    pushed = 0
    pulled = 0
    given = 0
    for k in range(pull_ns.shape[0]):
        while pushed < push_ns.shape[0] and push_ns[pushed] <= pull_ns[k]:
            end = given + push_blocks[pushed]
            push(elastic, source[given:end], push_ns[pushed])
            given = end
            pushed += 1
        end = pulled + pull_blocks[k]
        pull(elastic, samples[pulled:end], pull_ns[k])
        pulled = end
        delays[k] = elastic.counts[DELAY]
        targets[k] = elastic.counts[TARGET]
    while pushed < push_ns.shape[0]:
        end = given + push_blocks[pushed]
        push(elastic, source[given:end], push_ns[pushed])
        given = end
        pushed += 1
