"""One player, as the network sees it: what is to be done next, how much may be rendered, what is to be said.

    frames of the client -> receive -> orders: programs to be set, one after the other
    heard                -> wanted: how many chunks are to be rendered now
    chunks, answers      -> rendered, answer -> frames for the client

In: what a client says, what was computed, the time. Out: orders, numbers, frames. Invariants: no more than
``buffer_ms`` is rendered beyond what was heard, and nothing before anything is asked for; at most a hush and a program
wait, for a later program takes the place of one that waits; what waits to be sent is bounded. Thread: the event loop's;
no I/O, no clock.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple, TypeAlias, final

from gapless.errors import GaplessError, ProtocolError, TooLargeError
from gapless.serve.play.messages import (
    ChangedMessage,
    CycleMessage,
    EventsMessage,
    HeardMessage,
    HushMessage,
    MistakeMessage,
    PlayClientMessage,
    PlayErrorMessage,
    PlayEvent,
    PlayOptions,
    PlayReadyMessage,
    PlayServerMessage,
    RemarkMessage,
    SetMessage,
    StopPlayingMessage,
    decode_play,
    encode_play,
)
from gapless.serve.stream import close
from gapless.serve.stream.dialect import Frame
from gapless.settings import Settings

CHUNK_MS: Final = 20
"""Sound in a frame."""

MOST_CHUNKS: Final = 5
"""Rendered at a time, where that many are missing: each time costs a change of threads."""

STOP_MS: Final = 1000
"""For a client to ask for the last chunk, in which the sound fades out."""

Order: TypeAlias = SetMessage | HushMessage


class Chunk(NamedTuple):
    """What was rendered."""

    n_samples: int
    sound: bytes
    """Float32, little endian: left and right of each sample."""
    events: tuple[PlayEvent, ...]
    """Those that became known: they begin in this chunk or later."""
    remarks: tuple[RemarkMessage, ...]
    is_last: bool
    """It fades out."""


class Tempo(NamedTuple):
    """How cycles go from a sample on."""

    sample: int
    cycle: float
    cps: float


@final
class PlaySession:
    """See above.

    Args:
        name: of the session.
        options: what it was opened with.
        settings: the bounds.
        now_ms: the time.
    """

    def __init__(self, name: str, options: PlayOptions, settings: Settings, now_ms: int) -> None:
        self.name: Final = name
        self.options: Final = options
        self._settings = settings
        self.chunk_samples: Final = options.rate * CHUNK_MS // 1000
        self._buffer = options.rate * options.buffer_ms // 1000
        self._active_ms = now_ms
        self._stop_ms: int | None = None
        """When it is over even if the last chunk was not asked for."""
        self._stop_code = close.DONE
        self._orders: deque[Order] = deque()
        self._said: deque[PlayServerMessage] = deque()
        self._tempi = deque([Tempo(0, 0.0, 0.5)])
        """The one that holds, and those that will."""
        self._cycle_at = 0
        """The sample for which the cycle is told next."""
        self._sent = 0
        self._heard = 0
        self._asked = False
        """Whether there was a program, or anybody who hears."""
        self.close_code: int | None = None
        """Not None: it is over, once everything is said."""

    # --- what the client does ---------------------------------------------------------------------

    def receive(self, frame: Frame, now_ms: int) -> None:
        """A frame came."""
        self._active_ms = now_ms
        if self.close_code is not None:
            return
        try:
            message = self._read(frame)
        except ProtocolError as error:
            large = isinstance(error, TooLargeError)
            self.refuse(error, close.TOO_BIG if large else close.POLICY)
            return
        match message:
            case HeardMessage():
                # Nobody has heard what was not sent.
                self._heard = max(self._heard, min(message.sample, self._sent))
                self._asked = True
            case StopPlayingMessage():
                self.stop(close.DONE, now_ms)
            case _ if self.stopping:
                pass
            case HushMessage():
                self._orders.clear()
                self._orders.append(message)
            case SetMessage():
                if self._orders and isinstance(self._orders[-1], SetMessage):
                    self._orders.pop()
                self._orders.append(message)

    def _read(self, frame: Frame) -> PlayClientMessage:
        most = self._settings.max_frame_bytes
        if len(frame) > most:
            raise TooLargeError(
                f"the frame has {len(frame)} bytes, {most} are allowed; send a shorter program"
            )
        if isinstance(frame, bytes):
            raise ProtocolError("sound goes one way only; send text frames")
        return decode_play(frame)

    def tick(self, now_ms: int) -> None:
        """Time goes by."""
        if self.close_code is not None:
            return
        idle_ms = self._settings.idle_timeout_ms
        if self._stop_ms is not None and now_ms >= self._stop_ms:
            self.close_code = self._stop_code
        elif now_ms - self._active_ms >= idle_ms:
            self._say(
                PlayErrorMessage(
                    "idle_timeout",
                    f"nothing came for {idle_ms} ms; say what was heard, or connect again to play",
                )
            )
            self.close_code = close.DONE

    def stop(self, code: int, now_ms: int) -> None:
        """Fade out; then it is over."""
        if self.close_code is not None or self.stopping:
            return
        self._orders.clear()
        if self._asked:
            self._stop_ms, self._stop_code = now_ms + STOP_MS, code
        else:
            self.close_code = code

    def refuse(self, error: GaplessError, code: int) -> None:
        """Say what is wrong; then it is over."""
        self._say(PlayErrorMessage(error.code, error.message))
        self.close_code = self.close_code or code

    @property
    def stopping(self) -> bool:
        """Whether the next chunk is the last one: it fades out."""
        return self._stop_ms is not None

    # --- what is to be computed -------------------------------------------------------------------

    def opened(self) -> None:
        """The player is there."""
        self._say(PlayReadyMessage(self.name, self.options.rate, self.options.buffer_ms))

    def next_order(self) -> Order | None:
        """What to play next, each once; answered by ``answer``."""
        return self._orders.popleft() if self._orders else None

    def answer(self, message: ChangedMessage | MistakeMessage) -> None:
        """An order was carried out, or cannot be."""
        if isinstance(message, ChangedMessage):
            self._asked = True
            while self._tempi and self._tempi[-1].sample >= message.sample:
                self._tempi.pop()  # It was changed again before it was heard.
            self._tempi.append(Tempo(message.sample, message.cycle, message.cps))
            self._cycle_at = min(self._cycle_at, message.sample)
        self._say(message)

    @property
    def wanted(self) -> int:
        """Chunks of ``chunk_samples`` to render now."""
        if not self._asked or self.close_code is not None:
            return 0
        room = self._heard + self._buffer - self._sent
        return min(room // self.chunk_samples, 1 if self.stopping else MOST_CHUNKS)

    def rendered(self, chunk: Chunk) -> list[Frame]:
        """A chunk is ready: what to send, in this order."""
        frames: list[Frame] = [encode_play(remark) for remark in chunk.remarks]
        if chunk.events:
            frames.append(encode_play(EventsMessage(chunk.events)))
        end = self._sent + chunk.n_samples
        while self._cycle_at < end:
            frames.append(encode_play(self._cycle(max(self._sent, self._cycle_at))))
        frames.append(chunk.sound)
        self._sent = end
        if chunk.is_last:
            self.close_code = self._stop_code
        return frames

    # --- what is to be said -----------------------------------------------------------------------

    def next_frame(self) -> Frame | None:
        """What is to be said before any other sound."""
        return encode_play(self._said.popleft()) if self._said else None

    def _say(self, message: PlayServerMessage) -> None:
        if len(self._said) >= self._settings.max_outgoing:
            self._said.clear()
            self.close_code = close.OVERLOADED
        else:
            self._said.append(message)

    def _cycle(self, sample: int) -> CycleMessage:
        while len(self._tempi) > 1 and self._tempi[1].sample <= sample:
            self._tempi.popleft()
        since, cycle, cps = self._tempi[0]
        self._cycle_at = sample + self.options.rate
        if len(self._tempi) > 1:
            self._cycle_at = min(self._cycle_at, self._tempi[1].sample)
        return CycleMessage(sample, cycle + (sample - since) * cps / self.options.rate, cps)
