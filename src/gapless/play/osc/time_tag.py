"""Times of this machine's monotonic clock as time tags of OSC, which are NTP time.

In: ns of the monotonic clock. Out: 32.32 bits of seconds since 1900. Invariants: the distance between the two clocks is
kept as long as they agree, so that times that are even stay even; when the system's clock is set it is followed.
Thread: one.

Source: D. Mills et al., RFC 5905 section 6, for the format and for what follows 2036 (the seconds begin again at 0).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, final

NTP_OF_1970_S: Final = 2_208_988_800
STEP_NS: Final = 500_000
"""By which the clocks have to disagree with what was measured; less is what a measurement is wrong by."""
MORE_LOOKS: Final = 4
GOOD_NS: Final = 20_000
"""For a look at both clocks, that is as good as it gets."""


def ntp_of(unix_ns: int) -> int:
    """Time of the system, ns since 1970, as a time tag."""
    seconds, rest_ns = divmod(unix_ns, 1_000_000_000)
    return (seconds + NTP_OF_1970_S) % 2**32 << 32 | (rest_ns << 32) // 1_000_000_000


@final
class TimeTags:
    """Makes time tags.

    Args:
        monotonic_ns: the clock that times are given in.
        system_ns: the one that receivers have, too.
    """

    def __init__(
        self,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        system_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._system_ns = system_ns
        self._ahead_ns = self._measured_ns()

    def of(self, at_ns: int) -> int:
        """The time tag of a time of the monotonic clock."""
        ahead_ns = self._measured_ns()
        if abs(ahead_ns - self._ahead_ns) > STEP_NS:
            self._ahead_ns = ahead_ns
        return ntp_of(at_ns + self._ahead_ns)

    def _measured_ns(self) -> int:
        """How much the system's clock is ahead, by the quickest of some looks at both."""
        best = self._look()
        for _ in range(MORE_LOOKS):
            if best[0] < GOOD_NS:
                break
            best = min(best, self._look())
        return best[1]

    def _look(self) -> tuple[int, int]:
        """How long it took to look at both clocks, and how much the system's was ahead."""
        before_ns = self._monotonic_ns()
        system_ns = self._system_ns()
        took_ns = self._monotonic_ns() - before_ns
        return took_ns, system_ns - before_ns - took_ns // 2
