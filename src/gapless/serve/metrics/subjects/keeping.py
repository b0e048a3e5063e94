"""What is remembered and kept: cache, store, jobs. In: their statistics. Out: families. Thread: any."""

from __future__ import annotations

from gapless.cache.contract import Cache
from gapless.jobs.runner import Runner
from gapless.serve.inferences.keeper import InferenceKeeper
from gapless.serve.metrics import declared
from gapless.serve.metrics.families import Families
from gapless.serve.metrics.subjects.models import add_breaker
from gapless.store.contract import Store


def add_cache(out: Families, cache: Cache) -> None:
    """Questions by where their answers came from."""
    second = cache.second
    for namespace, stats in cache.stats().items():
        out.add(declared.CACHE_HITS, stats.memory_hits, namespace, "memory")
        if second is not None:
            out.add(declared.CACHE_HITS, stats.redis_hits, namespace, "redis")
        out.add(declared.CACHE_HITS, stats.flight_hits, namespace, "flight")
        out.add(declared.CACHE_MISSES, stats.misses, namespace)
        out.add(declared.CACHE_STALE, stats.stale_hits, namespace)
        out.add(declared.CACHE_NEGATIVE, stats.negative_hits, namespace)
        out.add(declared.CACHE_FAILURES, stats.failures, namespace)
        out.add(declared.CACHE_EVICTIONS, stats.evictions, namespace)
        out.add(declared.CACHE_REFUSED, stats.refused, namespace)
        out.add(declared.CACHE_ENTRIES, stats.entries, namespace)
        out.add(declared.CACHE_BYTES, stats.bytes, namespace)
        out.add(declared.CACHE_BUDGET_BYTES, stats.budget_bytes, namespace)
    if second is not None:
        add_breaker(out, second.name, second.breaker, second.opened)


def add_store(out: Families, store: Store) -> None:
    """What the database was asked, and what waits for it."""
    stats = store.stats()
    for operation, times in stats.times.items():
        out.histogram(declared.STORE_SECONDS, times, operation)
    out.histogram(declared.STORE_CONNECTION_SECONDS, stats.waits)
    out.add(declared.STORE_WAITING_ROWS, stats.waiting_rows)
    out.add(declared.STORE_ROWS, stats.rows)
    out.add(declared.STORE_REFUSED, stats.refused)
    out.add(declared.STORE_CONNECTIONS, stats.connections - stats.lent, "idle")
    out.add(declared.STORE_CONNECTIONS, stats.lent, "lent")
    out.add(declared.STORE_CONNECTIONS_MAX, stats.most_connections)
    out.add(declared.STORE_TROUBLE, bool(store.trouble))


def add_call_rows(out: Families, keeper: InferenceKeeper) -> None:
    """What is kept of calls of models."""
    stats = keeper.stats()
    out.add(declared.CALL_ROWS, stats.kept, "kept")
    out.add(declared.CALL_ROWS, stats.dropped, "dropped")
    out.add(declared.CALL_ROWS_WAITING, stats.waiting)


def add_jobs(out: Families, jobs: Runner) -> None:
    """Recordings that are heard when there is time."""
    stats = jobs.stats()
    out.add(declared.JOB_WORKERS, stats.workers)
    out.add(declared.JOB_RUNNING, stats.running)
    for result, count in (
        ("done", stats.done),
        ("failed", stats.failed),
        ("retried", stats.retried),
        ("lost", stats.lost),
        ("given_back", stats.given_back),
    ):
        out.add(declared.JOB_RECORDINGS, count, result)
