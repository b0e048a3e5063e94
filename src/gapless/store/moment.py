"""Points in time as people and programs write them.

In: ISO 8601, or a whole number of Unix milliseconds. Out: Unix milliseconds, the unit of all records.
Invariants: nothing is guessed: digits alone are milliseconds, like every time in our answers. Thread: any.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from gapless.errors import ProtocolError

UNIX_MS: Final = re.compile(r"[0-9]{1,15}")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def unix_ms(text: str, *, param: str, zone: tzinfo | None) -> int:
    """A moment in Unix milliseconds.

    Args:
        text: ``2025-01-31``, ``2025-01-31T10:00``, ``2025-01-31T10:00:00.5+02:00``, or ``1738317600000``. A date means
            its first moment.
        param: what the text was given for, for messages.
        zone: the time zone of a text that names none; None is this machine's.

    Raises:
        ProtocolError: the text is neither.
    """
    if UNIX_MS.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone) if zone else moment.astimezone()
        return (moment - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise ProtocolError(
            f"{param} is {text!r}, which is no time; write it like 2025-01-31T10:00:00+02:00 "
            "(in a URL, + is %2B) or in Unix milliseconds",
            param=param,
        ) from error
