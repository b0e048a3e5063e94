"""What is compared: a question, the contenders that answer it, and the claims that are judged by their answers.

In: nothing. Out: structs. Invariants: the first contender of a case is the baseline; a contender is a function that a
fresh process finds by its name. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import msgspec

from gapless.bench.claims.claim import Claim
from gapless.bench.drive import Work

Make: TypeAlias = Callable[..., AbstractContextManager[Work]]
"""Sets up a contender in its own process, and clears up after it."""


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """One way to do the work of a case."""

    name: str
    what: str
    """What is done, in a few words."""
    make: Make
    """A function of a module, so that another process can import it."""
    options: dict[str, Any] = {}
    """Its arguments by name; they travel as JSON."""
    warm_up: bool = True
    """Whether it works for a while before it is measured; not where the first operation is the point."""
    extra_s: float = 0.0
    """Time that it may take besides its rounds: to search, to start servers."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A claim, and the contender it is judged by."""

    claim: Claim
    contender: str
    against: str | None = None
    """For multiples: of which contender's figure."""
    judged: bool = True
    """False: the claim is not made of this contender; what came out is reported all the same."""


class ScalingCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that a figure grows in step with the number of something, until it saturates."""

    claim: Claim
    steps: dict[int, str]
    """The contender of each number; 1 is among them."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One question."""

    name: str
    question: str
    unit: str
    """What the rate counts: "rows", "calls"..."""
    contenders: tuple[Contender, ...]
    checks: tuple[Check | ScalingCheck, ...] = ()
    notes: tuple[str, ...] = ()
    """Contenders that are missing here, and how to have them."""


Cases: TypeAlias = Mapping[str, Callable[[], Case]]
"""The cases of a bench by name; each is set up when it is asked for, which may take seconds."""
