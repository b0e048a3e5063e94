"""What is tried on this machine, one question after the other, each with the answers of those before it.

In: settings as the plan has them, and which of them were set by hand. Out: stages: candidates, and the contender that
tries one. Invariants: a setting that was set by hand is not tried; the plan's value is the first candidate of each
stage, and no other lies beyond a person's bounds. Thread: main.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gapless.bench.case import Contender
from gapless.bench.tuning import candidates as choices
from gapless.bench.tuning.load import ENCODER_MODEL, VAD_MODEL, Runnable, engine_load
from gapless.bench.tuning.race import Candidate
from gapless.bench.tuning.rows import store_load
from gapless.settings import NO_BOUND, Bound, Settings

STREAMS_PER_CORE: Final = 4
MOST_STREAMS: Final = 64
CALLERS_PER_CORE: Final = 32
MOST_CALLERS: Final = 256
"""Of all models together. So many wait at a time as a call can take rows: larger batches would be empty."""

MOST_MODELS: Final = 6
"""That bulk callers ask; more would share the time so that none of them says much."""

CARRIED_MODELS: Final = (VAD_MODEL, ENCODER_MODEL)

STORE_P95_US: Final = 50_000.0
"""How long an utterance may take until it is durable; on a disk that is slower, as long as with the plan's value."""

ENGINE: Final = ("executors", "executor_threads", "max_batch")
STORE: Final = ("store_batch_rows", "store_pool")


class Stage(Struct, frozen=True, kw_only=True):
    """One question."""

    name: str
    question: str
    candidates: tuple[Candidate, ...]
    """The plan's value first."""
    weight: float
    """Its share of the time, against those of the others."""
    most_p95_us: float | None = None
    """What the 95th percentile may be; None: as is asked for live streams."""
    contender: Callable[[dict[str, int]], Contender]
    """Tries values."""

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings that it is about."""
        return tuple(self.candidates[0].values)


class Scope(Struct, frozen=True, kw_only=True):
    """What may be tried."""

    physical_cpus: int
    models: Mapping[str, Runnable]
    """Those that bulk callers ask, by name."""
    all_cores: bool = False
    """Whether splits are tried that leave no core to those who ask; see decision 0033."""
    by_hand: Collection[str] = ()
    """Names of settings that have a value which nothing measured would replace."""
    bounds: Mapping[str, Bound] = {}
    """Of a person, by name of the setting."""


def formula_values(settings: Settings) -> dict[str, int]:
    """What the plan has for everything that is tried, by name of the setting."""
    return {name: getattr(settings, name) for name in (*ENGINE, *STORE)}


def stages(settings: Settings, scope: Scope) -> Iterator[Stage]:
    """The questions, in the order in which they are asked.

    Args:
        settings: with the plan's values.
        scope: what may be tried.
    """
    cores = scope.physical_cpus if scope.all_cores else max(scope.physical_cpus - 1, 1)
    largest = max((one.largest_batch for one in scope.models.values()), default=1)

    def engine(values: dict[str, int]) -> Contender:
        return _engine(settings, scope, values)

    def store(values: dict[str, int]) -> Contender:
        return _store(settings, values)

    found = [
        Stage(
            name="split",
            question="How many executors, and how many threads has each?",
            candidates=tuple(choices.splits(cores, settings.executors, settings.executor_threads)),
            weight=3,
            contender=engine,
        ),
        Stage(
            name="batch",
            question="How many rows may one call of a model take?",
            candidates=tuple(
                choices.largest_batches(min(largest, _callers(scope)), settings.max_batch)
            ),
            weight=2,
            contender=engine,
        ),
        Stage(
            name="rows",
            question="How many rows share a transaction?",
            candidates=tuple(choices.batch_rows(settings.store_batch_rows)),
            weight=1,
            most_p95_us=STORE_P95_US,
            contender=store,
        ),
    ]
    if settings.store_url:
        pool = Stage(
            name="pool",
            question="How many connections to PostgreSQL?",
            candidates=tuple(choices.pools(settings.store_pool)),
            weight=1,
            most_p95_us=STORE_P95_US,
            contender=store,
        )
        found.append(pool)
    for stage in found:
        allowed = _allowed(stage, scope.bounds)
        if len(allowed.candidates) > 1 and not set(stage.settings) & set(scope.by_hand):
            yield allowed


def _allowed(stage: Stage, bounds: Mapping[str, Bound]) -> Stage:
    """A stage without candidates beyond the bounds; the plan's value keeps them already."""

    def fits(candidate: Candidate) -> bool:
        return all(
            _within(value, bounds.get(name, NO_BOUND)) for name, value in candidate.values.items()
        )

    first, *others = stage.candidates
    return replace(stage, candidates=(first, *(one for one in others if fits(one))))


def _within(value: int, bound: Bound) -> bool:
    return (bound.low is None or value >= bound.low) and (bound.high is None or value <= bound.high)


def _engine(settings: Settings, scope: Scope, values: dict[str, int]) -> Contender:
    planned = {name: getattr(settings, name) for name in ENGINE}
    return Contender(
        name="engine",
        what="live streams at the pace of sound, and bulk callers",
        make=engine_load,
        options={
            "values": planned | {name: values[name] for name in ENGINE if name in values},
            "models_dir": str(settings.models_path),
            "provider": settings.provider,
            "bulk": tuple(scope.models),
            "streams": min(STREAMS_PER_CORE * scope.physical_cpus, MOST_STREAMS),
            "callers": _callers(scope),
        },
    )


def _store(settings: Settings, values: dict[str, int]) -> Contender:
    planned = {name: getattr(settings, name) for name in (*STORE, "store_batch_ms")}
    return Contender(
        name="store",
        what="finals of live streams, and bulk work that keeps much at a time",
        make=store_load,
        options={
            "where": settings.store_url,
            "data_dir": str(settings.data_path),
            "values": planned | {name: values[name] for name in STORE if name in values},
        },
    )


def _callers(scope: Scope) -> int:
    """Bulk callers of each model."""
    together = min(CALLERS_PER_CORE * scope.physical_cpus, MOST_CALLERS)
    return max(together // max(len(scope.models), 1), 1)
