"""The families of benches: what each is about, how long it is tried, and how its cases are set up.

In: a name and a plan. Out: cases, with the options that a family has when nobody gives it any. Invariants: nothing of
a family is imported before it is opened. Thread: main.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import msgspec

from gapless.bench.case import Cases
from gapless.bench.claims.claim import Bench
from gapless.bench.harness import Plan
from gapless.tune.probe import physical_cpus


class Family(msgspec.Struct, frozen=True):
    """A family of benches."""

    open: Callable[[Plan], AbstractContextManager[Cases]]
    """Its cases; they may be run while the context is open."""
    plan: Plan = Plan()
    """Where nothing else is asked for."""
    everywhere: bool = False
    """Whether it needs nothing but Gapless itself, and is over in minutes."""


def _api(plan: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.api import api_cases

    return api_cases(trial=not plan.proves)


def _inference(_: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.inference import inference_cases

    return inference_cases(physical_cpus())


def _pool(_: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.pool import pool_cases

    return pool_cases(None, None)


def _voice(plan: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.voice import voice_cases

    return voice_cases(trial=not plan.proves)


def _mic(_: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.mic import mic_cases

    return mic_cases()


def _synth(plan: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.synth import synth_cases

    return synth_cases(trial=not plan.proves)


def _database(plan: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.database import database_cases

    return database_cases(None, None, trial=not plan.proves)


def _cache(_: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.cache import cache_cases

    return cache_cases()


def _batching(_: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.batching import batching_cases

    return batching_cases(physical_cpus())


def _autoconfig(_: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.autoconfig import autoconfig_cases

    return autoconfig_cases()


def _startup(_: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.startup import startup_cases

    return startup_cases()


def _memory(plan: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.memory_family import memory_cases

    return memory_cases(trial=not plan.proves)


def _console(plan: Plan) -> AbstractContextManager[Cases]:
    from gapless.bench.console import console_cases

    return console_cases(trial=not plan.proves)


FAMILIES: Final[dict[Bench, Family]] = {
    "api": Family(_api, Plan(rounds=3, seconds=5.0)),
    "inference": Family(_inference, everywhere=True),
    "pool": Family(_pool),
    "voice": Family(_voice, Plan(rounds=1, seconds=20.0)),
    "mic": Family(_mic, Plan(rounds=1, seconds=20.0)),
    "synth": Family(_synth, Plan(rounds=3, seconds=5.0)),
    "database": Family(_database),
    "cache": Family(_cache, everywhere=True),
    "batching": Family(_batching, everywhere=True),
    "autoconfig": Family(_autoconfig, Plan(rounds=3, seconds=20.0)),
    "startup": Family(_startup, Plan(rounds=5, seconds=4.0), everywhere=True),
    "memory": Family(_memory, Plan(rounds=3, seconds=3.0)),
    "console": Family(_console, Plan(rounds=1, seconds=20.0)),
}
"""All of them, in the order of the table of targets. ``ablate`` is none of them: it claims nothing."""

ALIASES: Final[dict[str, Bench]] = {"batch": "batching"}
