"""How a model on Triton servers is reached: the ``[triton]`` table of its manifest.

In: a table, or keywords. Out: a frozen struct. Invariants: every field is within its bounds, for all who decode it;
there is a server, and no fewer channels may be open than have to be. Thread: any.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from gapless.errors import ConfigError

MILLISECONDS_PER_DAY = 24 * 3600 * 1000

Milliseconds: TypeAlias = Annotated[int, Meta(ge=1, le=MILLISECONDS_PER_DAY)]


class TritonOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the servers are, and how to treat them."""

    urls: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]
    """``HOST:PORT`` of each server's gRPC door, the preferred one first."""
    model: str = ""
    """What the model is called there; empty: as here."""
    version: str = ""
    """Which version there; empty: the server chooses."""
    tls: bool = False
    root_certificates: str = ""
    """PEM file of the authorities that are trusted; empty: those that gRPC brings."""

    min_channels: Annotated[int, Meta(ge=0, le=1000)] = 5
    """Connections to each server that are kept even when nobody calls."""
    max_channels: Annotated[int, Meta(ge=1, le=1000)] = 50
    """Connections to each server at most; each carries one call at a time, and steps of streams."""
    max_waiting_calls: Annotated[int, Meta(ge=1, le=100_000)] = 256
    """Calls that may wait for a connection; more are refused at once."""
    acquire_timeout_ms: Milliseconds = 500
    """How long a call waits for a connection."""
    idle_ms: Milliseconds = 300_000
    """A connection beyond the fewest that nobody used for this long is closed."""
    max_age_ms: Milliseconds = 3_600_000
    """A connection older than this is closed once it is free."""

    call_timeout_ms: Milliseconds = 10_000
    """How long an answer may take where the caller does not say."""
    attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    """How often a call that may be repeated is sent, the first time included."""
    backoff_ms: Milliseconds = 20
    """The second attempt comes up to this much later, the third up to twice this, and so on."""

    health_interval_ms: Milliseconds = 5000
    """A connection that was not used for this long is asked whether it still works."""
    health_timeout_ms: Milliseconds = 1000
    """How long a server may take to say that it is ready."""
    breaker_failures: Annotated[int, Meta(ge=1, le=1000)] = 5
    """Failures in a row after which a server is not called for a while."""
    breaker_pause_ms: Milliseconds = 500
    """How long that while is at first; it doubles each time that the server does not come back."""
    breaker_max_pause_ms: Milliseconds = 10_000
    """How long it is at most."""

    max_message_bytes: Annotated[int, Meta(ge=1024, le=2**31 - 1)] = 64 * 2**20
    """The largest request or answer."""

    def __post_init__(self) -> None:
        """Check what types do not.

        Raises:
            ConfigError: no server is named, or the fewest channels are more than the most.
        """
        if not self.urls:
            raise ConfigError("no Triton server is named; set urls to one or more HOST:PORT")
        for url in self.urls:
            host, _, port = url.rpartition(":")
            if not host or "/" in host or not port.isdecimal():
                raise ConfigError(f"{url!r} is not HOST:PORT; name the server's gRPC port so")
        if self.min_channels > self.max_channels:
            raise ConfigError(
                f"min_channels is {self.min_channels}, more than max_channels, {self.max_channels}; lower it"
            )
