"""The messages of ``GET /v1/play``, exactly as they are on the wire.

In: text frames and query strings of clients. Out: frozen structs, and back again. Invariants: what a client sends is
checked for names, types and bounds here and nowhere else. Times are samples of one channel, from 0. Thread: any
(immutable data).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from gapless.errors import ProtocolError
from gapless.serve.stream.messages import TICKET_PARAM

SUBPROTOCOL: Final = "play.v1"

MAX_TEXT: Final = 256 * 1024
"""Characters of a program."""

MOST_SAMPLES: Final = 1 << 53
"""A position beyond which numbers in JSON are not exact."""

Id: TypeAlias = Annotated[str, Meta(max_length=200)]
"""Chosen by the client; in the answer it is the same."""


class PlayOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a player is opened with."""

    rate: Annotated[int, Meta(ge=8000, le=96_000)] = 48_000
    """Samples a second of each channel."""
    buffer_ms: Annotated[int, Meta(ge=40, le=2000)] = 200
    """Sound that is sent ahead of what was heard."""


# --- client to server -----------------------------------------------------------------------------


class SetMessage(Struct, frozen=True, forbid_unknown_fields=True, tag="set"):
    """Play another program; answered by ``changed`` or ``mistake``, unless a later one overtakes it."""

    text: Annotated[str, Meta(max_length=MAX_TEXT)]
    id: Id = ""


class HushMessage(Struct, frozen=True, forbid_unknown_fields=True, tag="hush"):
    """Fade to silence; the next program begins at cycle 0. Answered by ``changed``."""

    id: Id = ""


class HeardMessage(Struct, frozen=True, forbid_unknown_fields=True, tag="heard"):
    """So many samples were heard: others may be made."""

    sample: Annotated[int, Meta(ge=0, le=MOST_SAMPLES)]


class StopPlayingMessage(Struct, frozen=True, forbid_unknown_fields=True, tag="stop"):
    """Fade out and close."""


PlayClientMessage: TypeAlias = SetMessage | HushMessage | HeardMessage | StopPlayingMessage


# --- server to client -----------------------------------------------------------------------------


class PlayReadyMessage(Struct, frozen=True, tag="ready"):
    """The player is there: programs may be set."""

    session: str
    rate_hz: int
    buffer_ms: int
    channels: Literal[2] = 2
    version: Literal[1] = 1


class PlayRemark(Struct, frozen=True):
    """What the author of a program should know; all places are null where it has none."""

    text: str
    line: int | None = None
    """From 1."""
    column: int | None = None
    """From 1, in characters."""
    length: int | None = None


class ChangedMessage(Struct, frozen=True, tag="changed"):
    """Another program plays, or none."""

    id: str
    sample: int
    """The first at which it is heard."""
    cycle: float
    """Where in the cycles that is."""
    cps: float
    """Cycles a second from there on."""
    outputs: tuple[str, ...]
    hushed: tuple[str, ...]
    """Those of the outputs that are silent."""
    remarks: tuple[PlayRemark, ...] = ()


class MistakeMessage(Struct, frozen=True, tag="mistake"):
    """The program cannot be played: what played goes on."""

    id: str
    text: str
    """With the line, and carets under the mistake."""
    message: str
    """The same in one sentence."""
    line: int | None = None
    column: int | None = None
    length: int | None = None


class RemarkMessage(Struct, frozen=True, tag="remark"):
    """Something came up while the program played; each thing is said once."""

    text: str
    line: int | None = None
    column: int | None = None
    length: int | None = None


class PlayEvent(Struct, frozen=True):
    """An event of a pattern."""

    output: str
    begin: int
    """The sample in which it begins."""
    end: int
    """The sample in which its time is over; what rings, rings on."""
    places: tuple[tuple[int, int, int], ...]
    """Line, column and length of what was written to make it, the outermost first."""


class EventsMessage(Struct, frozen=True, tag="events"):
    """What begins soon: told before its sound is sent."""

    events: tuple[PlayEvent, ...]


class CycleMessage(Struct, frozen=True, tag="cycle"):
    """Where the sound that follows is in the cycles; about once a second, and after each change."""

    sample: int
    cycle: float
    cps: float


class PlayErrorMessage(Struct, frozen=True, tag="error"):
    """Something was refused or failed; where it is fatal, the connection closes."""

    code: str
    message: str
    fatal: bool = True


PlayServerMessage: TypeAlias = (
    PlayReadyMessage
    | ChangedMessage
    | MistakeMessage
    | RemarkMessage
    | EventsMessage
    | CycleMessage
    | PlayErrorMessage
)

# --- bytes to structs and back --------------------------------------------------------------------

_decoder: Final[msgspec.json.Decoder[PlayClientMessage]] = msgspec.json.Decoder(PlayClientMessage)
_encoder: Final = msgspec.json.Encoder()


def decode_play(text: str) -> PlayClientMessage:
    """Read a client's text frame.

    Raises:
        ProtocolError: no JSON, an unknown type or field, or a value out of its bounds.
    """
    try:
        return _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise ProtocolError(
            f"the message cannot be read: {error}; the reference of the play protocol says what is allowed"
        ) from error


def encode_play(message: PlayServerMessage) -> str:
    """A message as the text frame that carries it."""
    return _encoder.encode(message).decode()


def play_options_of(pairs: Iterable[tuple[str, str]]) -> PlayOptions:
    """Read the options of a player from the pairs of its query string.

    Raises:
        ProtocolError: an unknown or repeated name, or a value out of its bounds.
    """
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise ProtocolError(f"{name} is given twice; give it once", param=name)
        values[name] = value
    values.pop(TICKET_PARAM, None)
    try:
        return msgspec.convert(values, PlayOptions, strict=False)
    except msgspec.ValidationError as error:
        raise ProtocolError(
            f"the query cannot be used: {error}; the reference of the play protocol says what is allowed"
        ) from error
