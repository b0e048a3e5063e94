from __future__ import annotations

import pytest

from gapless.settings import MIB, Bound, Resolved, Settings, Source, load_settings
from gapless.tune.facts import Facts
from gapless.tune.fit import fit, fitted, resolved_of
from gapless.tune.measured import Fingerprint, Measured
from gapless.tune.plan import PLANNED, live_block_samples, plan
from gapless.tune.pressure import Pressure

GIB = 1024**3


def machine(
    cpus: int = 4,
    cores: int | None = None,
    memory_gb: float = 16,
    free: float = 0.8,
    pressure: Pressure = "calm",
) -> Facts:
    total = int(memory_gb * GIB)
    return Facts(
        cpus_online=cpus,
        cpus_affinity=cpus,
        physical_cores=cpus if cores is None else cores,
        memory_total_bytes=total,
        memory_available_bytes=int(total * free),
        pressure=pressure,
    )


def measured(**values: int) -> Measured:
    return Measured(
        fingerprint=Fingerprint(
            cpu="",
            usable_cpus=4,
            physical_cpus=4,
            memory_gib=16,
            system="",
            python="",
            onnxruntime="",
        ),
        models={},
        values=values,
        reasons=dict.fromkeys(values, "faster in every round"),
        when_ms=0,
    )


def planned(facts: Facts, **env: str) -> Resolved:
    return fit(load_settings(env={f"GAPLESS_{name.upper()}": env[name] for name in env}), facts)


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        (1, (4, 8, 500, 50, 2048)),
        (2, (4, 8, 500, 50, 2048)),
        (4, (8, 16, 500, 50, 2048)),
        (7, (14, 28, 500, 50, 2048)),
        (8, (16, 32, 1000, 50, 4096)),
        (15, (30, 60, 1000, 50, 4096)),
        (16, (32, 64, 2000, 25, 4096)),
        (32, (64, 128, 2000, 25, 4096)),
        (64, (64, 128, 2000, 25, 4096)),
    ],
    ids=str,
)
def test_the_formulas_of_processors(cpus: int, expected: tuple[int, ...]) -> None:
    s = planned(machine(cpus)).settings

    store = (s.store_pool, s.store_batch_rows, s.store_batch_ms)
    assert (s.threads, *store, s.bulk_block_samples) == expected


@pytest.mark.parametrize(
    ("available_mb", "cache_mb"),
    [(16384, 2048), (8192, 2048), (4096, 1024), (1024, 256), (640, 160), (600, 150), (480, 128)],
)
def test_the_cache_takes_a_quarter_between_its_ends(available_mb: int, cache_mb: int) -> None:
    facts = Facts(
        cpus_affinity=2,
        memory_total_bytes=32 * GIB,
        memory_available_bytes=available_mb * MIB,
    )
    assert planned(facts).settings.cache_mb == cache_mb


@pytest.mark.parametrize(
    ("free", "lifetime_s"), [(0.9, 1800), (0.51, 1800), (0.5, 600), (0.26, 600), (0.25, 300)]
)
def test_answers_live_as_long_as_memory_is_free(free: float, lifetime_s: int) -> None:
    assert planned(machine(free=free)).settings.cache_ttl_s == lifetime_s


def test_a_machine_that_is_short_of_memory_remembers_less() -> None:
    calm, critical = planned(machine()), planned(machine(pressure="critical"))

    assert critical.settings.cache_mb == calm.settings.cache_mb // 2
    assert (calm.settings.cache_ttl_s, critical.settings.cache_ttl_s) == (1800, 300)
    assert planned(machine(pressure="tight")).settings.cache_ttl_s == 300


@pytest.mark.parametrize(
    ("shape", "threads", "executors", "why"),
    [
        ((1, 1, 16), 1, 1, "of 1 physical core there is one"),
        ((2, 2, 16), 1, 1, "of 2 physical cores one is left to the callers, 1 thread each: 1"),
        ((8, 4, 16), 1, 3, "of 4 physical cores one is left to the callers"),
        ((4, 4, 1), 1, 3, "3 x 4 CPUs, 3 of 256 MB fit the memory, at most 32: 3"),
        ((16, 16, 2), 1, 6, "6 of 256 MB fit the memory, at most 32: 6"),
        ((8, 8, 16), 2, 3, "2 threads each: 3"),
        ((8, 8, 16), 8, 1, "8 threads each: 1"),
        ((64, 64, 256), 1, 32, "at most 32: 32"),
    ],
)
def test_executors_fit_memory_and_cores_and_leave_one_to_the_callers(
    shape: tuple[int, int, int], threads: int, executors: int, why: str
) -> None:
    cpus, cores, memory_gb = shape
    facts = machine(cpus, cores, memory_gb)

    resolved = planned(facts, **({"executor_threads": str(threads)} if threads > 1 else {}))

    assert resolved.settings.executors == executors
    assert resolved.sources["executors"].detail.startswith(f"3 x {cpus} CPU")
    assert why in resolved.sources["executors"].detail


def test_a_quota_counts_rounded_down_and_is_named() -> None:
    facts = Facts(cpus_affinity=16, cpu_quota=2.9, physical_cores=8, memory_total_bytes=8 * GIB)

    resolved = planned(facts)

    assert resolved.settings.store_pool == 8
    assert resolved.sources["store_pool"].detail.startswith("4 x 2 CPUs (quota 2.9)")
    assert resolved.settings.executors == 1


@pytest.mark.parametrize("available_mb", [640, 480, 400, 355, 300, 100, 0])
def test_what_does_not_fit_is_cut_and_says_so(available_mb: int) -> None:
    facts = Facts(
        cpus_affinity=1,
        memory_total_bytes=64 * GIB,
        memory_available_bytes=32 * GIB,
        memory_limit_bytes=700 * MIB,
        memory_limit_available_bytes=available_mb * MIB,
    )
    resolved = planned(facts)

    s = resolved.settings
    assert s.decoders == 1
    assert s.model_memory_bytes >= 64 * MIB
    if s.cache_mb < 128:
        assert "the server, decoders and models need 351" in resolved.sources["cache_mb"].detail
    if available_mb >= 351:
        assert 192 + 95 * s.decoders + s.cache_mb + s.model_memory_bytes // MIB <= available_mb
    else:
        assert s.cache_mb == 0


def test_what_a_person_set_is_taken_as_it_is_and_counted_with() -> None:
    resolved = planned(machine(8), executors="20", cache_mb="0", decoders="3", store_pool="7")

    s = resolved.settings
    assert (s.executors, s.cache_mb, s.decoders, s.store_pool) == (20, 0, 3, 7)
    assert resolved.sources["executors"] == Source("environment", "GAPLESS_EXECUTORS")
    assert resolved.sources["decoders"].kind == "environment"


def test_an_automatic_value_that_a_person_set_is_planned() -> None:
    resolved = planned(machine(8), threads="0", cache_mb="-1")

    assert (resolved.settings.threads, resolved.settings.cache_mb) == (16, 2048)
    assert resolved.sources["threads"].kind == "formula"


def test_what_was_measured_goes_before_the_formula_and_behind_the_person() -> None:
    found = measured(executors=2, executor_threads=2, max_batch=16, store_pool=9)

    resolved = fit(load_settings(env={"GAPLESS_STORE_POOL": "5"}), machine(4), found)

    s = resolved.settings
    assert (s.executors, s.executor_threads, s.max_batch, s.store_pool) == (2, 2, 16, 5)
    assert resolved.sources["executors"] == Source("measured", "faster in every round")
    assert resolved.sources["threads"].kind == "formula"


def test_executors_that_were_measured_with_other_threads_do_not_count() -> None:
    found = measured(executors=2, executor_threads=2)

    resolved = fit(load_settings(env={"GAPLESS_EXECUTOR_THREADS": "1"}), machine(8), found)

    assert resolved.settings.executors == 7
    assert resolved.sources["executors"].kind == "formula"


def test_what_was_measured_does_not_count_for_the_static_plan() -> None:
    found = measured(executors=2, executor_threads=2)

    resolved = fit(load_settings(env={"GAPLESS_TUNING": "static"}), machine(4), found)

    assert (resolved.settings.executors, resolved.settings.executor_threads) == (8, 1)


@pytest.mark.parametrize(
    ("env", "value", "clamped"),
    [
        ({"CACHE_MB_MAX": "256"}, 256, "GAPLESS_CACHE_MB_MAX = 256"),
        ({"CACHE_MB_MIN": "4000"}, 4000, "GAPLESS_CACHE_MB_MIN = 4000"),
        ({"CACHE_MB_MIN": "64", "CACHE_MB_MAX": "4000"}, 2048, ""),
        ({"CACHE_MB_MAX": "256", "CACHE_MB": "1000"}, 1000, ""),
        ({"CACHE_MB_MAX": "256", "TUNING": "static"}, 256, "GAPLESS_CACHE_MB_MAX = 256"),
    ],
    ids=["max", "min", "within", "the person's own value", "static"],
)
def test_bounds_hold_for_what_is_planned(env: dict[str, str], value: int, clamped: str) -> None:
    resolved = planned(machine(8, memory_gb=64), **{k.lower(): v for k, v in env.items()})

    assert resolved.settings.cache_mb == value
    assert resolved.sources["cache_mb"].clamped == clamped


def test_bounds_hold_for_what_was_measured() -> None:
    resolved = fit(
        load_settings(env={"GAPLESS_EXECUTORS_MAX": "1"}), machine(4), measured(executors=3)
    )

    assert resolved.settings.executors == 1
    assert resolved.sources["executors"] == Source(
        "measured", "faster in every round", "GAPLESS_EXECUTORS_MAX = 1"
    )


def test_memory_that_bounds_take_is_not_planned_twice() -> None:
    resolved = planned(machine(2, memory_gb=4, free=0.5), cache_mb_min="1500")

    s = resolved.settings
    assert s.cache_mb == 1500
    assert s.model_memory_bytes == (2048 - 192 - 3 * 95 - 1500) * MIB


def test_fitting_again_changes_nothing_and_with_other_facts_plans_anew() -> None:
    small, large = machine(2, memory_gb=2), machine(16, memory_gb=64)
    once = fit(load_settings(env={"GAPLESS_PORT": "9"}), small)

    assert fit(once, small) == once
    assert fit(once, large) == fit(load_settings(env={"GAPLESS_PORT": "9"}), large)


def test_settings_made_in_python_are_planned_where_they_say_so() -> None:
    settings = fitted(Settings(threads=5))

    assert settings.threads == 5
    assert settings.executors >= 1
    assert settings.cache_mb >= 0
    assert settings.decoders == 3
    assert fitted(settings) == settings
    sources = resolved_of(Settings(threads=5)).sources
    assert sources["threads"] == Source("flag", "Settings(...)")
    assert sources["executors"].kind == "formula"
    assert sources["port"] == Source("default")


def test_a_plan_without_more_said_is_of_what_has_its_automatic_value() -> None:
    choices = plan(machine(), Settings(cache_mb=7)).choices

    assert "cache_mb" not in choices
    assert "decoders" not in choices
    assert list(choices) == [name for name in PLANNED if name in choices]
    assert all(choice.source.detail for choice in choices.values())


def test_bounds_can_be_given_without_an_environment() -> None:
    choices = plan(machine(2), Settings(), bounds={"threads": Bound(high=3, high_source="here")})

    assert choices.choices["threads"].value == 3
    assert choices.choices["threads"].source.clamped == "here = 3"


@pytest.mark.parametrize(
    ("rate_hz", "budget_ms", "samples"),
    [
        (16_000, 45, 512),
        (48_000, 45, 2048),
        (16_000, 32, 512),
        (16_000, 31.9, 256),
        (8_000, 0.1, 1),
    ],
)
def test_a_live_block_is_the_largest_power_of_two_within_the_budget(
    rate_hz: int, budget_ms: float, samples: int
) -> None:
    assert live_block_samples(rate_hz, budget_ms) == samples
