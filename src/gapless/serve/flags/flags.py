"""The flags of a running server: the setting, what the file says, and how both sides of each fare.

In: settings, ``flags.json``, the outcomes of calls. Out: which side a session is on; counts and times by flag and side.
Invariants: the file goes before the setting; a file that cannot be used changes nothing; what is not compared costs
nothing; counts only grow. Thread: the event loop's, but for ``snapshot`` and
``write``, which any may call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, final

import msgspec
import structlog

from gapless.errors import ConfigError
from gapless.observe.histogram import Histogram, HistogramSnapshot
from gapless.settings import Settings
from gapless.settings.flags import (
    FLAGS,
    OFF,
    ON,
    FlagName,
    Shares,
    is_within,
    parse_shares,
    share_text,
)
from gapless.settings.flags_file import FlagsFile

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
"""Time between looks for a file that was changed."""


class SideFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How the calls fared that were on one side of a flag."""

    flag: FlagName
    on: bool
    calls: int
    """Requests, and connections that are over."""
    failed: int
    """Of them, those that were answered with a status of 500 or more, or not at all."""
    seconds: HistogramSnapshot
    """What requests took; connections that stay are left out."""


@final
class Flags:
    """See the module's head.

    Args:
        settings: the shares at the start, and the folder of the file.

    Raises:
        ConfigError: the setting names a flag or a share that is not known.
    """

    def __init__(self, settings: Settings) -> None:
        self._start: Final[Shares] = dict.fromkeys(FLAGS, ON) | parse_shares(settings.flags)
        self._file = FlagsFile(settings.data_path)
        self._stamp = self._file.stamp()
        self._shares: Shares = self._start
        self._changed: set[FlagName] = set()
        """At run time, now or before."""
        self._compared: frozenset[FlagName] = frozenset()
        self._sides: dict[tuple[FlagName, bool], _Side] = {}
        self.plain = True
        """Everything is on for everybody, and nothing is compared: nobody needs to ask."""
        self._read()

    @property
    def shares(self) -> Shares:
        """Percent of the sessions for which each flag is on, of all flags."""
        return self._shares

    @property
    def compared(self) -> frozenset[FlagName]:
        """Flags whose sides are counted: on for a share, or changed since the start."""
        return self._compared

    def is_on(self, name: FlagName, key: str) -> bool:
        """Whether a flag is on for a session."""
        return is_within(name, key, self._shares[name])

    def observe(
        self, sides: Mapping[FlagName, bool], *, failed: bool, seconds: float | None
    ) -> None:
        """A call is over.

        Args:
            sides: that it was on.
            failed: whether it came to nothing, by no fault of its client.
            seconds: what it took; None: that says nothing.
        """
        for name, on in sides.items():
            if name in self._compared:
                side = self._sides.get((name, on))
                if side is None:
                    side = self._sides[name, on] = _Side()
                side.add(failed=failed, seconds=seconds)

    def snapshot(self) -> tuple[SideFigures, ...]:
        """How both sides of all flags that are or were compared have fared."""
        return tuple(
            side.figures(name, on=on) for (name, on), side in sorted(self._sides.copy().items())
        )

    def look(self) -> None:
        """Read the file, if it was changed since the last look."""
        stamp = self._file.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            self._read()

    async def watch(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def write(self, shares: Shares) -> None:
        """Put shares into the file, for the next look of every process; from any thread.

        Raises:
            StoreError: the file cannot be written.
        """
        self._file.write(shares)

    def _read(self) -> None:
        try:
            found = self._file.read()
        except ConfigError as error:
            log.warning("flags stay as they are", error=str(error))
            return
        shares = {**self._start, **found}
        changed = {name for name in FLAGS if shares[name] != self._shares[name]}
        self._shares = shares
        self._changed |= changed
        self._compared = frozenset(
            name for name in FLAGS if name in self._changed or OFF < shares[name] < ON
        )
        self.plain = not self._compared and all(share == ON for share in shares.values())
        if changed:
            log.info("flags", **{name: share_text(shares[name]) for name in sorted(changed)})


class _Side:
    """What was counted of one side of a flag."""

    __slots__ = ("calls", "failed", "seconds")

    def __init__(self) -> None:
        self.calls = self.failed = 0
        self.seconds = Histogram()

    def add(self, *, failed: bool, seconds: float | None) -> None:
        self.calls += 1
        self.failed += failed
        if seconds is not None:
            self.seconds.add(seconds)

    def figures(self, name: FlagName, *, on: bool) -> SideFigures:
        return SideFigures(
            flag=name, on=on, calls=self.calls, failed=self.failed, seconds=self.seconds.snapshot()
        )
