"""The breaker of the sound under every order of blocks in time and late, of any lengths."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.strategies import booleans, integers, lists, sampled_from

from gapless.realtime.breaker import (
    CHEAPER,
    DRY,
    FULL,
    HALF_OPEN,
    LATE,
    MISSED,
    OPENED,
    PATH,
    judge,
    make_breaker,
)

pytestmark = pytest.mark.long

ORDER = {
    (FULL, CHEAPER),
    (CHEAPER, DRY),
    (CHEAPER, FULL),
    (DRY, HALF_OPEN),
    (HALF_OPEN, DRY),
    (HALF_OPEN, FULL),
}


class BreakerMachine(RuleBasedStateMachine):
    """Drives a breaker beside a record of everything that happened, which is searched anew for every block."""

    @initialize(
        limit=integers(1, 6),
        pause_samples=sampled_from((0, 100, 1200, 5000)),
        block=sampled_from((1, 96, 128, 512, 2000)),
    )
    def start(self, limit: int, pause_samples: int, block: int) -> None:
        self.state = make_breaker()
        self.limit, self.pause_samples, self.block = limit, pause_samples, block
        self.position = 0
        self.path = FULL
        self.blocks: list[tuple[int, bool]] = []
        """Path of each block, and whether it was in time."""
        self.entered = [(FULL, 0)]
        """Paths in the order in which they came, and where they began."""

    @rule(in_time=booleans())
    def a_block(self, in_time: bool) -> None:
        self.position += self.block
        self.blocks.append((self.path, in_time))
        following = judge(self.state, self.limit, self.pause_samples, self.position, in_time)
        assert following == self.expected(), self.entered
        if following != self.path:
            assert (self.path, following) in ORDER
            self.entered.append((following, self.position))
        self.path = following

    def expected(self) -> int:
        """The next path by the book: what was drawn in the module's docstring."""
        path, in_time = self.blocks[-1]
        since = [there for _, there in self.blocks[-self.blocks_on_this_path() :]]
        in_a_row = next((n for n, there in enumerate(reversed(since)) if there), len(since))
        if path == HALF_OPEN:
            return FULL if in_time else DRY
        if path in {FULL, CHEAPER} and in_a_row == self.limit:
            return path + 1
        ends = self.entered[-1][1] + self.pause_samples
        if path == CHEAPER and in_time and self.position + self.block > ends:
            return FULL
        # The trial itself must end within the pause, if another block of the dry signal before it would make it late.
        if path == DRY and self.position + 2 * self.block > ends:
            return HALF_OPEN
        return path

    def blocks_on_this_path(self) -> int:
        path, count = self.path, 0
        for before, _ in reversed(self.blocks):
            if before != path:
                break
            count += 1
        return count

    @rule(pattern=lists(booleans(), max_size=6), times=integers(1, 6))
    def a_pattern(self, pattern: list[bool], times: int) -> None:
        for in_time in pattern * times:
            self.a_block(in_time)

    @rule()
    def a_stall(self) -> None:
        for _ in range(2 * self.limit):
            self.a_block(False)

    @rule(block=sampled_from((1, 96, 128, 512, 2000)))
    def blocks_become_longer_or_shorter(self, block: int) -> None:
        self.block = block

    @rule()
    def calm(self) -> None:
        """While all is in time, the model is heard within the pause, or within two blocks."""
        begin = self.position
        while self.path != FULL:
            self.a_block(True)
            assert self.position - begin <= max(self.pause_samples, 2 * self.block)

    @invariant()
    def it_counts_what_was_late(self) -> None:
        if not hasattr(self, "state"):
            return
        assert self.state[PATH] == self.path
        assert self.state[MISSED] == sum(not there for _, there in self.blocks)
        pairs = zip(self.entered, self.entered[1:], strict=False)
        assert self.state[OPENED] == sum(
            (before, after) == (CHEAPER, DRY) for (before, _), (after, _) in pairs
        )
        assert self.state[LATE] < max(self.limit, 1) or self.path == DRY


TestSoundBreaker = BreakerMachine.TestCase
TestSoundBreaker.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
