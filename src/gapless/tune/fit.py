"""Settings that fit the machine: the plan's values in the place of those that nobody set.

In: resolved settings, facts, what was measured. Out: resolved settings in which nothing is left to the plan.
Invariants: what a person set stays; fitting again with the same facts changes nothing, with others it plans anew.
Thread: any; ``fit_here`` and ``fitted`` read small files.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gapless.settings import Resolved, Settings, Source
from gapless.tune.facts import Facts
from gapless.tune.measured import FILE_NAME, Kept, Measured, fingerprint, read_kept
from gapless.tune.plan import PLANNED, Choice, is_static, left_to_the_plan, plan
from gapless.tune.probe import read_facts

NOT_BY_HAND: Final = frozenset({"default", "formula", "measured", "static"})
"""Kinds of sources that leave a setting to the plan."""

IN_PYTHON: Final = Source("flag", "Settings(...)")


def fit(resolved: Resolved, facts: Facts, measured: Measured | None = None) -> Resolved:
    """Replace what nobody set by the plan's values; sources say why.

    Args:
        resolved: as a person set them, or fitted before.
        facts: of the machine.
        measured: what was measured on it.
    """
    left = {name for name in PLANNED if resolved.sources[name].kind in NOT_BY_HAND}
    automatic = left_to_the_plan(resolved.settings) | left
    choices = plan(
        facts, resolved.settings, automatic=automatic, bounds=resolved.bounds, measured=measured
    ).choices
    return _with(resolved, choices)


def fit_here(resolved: Resolved) -> Resolved:
    """Fit to this machine, by what was measured on it; a notice says why a measurement is not used."""
    facts = read_facts(resolved.settings.data_path)
    kept = read_measured(resolved.settings, facts)
    if kept.notice and not is_static(resolved.settings):
        resolved = replace(resolved, notices=(*resolved.notices, kept.notice))
    return fit(resolved, facts, kept.measured)


def fitted(settings: Settings) -> Settings:
    """Settings for this machine where there are no sources; see ``resolved_of``."""
    return resolved_of(settings).settings if left_to_the_plan(settings) else settings


def resolved_of(settings: Settings) -> Resolved:
    """Settings that were made in Python, fitted to this machine, with the origin of each value.

    Only automatic values (0 or -1) are replaced: nobody can tell whether another one was set or is the default.
    """
    facts = read_facts(settings.data_path)
    choices = plan(facts, settings, measured=read_measured(settings, facts).measured).choices
    defaults = Settings()
    sources = {
        name: Source("default") if getattr(settings, name) == getattr(defaults, name) else IN_PYTHON
        for name in Settings.__struct_fields__
    }
    return _with(Resolved(settings, sources), choices)


def read_measured(settings: Settings, facts: Facts) -> Kept:
    """What was measured on this machine, or why there is nothing."""
    here = fingerprint(
        usable_cpus=facts.cpus, physical_cpus=facts.cores, memory_bytes=facts.memory_bytes
    )
    return read_kept(settings.data_path / FILE_NAME, here)


def _with(resolved: Resolved, choices: dict[str, Choice]) -> Resolved:
    values = {name: choice.value for name, choice in choices.items()}
    sources = {name: choice.source for name, choice in choices.items()}
    return replace(
        resolved,
        settings=replace(resolved.settings, **values),
        sources={**resolved.sources, **sources},
    )
