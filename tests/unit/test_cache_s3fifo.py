from __future__ import annotations

from random import Random

from gapless.cache.entry import Entry, Mark, weigh
from gapless.cache.ghost import Ghost
from gapless.cache.key import digest
from gapless.cache.s3fifo import LARGEST_SHARE, MOST_HITS, PINNED_SHARE, S3Fifo

FOREVER = float("inf")
MARK = Mark("v")
WEIGHT = weigh(bytes(16), b"")


def entry(number: int, value: bytes = b"", *, until: float = FOREVER, mark: Mark = MARK) -> Entry:
    key = digest(b"%d" % number)
    return Entry(key, value, mark, weigh(key, value), until, until, negative=False)


def hit(core: S3Fifo, number: int) -> bool:
    found = core.entries.get(digest(b"%d" % number))
    if found is None:
        return False
    found.hits = min(found.hits + 1, MOST_HITS)
    return True


def test_what_is_asked_for_stays_and_a_scan_passes_through() -> None:
    core = S3Fifo(100 * WEIGHT)
    for number in range(50):
        core.put(entry(number), 0.0)
    for number in range(50):
        assert hit(core, number)
    for number in range(1000, 3000):
        core.put(entry(number), 0.0)
    assert all(hit(core, number) for number in range(50))


def test_without_hits_the_oldest_goes_first() -> None:
    core = S3Fifo(10 * WEIGHT)
    for number in range(30):
        core.put(entry(number), 0.0)
    assert not hit(core, 0)
    assert hit(core, 29)
    assert core.evictions == 20


def test_what_comes_again_goes_to_the_main_queue() -> None:
    core = S3Fifo(20 * WEIGHT)
    for number in range(21):
        core.put(entry(number), 0.0)
    assert not hit(core, 0)
    core.put(entry(0), 0.0)
    # Its ghost was there: others that were never asked for pass it by.
    for number in range(100, 140):
        core.put(entry(number), 0.0)
    assert hit(core, 0)


def test_what_is_past_its_lifetime_or_invalid_is_not_kept_for_its_hits() -> None:
    core, dead = S3Fifo(10 * WEIGHT), Mark("dead")
    core.put(entry(0, until=5.0), 0.0)
    core.put(entry(1, mark=dead), 0.0)
    for number in (0, 1):
        for _ in range(MOST_HITS):
            hit(core, number)
    dead.alive = False
    for number in range(10, 21):
        core.put(entry(number), 6.0)
    assert not hit(core, 0)
    assert not hit(core, 1)


def test_a_value_is_replaced_in_its_place_and_weighed_anew() -> None:
    core = S3Fifo(100 * WEIGHT)
    core.put(entry(0, b"a"), 0.0)
    kept = core.entries[digest(b"0")]
    core.put(entry(0, bytes(1000)), 0.0)
    assert core.entries[digest(b"0")] is kept
    assert core.bytes == weigh(bytes(16), bytes(1000))


def test_a_value_that_grew_too_large_is_gone() -> None:
    core = S3Fifo(100 * WEIGHT)
    core.put(entry(0), 0.0)
    assert not core.put(entry(0, bytes(int(LARGEST_SHARE * 100 * WEIGHT))), 0.0)
    assert not core.entries
    assert core.bytes == 0


def test_pinned_entries_stay_and_are_bounded() -> None:
    core = S3Fifo(100 * WEIGHT)
    pinned = sum(core.put(entry(number), 0.0, pinned=True) for number in range(100))
    assert pinned == int(PINNED_SHARE * 100)
    for number in range(1000, 2000):
        core.put(entry(number), 0.0)
    assert all(hit(core, number) for number in range(pinned))
    assert core.bytes <= core.budget_bytes


def test_a_pinned_entry_stays_pinned_when_its_value_changes() -> None:
    core = S3Fifo(100 * WEIGHT)
    core.put(entry(0, b"a"), 0.0, pinned=True)
    core.put(entry(0, b"b"), 0.0)
    for number in range(1000, 2000):
        core.put(entry(number), 0.0)
    assert core.entries[digest(b"0")].value == b"b"


def test_an_entry_that_is_there_can_be_pinned() -> None:
    core = S3Fifo(100 * WEIGHT)
    core.put(entry(0), 0.0)
    core.put(entry(0), 0.0, pinned=True)
    for number in range(1000, 2000):
        core.put(entry(number), 0.0)
    assert hit(core, 0)


def test_a_smaller_budget_is_reached_in_steps() -> None:
    core = S3Fifo(100 * WEIGHT)
    for number in range(10):
        core.put(entry(number), 0.0, pinned=True)
    for number in range(100, 190):
        core.put(entry(number), 0.0)
    core.budget_bytes = 5 * WEIGHT
    steps = 1
    while core.shrink(0.0, 7):
        steps += 1
        assert steps < 100
    assert steps == 14
    assert core.bytes == 5 * WEIGHT
    # Only pinned ones are left, those that came first.
    assert all(hit(core, number) for number in range(5))


def test_entries_that_are_dropped_do_not_pile_up_in_queues() -> None:
    core = S3Fifo(100 * WEIGHT)
    for number in range(10_000):
        core.put(entry(number), 0.0)
        core.drop(core.entries[digest(b"%d" % number)])
    assert max(len(queue) for queue in core._queues) < 200
    assert core.bytes == 0


def test_a_search_for_a_victim_ends() -> None:
    core = S3Fifo(2000 * WEIGHT)
    for number in range(2000):
        core.put(entry(number), 0.0)
    for number in range(2000):
        for _ in range(MOST_HITS):
            hit(core, number)
    before = core.evictions
    core.put(entry(5000), 0.0)
    # All were wanted, and one of the first went nevertheless.
    assert core.evictions == before + 1
    assert sum(hit(core, number) for number in range(100)) == 99


def test_a_ghost_is_seen_once_and_not_for_long() -> None:
    ghost = Ghost()
    keys = [digest(b"%d" % number) for number in range(10)]
    for key in keys:
        ghost.add(key)
    assert ghost.take(keys[9], 10)
    assert not ghost.take(keys[9], 10)
    assert not ghost.take(keys[0], 9)
    assert ghost.take(keys[0], 10)
    assert not ghost.take(digest(b"never"), 10)


def test_most_ghosts_are_seen_when_they_come_again() -> None:
    ghost, count = Ghost(), 5000
    ghost.fit(count)
    keys = [digest(b"%d" % number) for number in range(count)]
    for key in keys:
        ghost.add(key)
    seen = sum(ghost.take(key, count) for key in keys)
    assert seen > 0.85 * count
    assert ghost.nbytes < 100 * count


def test_ghosts_shrink_only_when_there_are_far_fewer() -> None:
    ghost = Ghost()
    ghost.fit(10_000)
    large = ghost.nbytes
    ghost.fit(4_000)
    assert ghost.nbytes == large
    ghost.fit(10)
    assert ghost.nbytes < large


def test_hits_on_a_skewed_load_are_more_than_with_least_recently_used() -> None:
    from gapless.bench.cache_policies import Lru, hit_share

    random, keys = Random(5), 2000
    weights = [1 / rank for rank in range(1, keys + 1)]
    requests = random.choices(range(keys), weights, k=20_000)
    core, hits = S3Fifo(200 * WEIGHT), 0
    for number in requests:
        if hit(core, number):
            hits += 1
        else:
            core.put(entry(number), 0.0)
    assert hits / len(requests) > hit_share(Lru(200), requests) + 0.03
