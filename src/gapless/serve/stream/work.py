"""What a session asks to be computed, and what comes of it: the contract between ``session`` and ``hearing``.

In: audio and options, in order. Out: jobs, done one at a time, and a result for each.
Invariants: immutable; the session never computes, the hearing never decides. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from gapless.errors import GaplessError
from gapless.listen.events import ListenEvent
from gapless.serve.stream.messages import HearingOptions, StreamOptions

# --- jobs -----------------------------------------------------------------------------------------


class OpenJob(Struct, frozen=True):
    """Open a decoder and a listener. Answered by ``Opened``."""

    options: StreamOptions
    reopens: bool = False
    """Whether it takes the place of another, all of which has been answered."""


class HearJob(Struct, frozen=True):
    """Decode and hear these frames."""

    frames: tuple[bytes, ...]
    cost: int
    """How much they are of what a session may leave unprocessed; see ``meter.Meter``."""


class FlushJob(Struct, frozen=True):
    """Make final what was heard so far."""

    id: str


class ConfigureJob(Struct, frozen=True):
    """Hear what follows with other options."""

    change: HearingOptions


class ClearJob(Struct, frozen=True):
    """Forget the utterance that goes on."""


class EndJob(Struct, frozen=True):
    """There is no more audio: make all of it final."""


class FinishJob(Struct, frozen=True):
    """All is answered: close the transcript. Answered by ``Finished``."""


Job: TypeAlias = OpenJob | HearJob | FlushJob | ConfigureJob | ClearJob | EndJob | FinishJob

# --- results --------------------------------------------------------------------------------------


class Opened(Struct, frozen=True):
    """The stream can be heard."""

    model: str
    keeps: bool
    """Whether its transcript is kept."""


class NotKept(Struct, frozen=True):
    """The store failed for this utterance, whose final follows; it is tried again with the next one."""

    utt: str
    error: GaplessError


class Heard(Struct, frozen=True):
    """Answer to every job between the first and the last."""

    events: tuple[ListenEvent | NotKept, ...]
    received_ms: int
    """Audio heard so far."""
    processed_ms: int
    """Audio that waits for nothing any more."""
    waiting: bool
    """Something is under way: more events may come without another job."""
    error: GaplessError | None = None
    """The job could not be done; ``events`` are those from before."""


class Finished(Struct, frozen=True):
    """The stream is over."""

    audio_ms: int
    transcript_id: str | None
    """None where nothing was said or kept."""


Result: TypeAlias = Opened | Heard | Finished
