"""What one may ask of a running virtual microphone: one line of JSON in, one line out.

In: a line. Out: a line, always. Invariants: a line is at most ``MOST_REQUEST_BYTES`` long; what is not understood
changes nothing and is answered with a sentence; every line says its version. Thread: any; what is asked for is done by
the microphone, which has its own lock.

    {"v": 1, "do": "status"}
    {"v": 1, "do": "set", "change": {"amount": 0.5, "bypass": "toggle"}}
    {"v": 1, "do": "stop"}
"""

from __future__ import annotations

import hmac
from typing import Annotated, Final, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Meta

from gapless.clean.mic.report import MicReport
from gapless.clean.mic.status import Mode
from gapless.errors import (
    AccessError,
    GaplessError,
    OverloadError,
    ProtocolError,
    TooLargeError,
)

VERSION: Final = 1
MOST_REQUEST_BYTES: Final = 4096
MOST_ANSWER_BYTES: Final = 256 * 1024

Switch = Literal["on", "off", "toggle"]
Block = Literal["auto", "128", "256", "512"]

DEFAULT_DEVICE: Final = "default"
"""As a device: whichever the system's default is."""


class Change(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What is to be different from now on; None: stays as it is."""

    amount: Annotated[float, Meta(ge=0, le=1)] | None = None
    bypass: Switch | None = None
    gate: Switch | None = None
    mute: Switch | None = None
    mode: Mode | None = None
    block: Block | None = None
    device: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    """A device, or a part of its name; ``DEFAULT_DEVICE`` for the default."""


class _Request(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="do", forbid_unknown_fields=True
):
    v: int = VERSION
    token: str = ""
    """Only where no file's permissions say who may ask."""


class StatusRequest(_Request, frozen=True, kw_only=True, tag="status"):
    """Tell how it goes."""


class SetRequest(_Request, frozen=True, kw_only=True, tag="set"):
    """Change something, then tell how it goes."""

    change: Change


class StopRequest(_Request, frozen=True, kw_only=True, tag="stop"):
    """End."""


Request: TypeAlias = StatusRequest | SetRequest | StopRequest


class Refusal(msgspec.Struct, frozen=True):
    """Why a request was not done."""

    code: str
    message: str


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What comes back."""

    v: int = VERSION
    ok: bool
    report: MicReport | None = None
    error: Refusal | None = None


class Controlled(Protocol):
    """What can be controlled."""

    def report(self) -> MicReport:
        """How it goes."""
        ...

    def apply(self, change: Change) -> None:
        """Be different from now on."""
        ...

    def stop(self) -> None:
        """End soon."""
        ...


def respond(line: bytes, microphone: Controlled | None, token: str = "") -> bytes:
    """Do what a line asks for.

    Args:
        line: without its end.
        microphone: what is asked; None: it is not there yet.
        token: what a request must carry; empty: nothing.

    Returns:
        The answer, with the end of its line.
    """
    try:
        request = decode_request(line)
        if not hmac.compare_digest(request.token.encode(), token.encode()):
            raise AccessError("this is another user's microphone; ask as the user who started it")
        if microphone is None:
            raise OverloadError("it is still starting; ask again in a moment")
        if isinstance(request, SetRequest):
            microphone.apply(request.change)
        elif isinstance(request, StopRequest):
            microphone.stop()
        answer = Answer(ok=True, report=microphone.report())
    except GaplessError as error:
        answer = Answer(ok=False, error=Refusal(error.code, str(error)))
    return msgspec.json.encode(answer) + b"\n"


def decode_request(line: bytes) -> Request:
    """Understand a line.

    Raises:
        TooLargeError: it is too long.
        ProtocolError: it is no request, or one of another version.
    """
    if len(line) > MOST_REQUEST_BYTES:
        raise TooLargeError(f"a request has at most {MOST_REQUEST_BYTES} bytes; send one line each")
    try:
        request: Request = msgspec.json.decode(line, type=Request)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"this is no request ({error}); send a line of JSON") from error
    if request.v != VERSION:
        raise ProtocolError(
            f"version {request.v} is not spoken here, but {VERSION}; "
            "use the same Gapless on both sides"
        )
    return request
