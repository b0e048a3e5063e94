"""The suite that judges stages: it passes a good one and catches each way to be bad."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.testing.laws import check_stage, edges, usual_splits

SIGNAL = np.random.default_rng(8).uniform(-1, 1, 1000).astype(np.float32)


class Delay:
    """A good stage: holds back the last three samples."""

    def __init__(self) -> None:
        self.kept: Samples = np.zeros(0, np.float32)
        self.closed = False
        self.reset()

    @property
    def latency_samples(self) -> int:
        return 3

    def process(self, block: Samples) -> Samples:
        signal = np.concatenate((self.kept, block))
        ready = max(len(signal) - 3, 0)
        self.kept = signal[ready:].copy()
        return signal[:ready].copy()

    def flush(self) -> Samples:
        rest, self.kept = self.kept, self.kept[:0]
        return rest

    def reset(self) -> None:
        self.kept = np.zeros(0, np.float32)

    def close(self) -> None:
        self.closed = True


class MarksBlocks(Delay):
    """Law 1: says where blocks began."""

    def process(self, block: Samples) -> Samples:
        out = super().process(block)
        out[:1] += np.float32(1e-6)
        return out


class Remembers(Delay):
    """Law 2: reset forgets less than all."""

    gain = np.float32(1)

    def process(self, block: Samples) -> Samples:
        self.gain *= np.float32(0.5) if len(block) > 400 else np.float32(1)
        return super().process(block) * (self.gain if self.resets > 1 else np.float32(1))

    resets = 0

    def reset(self) -> None:
        self.resets += 1  # the first one is part of being made
        super().reset()


class DeclaresTooLittle(Delay):
    """Law 3."""

    @property
    def latency_samples(self) -> int:
        return 2


class DeclaresTooMuch(Delay):
    """Law 3."""

    @property
    def latency_samples(self) -> int:
        return 4


class LosesTheEnd(Delay):
    """Law 4."""

    def flush(self) -> Samples:
        return super().flush()[:-1]


class ReturnsScratch(Delay):
    """Gives out the memory that it works in."""

    scratch = np.zeros(2000, np.float32)

    def process(self, block: Samples) -> Samples:
        out = super().process(block)
        self.scratch[: len(out)] = out
        return self.scratch[: len(out)]


class ReturnsReadOnlyScratch(ReturnsScratch):
    """The same, with a lock on it that does not help."""

    def process(self, block: Samples) -> Samples:
        view = super().process(block)
        view.flags.writeable = False
        return view


class KeepsTheCallersBlock(Delay):
    """Keeps a view of its input."""

    def process(self, block: Samples) -> Samples:
        if len(self.kept) or len(block) < 3:
            return super().process(block)
        self.kept = block[-3:]
        return block[:-3].copy()


def test_a_good_stage_passes_and_is_closed() -> None:
    made: list[Delay] = []

    def make() -> Delay:
        made.append(Delay())
        return made[-1]

    check_stage(make, SIGNAL, usual_splits(len(SIGNAL)))

    assert made
    assert all(stage.closed for stage in made)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (MarksBlocks, "law 1"),
        (Remembers, "law 2"),
        (DeclaresTooLittle, "law 3: latency declared 2, measured 3"),
        (DeclaresTooMuch, "law 3: latency declared 4, measured 3"),
        (LosesTheEnd, "law 4: 1000 items in, 999 out"),
        (ReturnsScratch, "changed after it was returned"),
        (ReturnsReadOnlyScratch, "changed after it was returned"),
        (KeepsTheCallersBlock, "law 1"),
    ],
)
def test_a_bad_stage_is_found_out(make: Callable[[], Delay], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_stage(make, SIGNAL, usual_splits(len(SIGNAL)))


@pytest.mark.parametrize("length", [0, 1, 6, 1000, 20_000])
def test_splits_cover_the_input_and_have_empty_blocks(length: int) -> None:
    for split in usual_splits(length):
        blocks = list(edges(length, split))
        assert blocks[0] == (0, 0)
        assert blocks[-1] == (length, length)
        assert sum(end - start for start, end in blocks) == length
