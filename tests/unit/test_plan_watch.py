from __future__ import annotations

import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from gapless.settings import load_settings
from gapless.tune.facts import Facts
from gapless.tune.fit import fit
from gapless.tune.probe import read_facts
from gapless.tune.watch import LIVE, Changes, Replanner, Watcher, without_own

MIB = 1024**2


def facts(limit_mb: int | None = 4096, *, cpus: int = 4, taken_mb: int = 200) -> Facts:
    return Facts(
        cpus_affinity=cpus,
        physical_cores=4,
        memory_total_bytes=32768 * MIB,
        memory_available_bytes=30000 * MIB,
        memory_limit_bytes=None if limit_mb is None else limit_mb * MIB,
        memory_limit_available_bytes=None if limit_mb is None else (limit_mb - taken_mb) * MIB,
        own_memory_bytes=taken_mb * MIB,
    )


def replanner(start: Facts, **env: str) -> Replanner:
    settings = load_settings(env={f"GAPLESS_{name.upper()}": value for name, value in env.items()})
    return Replanner(fit(settings, start), start, calm_s=60.0)


def test_a_machine_that_stays_as_it_is_changes_nothing() -> None:
    plans = replanner(facts())

    assert [plans.look(facts(taken_mb=mb), mb) for mb in (200, 900, 2000)] == [None] * 3


def test_a_lower_limit_counts_when_it_is_seen_twice() -> None:
    plans = replanner(facts())

    assert plans.look(facts(1024), 0.0) is None
    replan = plans.look(facts(1024), 5.0)

    assert replan is not None
    assert replan.changes == {"cache_mb": 206}
    assert replan.reason == "memory limit 4096 MB before, 1024 MB now"
    assert plans.resolved.settings.cache_mb == 206
    assert plans.resolved.sources["cache_mb"].detail.startswith("a quarter of 824 MB")
    assert plans.look(facts(1024), 10.0) is None


def test_a_higher_limit_counts_when_it_has_lasted() -> None:
    plans = replanner(facts(1024))

    looks = [plans.look(facts(4096), now_s) for now_s in (0.0, 5.0, 59.0, 60.0)]

    assert looks[:3] == [None] * 3
    assert looks[3] is not None
    assert looks[3].changes == {"cache_mb": 974}


def test_what_comes_and_goes_changes_nothing() -> None:
    plans = replanner(facts(4096))

    for second in range(0, 1000, 10):
        assert plans.look(facts(1024), second) is None
        assert plans.look(facts(4096), second + 5) is None
    for second in range(2000, 3000, 50):
        assert plans.look(facts(None), second) is None
        assert plans.look(facts(4096), second + 25) is None


def test_more_that_grows_less_again_begins_anew() -> None:
    plans = replanner(facts(1024))

    assert plans.look(facts(4096), 0.0) is None
    assert plans.look(facts(8192), 50.0) is None
    assert plans.look(facts(8192), 100.0) is None
    assert plans.look(facts(8192), 110.0) is not None


def test_memory_that_grows_short_shrinks_the_cache_and_lets_it_forget() -> None:
    plans = replanner(facts())
    short = replace(facts(), pressure="critical")

    plans.look(short, 0.0)
    replan = plans.look(short, 5.0)

    assert replan is not None
    assert replan.changes == {"cache_mb": 487, "cache_ttl_s": 300}
    assert replan.reason == "memory was calm, is critical"


def test_fewer_cpus_mean_a_smaller_pool_but_no_other_threads() -> None:
    plans = replanner(facts(cpus=8))
    before = plans.resolved.settings

    plans.look(facts(cpus=2), 0.0)
    replan = plans.look(facts(cpus=2), 5.0)

    assert replan is not None
    assert set(replan.changes) == {"store_pool", "store_batch_rows"}
    assert plans.resolved.settings.threads == before.threads
    assert set(replan.changes) <= set(LIVE)


def test_what_a_person_set_stays() -> None:
    plans = replanner(facts(), cache_mb="300", cache_ttl_s="60", store_pool="5")

    assert [plans.look(facts(1024), now_s) for now_s in (0.0, 5.0, 10.0)] == [None] * 3
    assert plans.resolved.settings.cache_mb == 300


def test_bounds_hold_for_what_is_planned_again() -> None:
    plans = replanner(facts(), cache_mb_min="512")

    plans.look(facts(1024), 0.0)
    replan = plans.look(facts(1024), 5.0)

    assert replan is not None
    assert replan.changes == {"cache_mb": 512}
    assert plans.resolved.sources["cache_mb"].clamped == "GAPLESS_CACHE_MB_MIN = 512"


def test_what_the_server_took_itself_is_not_taken() -> None:
    start, later = facts(4096, taken_mb=200), facts(4096, taken_mb=1200)

    seen = without_own(later, start)

    assert seen.memory_limit_available_bytes == start.memory_limit_available_bytes
    assert seen.memory_available_bytes == 31000 * MIB
    assert without_own(start, later) == start


def write_limit(root: Path, limit_mb: int) -> None:
    group = root / "sys/fs/cgroup/box"
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.max").write_text(f"{limit_mb * MIB}\n")
    (group / "memory.current").write_text(f"{100 * MIB}\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine of 8 GB whose group allows 4."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/box\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal: 8388608 kB\nMemAvailable: 8000000 kB\n")
    write_limit(tmp_path, 4096)
    return tmp_path


def test_files_that_change_are_seen_and_the_change_handed_on(root: Path) -> None:
    start = read_facts(root=root, env={})
    told: list[Changes] = []
    plans = Replanner(fit(load_settings(env={}), start), start)
    watcher = Watcher(plans, lambda: read_facts(root=root, env={}), told.append)

    watcher.look(0.0)
    write_limit(root, 700)
    watcher.look(5.0)
    watcher.look(10.0)

    assert told == [{"cache_mb": 150}]
    assert watcher.resolved.settings.cache_mb == 150


def test_the_thread_looks_by_itself_survives_mistakes_and_ends(root: Path) -> None:
    start = read_facts(root=root, env={})
    seen, looks = threading.Event(), 0

    def read() -> Facts:
        nonlocal looks
        looks += 1
        if looks == 1:
            write_limit(root, 700)
            raise RuntimeError("not now")
        return read_facts(root=root, env={})

    plans = Replanner(fit(load_settings(env={}), start), start)
    watcher = Watcher(plans, read, lambda _: seen.set(), every_s=0.01)
    watcher.start()
    try:
        assert seen.wait(20.0)
    finally:
        watcher.close()
        watcher.close()
    assert "gapless-watch" not in [thread.name for thread in threading.enumerate()]
