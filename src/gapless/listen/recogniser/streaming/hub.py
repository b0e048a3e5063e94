"""The decode hub: one thread that serves all utterances of a recogniser, whoever has something new.

    bells -> samples to the encoder, frames from it -> one step of each decoder for all that have frames -> news, wakes

In: utterances that ring, because samples came, an answer of the engine, or a cancellation. Out: news for their callers.
Invariants: nobody waits for company: who is there when the thread is free is served together; what fails loses its own
utterance and no other; an utterance rings once until it is served, so that the bell's queue is as bounded as they are.
Thread: ``add`` and ``close`` from any; all else is the hub's own thread.
"""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, final

import structlog

from gapless.errors import (
    ConnectionLostError,
    DeadlineError,
    GaplessError,
    ModelError,
    OverloadError,
)
from gapless.listen.recogniser.decode.contract import Decoder, DecodeState
from gapless.listen.recogniser.streaming.encoder import Encoder
from gapless.listen.recogniser.streaming.track import Track
from gapless.listen.recogniser.streaming.utterance import Utterance
from gapless.listen.recogniser.streaming.wording import Wording

NOT_THE_STREAMS: Final = (OverloadError, ConnectionLostError, DeadlineError)
"""Failures for reasons that lie outside the frames: to try one utterance after the other would not help."""

RETRY_S: Final = 0.01
"""Time after which an utterance that found no room in the engine tries again."""

MOST_STALLS: Final = 1000
"""After so many tries in a row it is lost."""

log = structlog.get_logger(__name__)


@final
class Hub:
    """See the module's head.

    Args:
        name: of the recogniser.
        encoder: of the recogniser.
        wording: how tokens become text.
        ended: called by the thread as it ends.
    """

    def __init__(
        self,
        name: str,
        encoder: Encoder,
        wording: Wording,
        ended: Callable[[], None],
    ) -> None:
        self._name = name
        self._encoder = encoder
        self._wording = wording
        self._ended = ended
        self._bell: queue.SimpleQueue[Track | None] = queue.SimpleQueue()
        self._stalled: list[Track] = []
        """Who found no room in the engine."""
        self._lock = threading.Lock()
        # Both are guarded by the lock.
        self._open = 0
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="gapless-decode", daemon=True)
        self._thread.start()

    def add(self, utterance: Utterance, decoder: Decoder, state: DecodeState) -> None:
        """Serve one more utterance, whose decoder began with this state."""
        with self._lock:
            closed = self._closed
            self._open += not closed
        if closed:
            error = ModelError(f"the model {self._name} has been closed; open it again")
            utterance.answer(0, error)
        else:
            utterance.ring = Track(utterance, self._encoder, decoder, state, self._bell.put).ring

    def close(self) -> None:
        """Take no more; the thread ends once all that is open is over. It is waited for if nothing is. Idempotent."""
        with self._lock:
            self._closed = True
            quiet = not self._open
        self._bell.put(None)
        if quiet:
            self._thread.join()

    def _serve(self) -> None:
        while True:
            turn = self._gather()
            try:
                self._turn(turn)
            except Exception as error:  # noqa: BLE001 - it is logged there
                # A mistake of ours: whoever was in this turn is lost, the others go on.
                for track in turn:
                    self._lose(track, error)
            with self._lock:
                if self._closed and not self._open:
                    break
        self._ended()

    def _gather(self) -> Collection[Track]:
        """Wait until somebody rings, or is to try again; then take all who did."""
        turn = dict.fromkeys(track for track in self._stalled if not track.over)
        with suppress(queue.Empty):
            track = self._bell.get(timeout=RETRY_S if turn else None)
            while True:
                if track is not None and not track.over:
                    turn[track] = None
                track = self._bell.get_nowait()
        return turn

    def _turn(self, turn: Collection[Track]) -> None:
        self._for_each(turn, self._hear)
        # Behind the features of all, for those let go of the interpreter: an executor that the first window woke would
        # run it alone.
        self._for_each(turn, Track.submit)
        ready: dict[Decoder, list[Track]] = defaultdict(list)
        for track in turn:
            if track.frames is not None and not track.over:
                ready[track.decoder].append(track)
        for decoder, tracks in ready.items():
            self._step(decoder, tracks)
        self._for_each(turn, self._tell)
        self._stalled = [track for track in turn if track.stalls and not track.over]

    def _for_each(self, turn: Collection[Track], do: Callable[[Track], None]) -> None:
        for track in turn:
            if not track.over:
                try:
                    do(track)
                except Exception as error:  # noqa: BLE001 - networks and files are foreign: the thread lives on
                    self._lose(track, error)

    def _hear(self, track: Track) -> None:
        if track.cancelled:
            self._leave(track)
        else:
            track.hear()

    def _step(self, decoder: Decoder, tracks: Sequence[Track]) -> None:
        """Move a decoder on for all; if that fails, for one after the other, so that only the culprits are lost."""
        try:
            decoder.step(
                [(track.state, track.frames) for track in tracks if track.frames is not None]
            )
        except Exception as error:  # noqa: BLE001 - as in ``_for_each``
            if len(tracks) > 1 and not isinstance(error, NOT_THE_STREAMS):
                for track in tracks:
                    self._step(decoder, [track])
                return
            for track in tracks:
                self._lose(track, error)

    def _tell(self, track: Track) -> None:
        """Tell the caller what is new, or the result."""
        if track.stalls > MOST_STALLS:
            raise OverloadError(
                f"the engine had no room for {self._name} for {MOST_STALLS * RETRY_S:.0f} s; try again later",
                retry_after_ms=1000,
            )
        if track.complete:
            track.decoder.finish([track.state])
            track.end(self._wording)
            self._leave(track)
        else:
            track.tell(self._wording)

    def _lose(self, track: Track, error: Exception) -> None:
        if not isinstance(error, GaplessError):
            log.error("an utterance was lost", model=self._name, exc_info=error)
        if not track.over:
            track.lose(_as_gapless(self._name, error))
            self._leave(track)

    def _leave(self, track: Track) -> None:
        """An utterance is over."""
        track.close()
        with self._lock:
            self._open -= 1


def _as_gapless(name: str, error: Exception) -> GaplessError:
    if isinstance(error, GaplessError):
        return error
    failure = ModelError(f"the model {name} failed: {error!r}; see its documentation")
    failure.__cause__ = error
    return failure
