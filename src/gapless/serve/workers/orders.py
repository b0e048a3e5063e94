"""What a supervisor and its workers say to one another, over a socket pair: a line of JSON each.

In, out: messages. Invariants: settings travel here, keys among them, and never through arguments or the environment;
a worker whose supervisor is gone learns it by the end of the lines. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from gapless.serve.address import Addresses
from gapless.settings import Resolved
from gapless.settings.share import Share

LONGEST_LINE_BYTES: Final = 1024 * 1024


class Orders(Struct, frozen=True):
    """The first line to a worker: everything that it needs to know."""

    name: str
    share: Share
    resolved: Resolved
    """Settings of the whole server."""
    folder: str
    """Of the sockets over which workers ask one another."""
    secret: bytes
    """Known to all workers of this server."""
    http_fd: int
    wyoming_fd: int | None
    grpc_port: int


class RetireOrder(Struct, frozen=True, tag="retire"):
    """Accept nothing new, and end when what is open is over."""


class ReadyReport(Struct, frozen=True, tag="ready"):
    """A worker accepts connections."""

    addresses: Addresses
    model: str
    """The recogniser that is used where none is asked for."""
    model_reason: str


class FailedReport(Struct, frozen=True, tag="failed"):
    """A worker cannot start."""

    message: str
    is_setting: bool
    """Whether a setting is wrong."""


Report: TypeAlias = ReadyReport | FailedReport

_ORDERS: Final = msgspec.json.Decoder(Orders)
_REPORT: Final[msgspec.json.Decoder[Report]] = msgspec.json.Decoder(ReadyReport | FailedReport)


def line(message: Orders | RetireOrder | Report) -> bytes:
    """A message on the wire."""
    return msgspec.json.encode(message) + b"\n"


def read_orders(text: bytes) -> Orders:
    """The first line to a worker."""
    return _ORDERS.decode(text)


def read_report(text: bytes) -> Report:
    """A line from a worker."""
    return _REPORT.decode(text)
