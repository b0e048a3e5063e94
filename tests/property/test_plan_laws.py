"""What holds of every plan, whatever the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gapless.settings import MIB, Resolved, load_settings
from gapless.tune.facts import Facts
from gapless.tune.fit import fit
from gapless.tune.plan import DECODER_MB, LEAST_MODELS_MB, PLANNED, PROCESS_MB, RANGES

NOTHING_SET = load_settings(env={})

sizes = st.integers(0, 2**44)


@st.composite
def machines(draw: st.DrawFn) -> Facts:
    cpus = draw(st.none() | st.integers(1, 512))
    total, limit = draw(st.none() | sizes), draw(st.none() | sizes)
    return Facts(
        cpus_online=draw(st.none() | st.integers(1, 512)),
        cpus_affinity=cpus,
        cpu_quota=draw(st.none() | st.floats(0.01, 600)),
        physical_cores=draw(st.none() | st.integers(1, cpus or 512)),
        memory_total_bytes=total,
        memory_available_bytes=draw(st.none() | st.integers(0, total)) if total else None,
        memory_limit_bytes=limit,
        memory_limit_available_bytes=draw(st.integers(0, limit)) if limit else None,
        pressure=draw(st.sampled_from(["calm", "tight", "critical"])),
    )


def planned(facts: Facts, env: dict[str, str] | None = None) -> Resolved:
    return fit(load_settings(env=env or {}), facts)


@pytest.mark.long
@given(machines())
def test_every_value_is_within_its_own_range_and_has_a_reason(facts: Facts) -> None:
    resolved = planned(facts)

    for name in PLANNED:
        least, most = RANGES[name]
        value = getattr(resolved.settings, name)
        assert least is None or value >= least
        assert most is None or value <= most
        assert resolved.sources[name].kind == "formula"
        assert resolved.sources[name].detail


@pytest.mark.long
@given(machines(), st.sampled_from(PLANNED), st.data())
def test_bounds_always_hold(facts: Facts, name: str, data: st.DataObject) -> None:
    least, most = RANGES[name]
    ends = st.integers(least or 0, most or 2**40)
    low, high = sorted((data.draw(ends), data.draw(ends)))
    variable = f"GAPLESS_{name.upper()}"

    resolved = planned(facts, {f"{variable}_MIN": str(low), f"{variable}_MAX": str(high)})

    assert low <= getattr(resolved.settings, name) <= high


@pytest.mark.long
@given(machines(), st.integers(1, 64))
def test_executors_and_their_threads_are_no_more_than_the_cores(facts: Facts, threads: int) -> None:
    s = planned(facts).settings
    assert s.executors * s.executor_threads <= facts.cores

    own = planned(facts, {"GAPLESS_EXECUTOR_THREADS": str(threads)}).settings
    assert own.executors * threads <= max(facts.cores, threads)


@pytest.mark.long
@given(machines())
def test_what_is_planned_fits_the_memory_that_is_there(facts: Facts) -> None:
    s = planned(facts).settings
    available = facts.available_bytes

    if available is not None and available // MIB >= PROCESS_MB + DECODER_MB + LEAST_MODELS_MB:
        held_mb = PROCESS_MB + s.decoders * DECODER_MB + s.cache_mb + s.model_memory_bytes // MIB
        assert held_mb <= available // MIB


@pytest.mark.long
@given(machines(), st.integers(1, 512))
def test_more_cpus_never_give_less(facts: Facts, more: int) -> None:
    facts = replace(facts, cpus_affinity=facts.cpus, cpu_quota=None, physical_cores=None)
    larger = replace(facts, cpus_affinity=facts.cpus + more)

    before, after = planned(facts).settings, planned(larger).settings

    for name in ("threads", "executors", "decoders", "store_pool", "store_batch_rows"):
        assert getattr(after, name) >= getattr(before, name)
    assert after.bulk_block_samples >= before.bulk_block_samples
    assert after.store_batch_ms <= before.store_batch_ms


@pytest.mark.long
@given(machines(), sizes)
def test_more_memory_never_gives_less(facts: Facts, more: int) -> None:
    facts = replace(facts, memory_limit_bytes=None, memory_limit_available_bytes=None)
    if facts.memory_available_bytes is None or facts.memory_total_bytes is None:
        return
    larger = replace(
        facts,
        memory_total_bytes=facts.memory_total_bytes + more,
        memory_available_bytes=facts.memory_available_bytes + more,
    )

    before, after = planned(facts).settings, planned(larger).settings

    for name in ("executors", "decoders", "cache_ttl_s"):
        assert getattr(after, name) >= getattr(before, name)


@pytest.mark.long
@given(machines(), machines())
def test_fitting_is_idempotent_and_forgets_the_machine_before(one: Facts, other: Facts) -> None:
    once = fit(NOTHING_SET, one)

    assert fit(once, one) == once
    assert fit(once, other) == fit(NOTHING_SET, other)
