"""From the facts of a machine to the settings that fit it, each with its reason.

In: ``Facts``, the settings that were asked for, which of them are left to the plan, bounds, and what was measured here.
Out: a ``Plan``: a value, where it came from and why, per planned setting. Invariants: the same input gives the same
plan; what a person set is taken as it is; a value keeps the setting's own range and the person's bounds; unless those
or the person say otherwise, executors x threads is at most the physical cores, and models, cache and decoders fit what
memory is left. Thread: any (pure).

What counts, the first that there is: the person's own value, a measured one, the formula; then bounds. The formulas are
explained in docs/explanation/decisions/0032-the-plan.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec import Struct

from gapless.settings import MIB, NO_BOUND, Bound, Settings, Source, describe_settings
from gapless.tune.facts import Facts
from gapless.tune.measured import Measured

PLANNED: Final = tuple(info.name for info in describe_settings() if info.planned)
"""Names of the settings that are planned, in the order of ``Settings``."""

RANGES: Final = {info.name: (info.least, info.most) for info in describe_settings() if info.planned}

MODEL_MB: Final = 256
"""What a call of a model may need while it runs, where nothing is known of it."""

DECODER_MB: Final = 95
"""What a decoder of PocketSphinx holds: the largest of what is not counted as a model."""

PROCESS_MB: Final = 192
"""What the server itself holds, with its libraries: 155 were measured without models, cache and decoders."""

LEAST_MODELS_MB: Final = 64
"""Room for the models that come along."""

MOST_MODELS_MB: Final = 1_048_576

ASSUMED_MB: Final = 2048
"""Memory that is available, where the system does not tell."""

STATIC: Final[dict[str, int]] = {
    "threads": 16,
    "executors": 8,
    "executor_threads": 1,
    "max_batch": 0,
    "decoders": 3,
    "model_memory_bytes": 2048 * MIB,
    "store_pool": 32,
    "store_batch_rows": 1000,
    "store_batch_ms": 50,
    "cache_mb": 512,
    "cache_ttl_s": 600,
    "bulk_block_samples": 1024,
}
"""The same on all machines, to compare with: workers 16, sessions of models 8, pool 32, cache 512 MB, batch 1000,
audio 1024; the rest is what a machine of 2 CPUs has."""


class Choice(Struct, frozen=True):
    """One planned value."""

    value: int
    source: Source


class Plan(Struct, frozen=True):
    """All planned settings, by name: those that were left to the plan."""

    choices: dict[str, Choice]


def plan(
    facts: Facts,
    settings: Settings,
    *,
    automatic: AbstractSet[str] | None = None,
    bounds: Mapping[str, Bound] | None = None,
    measured: Measured | None = None,
) -> Plan:
    """Choose what is left to choose.

    Args:
        facts: of the machine.
        settings: what was asked for; values that are not in ``automatic`` are taken as they are.
        automatic: settings to choose; None: those that have their automatic value.
        bounds: of the person, by name of the setting.
        measured: what was measured on this machine; not used with ``tuning="static"``.
    """
    if automatic is None:
        automatic = left_to_the_plan(settings)
    draft = _Draft(settings, automatic, bounds or {}, None if is_static(settings) else measured)
    if is_static(settings):
        for name, value in STATIC.items():
            draft.settle(name, value, "the same on all machines (tuning = static)")
    else:
        _plan_threads(draft, facts)
        _plan_memory(draft, facts)
        _plan_store(draft, facts)
        block = 4096 if facts.cpus >= 8 else 2048
        draft.settle(
            "bulk_block_samples",
            block,
            f"{_cpus(facts)}: 4096 from 8 CPUs, 2048 below; bulk work only",
        )
    return Plan({name: draft.choices[name] for name in PLANNED if name in draft.choices})


def is_static(settings: Settings) -> bool:
    """Whether all machines get the same."""
    return settings.tuning == "static"


def left_to_the_plan(settings: Settings) -> frozenset[str]:
    """Settings that have their automatic value."""
    return frozenset(
        info.name
        for info in describe_settings()
        if info.automatic is not None and getattr(settings, info.name) == info.automatic
    )


def live_block_samples(rate_hz: int, budget_ms: float) -> int:
    """The largest power of two of samples that lasts no longer than ``budget_ms``; at least 1."""
    most = int(rate_hz * budget_ms / 1000)
    return 1 << max(most.bit_length() - 1, 0)


class _Draft:
    """A plan in the making: settles one setting after another, and knows the values of those that are settled."""

    def __init__(
        self,
        settings: Settings,
        automatic: AbstractSet[str],
        bounds: Mapping[str, Bound],
        measured: Measured | None,
    ) -> None:
        self._settings = settings
        self._automatic = automatic
        self._bounds = bounds
        self._measured = measured
        self.choices: dict[str, Choice] = {}

    def __getitem__(self, name: str) -> int:
        """The value of a setting: the chosen one, or the person's own."""
        value: int = getattr(self._settings, name)
        return self.choices[name].value if name in self.choices else value

    def is_left(self, name: str) -> bool:
        """Whether a setting is ours to choose."""
        return name in self._automatic

    def settle(
        self, name: str, value: int, reason: str, *, if_measured: Mapping[str, int] | None = None
    ) -> None:
        """Choose by formula, unless something better is known; then mind the bounds.

        Args:
            name: of the setting.
            value: by the formula.
            reason: why.
            if_measured: a measured value counts only if these were measured with it.
        """
        if name not in self._automatic:
            return
        known = self._measured
        if known is not None and name in known.values:
            values = {"executor_threads": 1, **known.values}
            if (if_measured or {}).items() <= values.items():
                why = known.reasons.get(name) or "`gapless tune` found it best here"
                self._choose(name, known.values[name], Source("measured", why))
                return
        static = is_static(self._settings)
        self._choose(name, value, Source("static" if static else "formula", reason))

    def limit(self, name: str, most: int, reason: str) -> None:
        """Lower what was chosen, if it is larger; the person's bounds still win."""
        choice = self.choices.get(name)
        if choice is not None and choice.value > most:
            source = Source(choice.source.kind, f"{choice.source.detail}; {reason}: {most}")
            self._choose(name, most, source)

    def _choose(self, name: str, value: int, source: Source) -> None:
        least, most = RANGES[name]
        value = _clamp(value, least, most)
        bound = self._bounds.get(name, NO_BOUND)
        within = _clamp(value, bound.low, bound.high)
        if within > value:
            source = Source(source.kind, source.detail, f"{bound.low_source} = {bound.low}")
        elif within < value:
            source = Source(source.kind, source.detail, f"{bound.high_source} = {bound.high}")
        self.choices[name] = Choice(within, source)


def _plan_threads(draft: _Draft, facts: Facts) -> None:
    cpus, cores = facts.cpus, facts.cores
    draft.settle(
        "threads", _clamp(2 * cpus, 4, 64), f"2 x {_cpus(facts)}, 4 to 64: most of them wait"
    )
    draft.settle("executor_threads", 1, "more rows at a time beat more threads a row")
    draft.limit(
        "executor_threads",
        max(1, cores // max(1, 1 if draft.is_left("executors") else draft["executors"])),
        f"{_cores(facts)} for all executors",
    )
    threads = draft["executor_threads"]
    models = _available_mb(facts) // MODEL_MB
    wanted = max(1, min(3 * cpus, models, 32))
    spare = max(1, cores - 1)
    within = max(1, min(wanted, spare // threads))
    reason = f"3 x {_cpus(facts)}, {models} of {MODEL_MB} MB fit the memory, at most 32: {wanted}"
    if within < wanted:
        left = "one is left to the callers" if cores > 1 else "there is one"
        each = "1 thread" if threads == 1 else f"{threads} threads"
        reason += f"; of {_cores(facts)} {left}, {each} each: {within}"
    # What was measured is a pair: executors that were tried with other threads say nothing of these.
    draft.settle("executors", within, reason, if_measured={"executor_threads": threads})
    draft.settle("max_batch", 0, "as each model says", if_measured={"executor_threads": threads})
    draft.limit("executors", max(1, cores // threads), f"{_cores(facts)}, {threads} threads each")


def _plan_memory(draft: _Draft, facts: Facts) -> None:
    available, cpus = _available_mb(facts), facts.cpus
    told = _memory(facts)
    fit = available // 4 // DECODER_MB
    draft.settle(
        "decoders",
        _clamp(min(cpus + 1, fit), 1, 64),
        f"one more than {_cpus(facts)}; {fit} of {DECODER_MB} MB fit a quarter of {told}",
    )
    held = PROCESS_MB + draft["decoders"] * DECODER_MB
    cache = _clamp(available // 4, 128, 2048)
    reason = f"a quarter of {told}, 128 to 2048"
    if facts.pressure == "critical":
        cache, reason = cache // 2, f"{reason}; halved, for memory is short (critical)"
    draft.settle("cache_mb", cache, reason)
    room = max(0, available - held - LEAST_MODELS_MB)
    draft.limit("cache_mb", room, f"the server, decoders and models need {held + LEAST_MODELS_MB}")
    models = _clamp(min(available // 2, available - held - draft["cache_mb"]), 64, MOST_MODELS_MB)
    draft.settle(
        "model_memory_bytes",
        models * MIB,
        f"half of {told}, less where {held} MB of server and decoders and the cache take more",
    )
    share = facts.free_share
    lifetime = 300 if share is None else 1800 if share > 0.5 else 600 if share > 0.25 else 300
    free = (
        "it is not known how much memory is free"
        if share is None
        else f"{share:.0%} of memory is free"
    )
    reason = f"{free}: 1800 above 50 %, 600 above 25 %, else 300"
    if facts.pressure != "calm":
        lifetime, reason = 300, f"memory is short ({facts.pressure})"
    draft.settle("cache_ttl_s", lifetime, reason)


def _plan_store(draft: _Draft, facts: Facts) -> None:
    cpus = facts.cpus
    draft.settle("store_pool", _clamp(4 * cpus, 8, 128), f"4 x {_cpus(facts)}, 8 to 128")
    rows = 2000 if cpus >= 16 else 1000 if cpus >= 8 else 500
    draft.settle(
        "store_batch_rows", rows, f"{_cpus(facts)}: 2000 from 16 CPUs, 1000 from 8, else 500"
    )
    deadline_ms = 25 if cpus >= 16 else 50
    draft.settle("store_batch_ms", deadline_ms, f"{_cpus(facts)}: 25 from 16 CPUs, else 50")


def _available_mb(facts: Facts) -> int:
    available = facts.available_bytes
    if available is None and facts.memory_bytes is not None:
        available = facts.memory_bytes // 2
    return ASSUMED_MB if available is None else available // MIB


def _memory(facts: Facts) -> str:
    """The memory that formulas go by, and where it was read."""
    amount = f"{_available_mb(facts)} MB"
    if facts.available_bytes is None:
        known = facts.memory_bytes is not None
        return f"{amount} (half of what is there)" if known else f"{amount} (assumed)"
    limited = facts.memory_limit_available_bytes == facts.available_bytes
    return f"{amount} left of the limit" if limited else f"{amount} available"


def _cpus(facts: Facts) -> str:
    if facts.cpu_quota is not None and facts.cpus < (facts.cpus_affinity or facts.cpus + 1):
        return f"{_count(facts.cpus, 'CPU')} (quota {facts.cpu_quota:g})"
    return _count(facts.cpus, "CPU")


def _cores(facts: Facts) -> str:
    return _count(facts.cores, "physical core")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _clamp(value: int, low: int | None, high: int | None) -> int:
    if high is not None:
        value = min(value, high)
    return value if low is None else max(value, low)
