"""One utterance as its caller sees it: samples go in, news come out; the hub does the rest.

In: samples and the end, from the caller; hypotheses, the result or an error, from the hub. Out: the same to the other
side. Invariants: samples are copied, and those that wait are bounded; the place is given back once; after ``cancel``
the caller is told nothing more. Thread: the caller's side from one at a time, the hub's side from the hub's.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, final

import numpy as np
import structlog

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.errors import GaplessError, ModelError, OverloadError
from gapless.listen.recogniser.contract import Hypothesis, RecogniseOptions, Result, Wake

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 600 * LISTEN_RATE_HZ
"""Samples that may wait: twice the longest utterance that the settings allow."""

RETRY_AFTER_MS: Final = 1000


@final
class Utterance:
    """A ``Recognition``.

    Args:
        options: how it is to be recognised.
        wake: see ``Recogniser.open``.
        release: gives its place back.
    """

    def __init__(self, options: RecogniseOptions, wake: Wake, release: Callable[[], None]) -> None:
        self.options = options
        self.inbox: deque[Samples] = deque()
        """Samples for the hub, which takes them from the left."""
        self.finished = False
        """Nothing comes behind what is in the inbox."""
        self.cancelled = False
        """Nobody wants to know any more."""
        self.ring: Callable[[], None] = lambda: None
        """Tells the hub to look; it sets this."""
        self._wake = wake
        self._release = release
        self._lock = threading.Lock()
        self._news: Hypothesis | Result | GaplessError | None = None
        """Guarded by the lock."""
        self._phase: Literal["open", "finishing", "over"] = "open"
        self._accepted = 0
        self._heard = 0

    # --- the caller's side --------------------------------------------------------------------------

    @property
    def pending_samples(self) -> int:
        """Samples that the hub has not answered."""
        return 0 if self._phase == "over" else self._accepted - self._heard

    def accept(self, samples: Samples) -> None:
        """Take the next samples.

        Raises:
            ModelError: the utterance is over.
            OverloadError: too many samples wait.
        """
        self._require("open")
        if self.pending_samples + len(samples) > MOST_WAITING:
            raise OverloadError(
                f"{MOST_WAITING // LISTEN_RATE_HZ} s of sound wait to be recognised; wait until some of it has been, "
                "or send shorter utterances",
                retry_after_ms=RETRY_AFTER_MS,
            )
        if len(samples):
            self._accepted += len(samples)
            # A copy, inside of what microphones give: an encoder is not asked what 1e30 sounds like.
            self.inbox.append(np.clip(samples, -1.0, 1.0))
            self.ring()

    def finish(self) -> None:
        """The utterance is over: its result will be polled.

        Raises:
            ModelError: that was said before.
        """
        self._require("open")
        self._phase = "finishing"
        self.finished = True
        self.ring()

    def poll(self) -> Hypothesis | Result | None:
        """What is new; see ``Recognition.poll``. Nothing is, once the utterance is over."""
        if self._phase == "over":
            return None
        with self._lock:
            news, self._news = self._news, None
        if news is None or isinstance(news, Hypothesis):
            return news
        self._leave()
        if isinstance(news, Result):
            return news
        raise news

    def cancel(self) -> None:
        """Forget the utterance and give the place back. Harmless when it is over."""
        if self._phase != "over":
            self.cancelled = True
            self._leave()
            self.ring()

    def _require(self, phase: str) -> None:
        if self._phase != phase:
            raise ModelError("this utterance is over; open another one")

    def _leave(self) -> None:
        self._phase = "over"
        self._release()

    # --- the hub's side -----------------------------------------------------------------------------

    @property
    def accepted(self) -> int:
        """Samples so far."""
        return self._accepted

    def answer(self, heard: int, news: Hypothesis | Result | GaplessError | None) -> None:
        """Tell the caller.

        Args:
            heard: samples that have been answered, from the first.
            news: what is new; it takes the place of what was not polled.
        """
        caught_up = self._heard < heard == self._accepted
        self._heard = heard
        if news is not None:
            with self._lock:
                self._news = news
        if (news is not None or caught_up) and not self.cancelled:
            try:
                self._wake()
            except Exception:
                # It must not, but the loop that it wakes may be gone, and the others are not to suffer from that.
                log.exception("nobody could be woken")
