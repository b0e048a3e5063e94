"""Which models are in memory, and which make room for others. A plain state machine.

In: keys of models, what they take, who uses them, and ``now_ns`` of a monotonic clock. Out: whether a load may go on,
and which models to close before it. States of a key:

    absent -> loading -> resident -> absent        evicted; or retired, and no longer used
                      -> failed   -> loading       not before a pause, which doubles each time

Invariants: what is loading and resident never takes more than the budget together; a model in use or pinned is never
evicted; those evicted are the longest unused; at most one load of a key is under way. Thread: one at a time; the caller
locks.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, Literal, TypeVar, final

import msgspec

Key = TypeVar("Key", bound=Hashable)

FIRST_PAUSE_NS: Final = 1_000_000_000
"""How long after its first failure a load may be tried again."""

LONGEST_PAUSE_NS: Final = 60_000_000_000


class Evict(msgspec.Struct, Generic[Key], frozen=True):
    """Go on, after closing these."""

    keys: tuple[Key, ...] = ()


@final
class _Place:
    """What is known of a key that is not absent."""

    __slots__ = (
        "failures",
        "held_bytes",
        "last_use_ns",
        "may_evict",
        "phase",
        "pinned",
        "retired",
        "uses",
    )

    def __init__(self) -> None:
        self.phase: Literal["loading", "resident", "failed"] = "loading"
        self.held_bytes = 0
        self.may_evict = True
        """While loading: whether others may have to go for it."""
        self.uses = 0
        self.last_use_ns = 0
        """While failed: when the last attempt ended."""
        self.failures = 0
        self.pinned = False
        self.retired = False


@final
class Residency(Generic[Key]):
    """See the module's head.

    Args:
        budget_bytes: what all models together may take.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._places: dict[Key, _Place] = {}

    @property
    def budget_bytes(self) -> int:
        """What all models together may take."""
        return self._budget_bytes

    @property
    def used_bytes(self) -> int:
        """What they take now; for those that are loading, what they are expected to."""
        return self._used_bytes

    def begin(
        self, key: Key, expected_bytes: int, now_ns: int, *, may_evict: bool = True
    ) -> Evict[Key] | Literal["resident", "loading", "failed", "full"]:
        """Ask to load.

        Args:
            key: of the model.
            expected_bytes: what it will take.
            now_ns: the time.
            may_evict: whether others may have to go for it.

        Returns:
            ``Evict``: close the keys in it, load, and then call ``finish`` or ``fail``. "resident": it is there.
            "loading": somebody loads it. "failed": it failed lately, see ``pause_ns``. "full": it does not fit
            beside those that must stay.
        """
        place = self._places.get(key)
        if place is not None and place.phase != "failed":
            return place.phase
        if self.pause_ns(key, now_ns) > 0:
            return "failed"
        victims = self._make_room(expected_bytes, may_evict=may_evict)
        if victims is None:
            return "full"
        if place is None:
            place = self._places[key] = _Place()
        place.phase, place.may_evict = "loading", may_evict
        self._hold(place, expected_bytes)
        return Evict(victims)

    def finish(
        self, key: Key, held_bytes: int, now_ns: int
    ) -> Evict[Key] | Literal["retired", "full"]:
        """A load is done.

        Returns:
            ``Evict``: the keys to close, where it took more than was expected. "retired": nobody wants it any more, and
            "full": it does not fit; in both cases it must be closed itself.
        """
        place = self._places[key]
        self._hold(place, 0)
        victims = None if place.retired else self._make_room(held_bytes, may_evict=place.may_evict)
        if victims is None:
            del self._places[key]
            return "retired" if place.retired else "full"
        place.phase = "resident"
        place.failures = 0
        place.last_use_ns = now_ns
        self._hold(place, held_bytes)
        return Evict(victims)

    def fail(self, key: Key, now_ns: int) -> None:
        """A load has failed."""
        place = self._places[key]
        self._hold(place, 0)
        if place.retired:
            del self._places[key]
            return
        place.phase = "failed"
        place.failures += 1
        place.last_use_ns = now_ns

    def pause_ns(self, key: Key, now_ns: int) -> int:
        """How long until a load that failed may be tried again; 0: now."""
        place = self._places.get(key)
        if place is None or place.phase != "failed":
            return 0
        # The exponent is bounded, so that years of failures cost no more than one.
        pause_ns = min(FIRST_PAUSE_NS << min(place.failures - 1, 10), LONGEST_PAUSE_NS)
        return max(place.last_use_ns + pause_ns - now_ns, 0)

    def is_resident(self, key: Key) -> bool:
        """Whether it is in memory, and not retired."""
        place = self._places.get(key)
        return place is not None and place.phase == "resident" and not place.retired

    def take(self, key: Key) -> None:
        """Use a resident model."""
        self._places[key].uses += 1

    def give_back(self, key: Key, now_ns: int) -> bool:
        """Stop using it; True: it was retired, this was its last use, and it must be closed."""
        place = self._places[key]
        place.uses -= 1
        place.last_use_ns = now_ns
        return self._drop_if_done(key, place)

    def pin(self, key: Key, *, pinned: bool) -> None:
        """Keep a resident model from being evicted, or no longer."""
        if self.is_resident(key):
            self._places[key].pinned = pinned

    def retire(self, key: Key) -> bool:
        """Nobody will ask for it any more; True: it is in memory and not in use, and must be closed."""
        place = self._places.get(key)
        if place is None or place.retired:
            return False
        if place.phase == "failed":
            del self._places[key]
            return False
        place.retired = True
        return self._drop_if_done(key, place)

    def forgive(self, key: Key) -> None:
        """Let a load that failed be tried again at once."""
        place = self._places.get(key)
        if place is not None and place.phase == "failed":
            del self._places[key]

    def _drop_if_done(self, key: Key, place: _Place) -> bool:
        if not place.retired or place.uses or place.phase == "loading":
            return False
        self._hold(place, 0)
        del self._places[key]
        return True

    def _hold(self, place: _Place, held_bytes: int) -> None:
        self._used_bytes += held_bytes - place.held_bytes
        place.held_bytes = held_bytes

    def _make_room(self, needed_bytes: int, *, may_evict: bool) -> tuple[Key, ...] | None:
        """Evict until this much fits; None, and nobody is evicted, if it cannot."""
        missing_bytes = self._used_bytes + needed_bytes - self._budget_bytes
        victims: list[Key] = []
        idle = sorted(
            (
                (place.last_use_ns, key)
                for key, place in self._places.items()
                if place.phase == "resident"
                and place.held_bytes
                and not (place.uses or place.pinned or place.retired)
            ),
            key=lambda candidate: candidate[0],
        )
        for _, key in idle if may_evict else ():
            if missing_bytes <= 0:
                break
            victims.append(key)
            missing_bytes -= self._places[key].held_bytes
        if needed_bytes and missing_bytes > 0:
            return None
        for key in victims:
            self._hold(self._places.pop(key), 0)
        return tuple(victims)
