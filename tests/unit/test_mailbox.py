"""Messages into the zone and out of it, and state that is swapped by them."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.dsp.kernel import kernel
from gapless.realtime.atomics import load_acquire, store_release
from gapless.realtime.clock import now_ns
from gapless.realtime.mailbox import POSTED, REFUSED, Mailbox, make_mailbox, post, take
from gapless.realtime.native import samples_view

SWAP, STOP = 1, 2
LENGTH = 256
CAPACITY = 8
GONE = np.float32(-1)
"""What is written into state that came out: nobody may read it any more."""
PATIENCE_NS = 5_000_000_000


@pytest.mark.long
@given(
    capacity=st.sampled_from([1, 2, 8]),
    steps=st.lists(
        st.one_of(st.none(), st.tuples(st.integers(0, 9), st.integers(-(2**63), 2**63 - 1)))
    ),
)
def test_it_is_a_bounded_queue_that_counts_what_it_refuses(
    capacity: int, steps: list[tuple[int, int] | None]
) -> None:
    mailbox = make_mailbox(capacity)
    message = np.zeros(2, np.int64)
    queue: deque[tuple[int, int]] = deque()
    refused = 0
    for step in steps:
        if step is None:
            message[:] = 77
            assert take(mailbox, message) == bool(queue)
            assert tuple(message.tolist()) == (queue.popleft() if queue else (77, 77))
        else:
            room = len(queue) < capacity
            assert post(mailbox, *step) == room
            refused += not room
            if room:
                queue.append(step)
        assert mailbox[REFUSED] == refused


@pytest.mark.parametrize("capacity", [0, -1, 3])
def test_a_capacity_that_cannot_be_masked_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        make_mailbox(capacity)


@kernel
def use_state(
    commands: Mailbox, garbage: Mailbox, address: int, hasty: bool, progress: npt.NDArray[np.int64]
) -> int:
    """A callback, over and over: takes commands between blocks, reads all of its state in each.

    Returns:
        How often it read what was no longer its own. One that is hasty lets go of its state a block too early.
    """
    message = np.zeros(2, np.int64)
    bad = 0
    while True:
        following = address
        if take(commands, message):
            if message[0] == STOP:
                return bad
            following = message[1]
            if hasty:
                post(garbage, SWAP, address)
                until_ns = now_ns() + PATIENCE_NS
                while bad == 0 and now_ns() < until_ns:
                    bad += gone(address)
        bad += gone(address)
        if following != address and not hasty:
            post(garbage, SWAP, address)
        address = following
        store_release(progress, 0, load_acquire(progress, 0) + 1)


@kernel
def gone(address: int) -> int:
    state = samples_view(address, LENGTH)
    first = state[0]
    bad = 0
    for n in range(LENGTH):
        bad += state[n] != first or state[n] < 0
    return bad


def swap(times: int, *, hasty: bool) -> tuple[int, int]:
    """Swap the state of a running kernel; what comes out is overwritten at once.

    Returns:
        How often the kernel read what it had given back, and how many states came out.
    """
    commands, garbage = make_mailbox(CAPACITY), make_mailbox(CAPACITY)
    message = np.zeros(2, np.int64)
    progress = np.zeros(1, np.int64)
    first = np.zeros(LENGTH, np.float32)
    alive = {first.ctypes.data: first}
    bad: list[int] = []
    came_out = 0

    def release() -> int:
        count = 0
        while take(garbage, message):
            alive.pop(int(message[1]))[:] = GONE
            count += 1
        return count

    thread = threading.Thread(
        target=lambda: bad.append(use_state(commands, garbage, first.ctypes.data, hasty, progress))
    )
    thread.start()
    for n in range(times):
        state = np.full(LENGTH, n + 1, np.float32)
        alive[state.ctypes.data] = state
        came_out += release()
        while n - came_out == CAPACITY:
            time.sleep(0.001)
            came_out += release()
        assert post(commands, SWAP, state.ctypes.data)
    while came_out < times and not garbage[REFUSED]:
        came_out += release()
    assert post(commands, STOP, 0)
    thread.join()
    assert not garbage[REFUSED]
    assert len(alive) == 1, "the state that is in use"
    assert progress[0] >= times
    return bad[0], came_out


def test_state_is_never_touched_after_it_came_out() -> None:
    assert swap(2_000, hasty=False) == (0, 2_000)


def test_a_callback_that_lets_go_too_early_would_be_seen() -> None:
    bad, _ = swap(1, hasty=True)
    assert bad > 0


def test_a_message_is_seen_whole_by_another_thread() -> None:
    mailbox = make_mailbox(64)
    count = 200_000
    wrong: list[int] = []
    thread = threading.Thread(target=lambda: wrong.append(take_all(mailbox, count)))
    thread.start()
    assert post_all(mailbox, count) == count
    thread.join()
    assert wrong == [0]
    assert mailbox[POSTED] == count


@kernel
def post_all(mailbox: Mailbox, count: int) -> int:
    posted = 0
    until_ns = now_ns() + 6 * PATIENCE_NS
    while posted < count and now_ns() < until_ns:
        posted += post(mailbox, posted, -3 * posted)
    return posted


@kernel
def take_all(mailbox: Mailbox, count: int) -> int:
    message = np.zeros(2, np.int64)
    taken = wrong = 0
    until_ns = now_ns() + 6 * PATIENCE_NS
    while taken < count and now_ns() < until_ns:
        if take(mailbox, message):
            wrong += message[0] != taken or message[1] != -3 * taken
            taken += 1
    return wrong + count - taken
