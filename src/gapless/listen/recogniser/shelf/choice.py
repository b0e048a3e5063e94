"""Which recogniser is used where none is asked for, and why: the best one present.

    setting `model` names one?  -> that one
    else, of those that speak the language of the settings and know any word:
      pulled or added by the user, expected to keep up with live speech here -> the best, the streaming one first
      pulled or added by the user, none expected to keep up                  -> the lightest
      nothing pulled or added                                                -> the one that comes with Gapless

In: what is here, as ``Candidate``. Out: a ``Choice`` with its reason as a sentence. Invariants: the same candidates in
any order give the same choice; a recogniser of a small vocabulary is never chosen for open speech. Core: no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

SUGGESTED: Final = "small"
SUGGESTED_ENGLISH: Final = "small.en"
"""What to pull for a first better model."""

UNKNOWN_QUALITY: Final = 3
"""Of a model that is in no catalogue."""

_CPUS_BY_SIZE: Final = ((200, 1), (600, 2), (1000, 4), (2000, 8))
"""Megabytes up to which a model of unknown kind should keep up with that many CPUs."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One recogniser that is here."""

    name: str
    own: bool
    """The user pulled or added it; else it comes with Gapless."""
    languages: tuple[str, ...]
    any_word: bool = True
    """Not limited to a small vocabulary."""
    live: bool
    quality: int = UNKNOWN_QUALITY
    cpus: int = 1
    """Usable CPUs from which on it should keep up with one live stream."""


class Choice(msgspec.Struct, frozen=True):
    """The recogniser that is used where none is asked for."""

    name: str
    reason: str
    """A sentence without a full stop, to follow the name."""


def choose(candidates: Iterable[Candidate], *, cpus: int, language: str | None = None) -> Choice:
    """The best of ``candidates``.

    Args:
        candidates: all recognisers that are here; one that knows any word is among them.
        cpus: usable CPUs.
        language: ISO 639-1, also with a region; what will be spoken, if it is known.
    """
    here = sorted(candidates, key=lambda c: c.name)
    open_ones = [c for c in here if c.any_word]
    fitting = [c for c in open_ones if _speaks(c, language)] or open_ones
    own = [c for c in fitting if c.own]
    if not own:
        carried = max(fitting, key=lambda c: c.quality)
        return Choice(carried.name, _reason_carried(here, language))
    slow = f"; live speech may be too much for it on {_cpus(cpus)}"
    if len(own) == 1:
        only = f"it is the only one pulled or added{_that_speaks(language)}"
        return Choice(own[0].name, only + (slow if own[0].cpus > cpus else ""))
    quick = [c for c in own if c.cpus <= cpus]
    if not quick:
        lightest = min(own, key=lambda c: (c.cpus, -c.quality))
        return Choice(lightest.name, f"it is the lightest of {len(own)} pulled or added{slow}")
    best = max(quick, key=lambda c: (c.quality, c.live, -c.cpus))
    limit = f" that keep up with live speech on {_cpus(cpus)}" if len(quick) < len(own) else ""
    return Choice(best.name, f"it should be the best of {len(quick)} pulled or added{limit}")


def cpus_by_size(size_bytes: int) -> int:
    """CPUs that a model of unknown kind should need for one live stream: a guess from its size."""
    size_mb = size_bytes / 1e6
    return next((cpus for limit_mb, cpus in _CPUS_BY_SIZE if size_mb <= limit_mb), 16)


def _speaks(candidate: Candidate, language: str | None) -> bool:
    if language is None or not candidate.languages:
        return True
    return language.lower().partition("-")[0] in candidate.languages


def _reason_carried(here: list[Candidate], language: str | None) -> str:
    english = language is None or language.lower().partition("-")[0] == "en"
    that_speaks = _that_speaks(language) if any(c.own and c.any_word for c in here) else ""
    narrow = ", ".join(c.name for c in here if not c.any_word)
    return (
        f"no other{that_speaks} was pulled or added; "
        f"`gapless models pull {SUGGESTED_ENGLISH if english else SUGGESTED}` gets a far better one"
    ) + (f" ({narrow} knows a small vocabulary and is used when it is asked for)" if narrow else "")


def _that_speaks(language: str | None) -> str:
    return f" that speaks {language!r}" if language else ""


def _cpus(count: int) -> str:
    return "1 CPU" if count == 1 else f"{count} CPUs"
