"""Which database is meant, in the driver's words and in words for people.

In: the URL of the settings. Out: what the driver connects with, and a name without secrets. Invariants: no message ever
shows a password, not even one of a URL that cannot be read. Thread: any (immutable).

Source: https://www.postgresql.org/docs/current/libpq-connect.html (URLs, parameters, keepalives).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from gapless.errors import ConfigError

CONNECT_TIMEOUT_S: Final = 5
"""How long a new connection may take, unless the URL says otherwise."""

DEFAULTS: Final = {
    "application_name": "gapless",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # A network that drops packets is noticed in about half a minute and not in two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""What the URL may say otherwise."""


class Address(msgspec.Struct, frozen=True):
    """See the module's head."""

    parameters: dict[str, Any]
    """Of a connection."""
    label: str
    """For people."""


def address(url: str) -> Address:
    """Where ``url`` leads.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        # The driver's own message repeats the part that it cannot read, which may hold the password.
        raise ConfigError(
            "STORE_URL cannot be read; write it like postgresql://user:password@host:5432/database "
            "(in a password, write % as %25, @ as %40 and / as %2F)",
            param="store_url",
        ) from None
    host = given.get("host") or given.get("hostaddr") or ""
    at = f"{given['user']}@" if "user" in given else ""
    port = f":{given['port']}" if "port" in given else ""
    where = f"{at}{host}{port}/{given.get('dbname') or given.get('user') or ''}"
    return Address(DEFAULTS | given | {"client_encoding": "UTF8"}, f"postgresql://{where}")
