"""What Wyoming's clients ask for: the data of the events that are read here.

In: the data of an event. Out: frozen structs. Invariants: fields that are not known are passed over, as the protocol
wants it; a value that cannot be used is refused with its name. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from gapless.audio.format import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ, Encoding
from gapless.errors import ProtocolError

MAX_HOTWORDS = 100

Data = TypeVar("Data")

ENCODINGS: dict[int, Encoding] = {2: "pcm_s16le", 4: "pcm_s32le"}
"""By the width of a sample in bytes."""


class Transcribe(Struct, frozen=True):
    """A wish for the utterance that follows."""

    name: str | None = None
    """Of a model."""
    language: Annotated[str, Meta(max_length=100)] | None = None
    transcript_names: tuple[str, ...] | None = None
    transcript_terms: tuple[str, ...] | None = None
    """Words to expect; names come before terms."""

    @property
    def hotwords(self) -> tuple[str, ...] | None:
        """The words to expect, as many as a stream takes; None leaves it to the server."""
        words = (*(self.transcript_names or ()), *(self.transcript_terms or ()))
        fit = tuple(word for word in words if 0 < len(word) <= 100)
        return fit[:MAX_HOTWORDS] or None


class Audio(Struct, frozen=True):
    """The format of ``audio-start`` and of every chunk."""

    rate: Annotated[int, Meta(ge=MIN_RATE_HZ, le=MAX_RATE_HZ)]
    width: int
    """Bytes of a sample."""
    channels: Annotated[int, Meta(ge=1, le=MAX_CHANNELS)]

    @property
    def encoding(self) -> Encoding:
        """What the bytes are.

        Raises:
            ProtocolError: samples of a width that is not taken.
        """
        if self.width not in ENCODINGS:
            raise ProtocolError(
                f"samples of {self.width} bytes are not taken; send 2 bytes a sample", param="width"
            )
        return ENCODINGS[self.width]


def read(data: dict[str, Any], kind: type[Data]) -> Data:
    """The data of an event.

    Raises:
        ProtocolError: a field is missing, or its value cannot be used.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"the event cannot be used: {error}; correct that field") from error
