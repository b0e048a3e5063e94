"""One utterance as the hub sees it: what it has to be fed, where its decoder is, what its caller was told last.

In: what the caller put into the utterance's inbox, and the engine's answers. Out: frames for the decoder; then news.
Invariants: the caller is told of a hypothesis only where it differs from the last one, and of nothing after the result.
Thread: the hub's, but for ``ring``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import msgspec
import numpy as np

from gapless.errors import GaplessError
from gapless.listen.recogniser.contract import Hypothesis
from gapless.listen.recogniser.decode.contract import Decoder, DecodeState, Emission, Frames
from gapless.listen.recogniser.streaming.encoder import Encoder
from gapless.listen.recogniser.streaming.utterance import Utterance
from gapless.listen.recogniser.streaming.wording import Wording


@final
class Track:
    """See the module's head.

    Args:
        utterance: what its caller has.
        encoder: of the recogniser.
        decoder: decodes it.
        state: where that is.
        bell: tells the hub that the track has something new.
    """

    def __init__(
        self,
        utterance: Utterance,
        encoder: Encoder,
        decoder: Decoder,
        state: DecodeState,
        bell: Callable[[Track], None],
    ) -> None:
        self.decoder = decoder
        self.state = state
        self.frames: Frames | None = None
        """What is new for the decoder."""
        self.over = False
        """Nothing more will be told."""
        self.stalls = 0
        """How often in a row it found no room in the engine."""
        self._utterance = utterance
        self._bell = bell
        self._rung = False
        options = utterance.options
        self._feed = encoder.open(
            self.ring, bulk=options.bulk, alone=options.alone, record=options.record
        )
        self._emissions: tuple[Emission, ...] = ()
        self._told = Hypothesis("")
        self._told_frames = 0

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants to know any more."""
        return self._utterance.cancelled

    def ring(self) -> None:
        """There is something new; from any thread."""
        if not self._rung:
            self._rung = True
            self._bell(self)

    def hear(self) -> None:
        """Take what is new, from the caller and from the engine, and make windows and frames of it.

        Raises:
            GaplessError: the utterance is lost.
        """
        # In this order, nothing is missed: what comes behind the first line rings again, and who has said that all of
        # it came put it into the inbox before.
        self._rung = False
        finished = self._utterance.finished
        inbox = self._utterance.inbox
        while inbox:
            self._feed.accept(inbox.popleft())
        if finished:
            self._feed.finish()
        taken = self._feed.take()
        self.frames = np.concatenate(taken) if len(taken) > 1 else taken[0] if taken else None
        self._feed.prepare()

    def submit(self) -> None:
        """Bring the windows on their way, as far as the engine has room.

        Raises:
            GaplessError: the utterance is lost.
        """
        self.stalls = 0 if self._feed.submit() else self.stalls + 1

    @property
    def complete(self) -> bool:
        """Whether the decoder has had all of the utterance."""
        return self._feed.over

    def tell(self, wording: Wording) -> None:
        """Tell the caller how far it is, and of the hypothesis if that is another one."""
        news = None
        if self._utterance.options.partials and self.state.n_frames != self._told_frames:
            news = self._changed(wording)
        self._utterance.answer(self._feed.heard, news)

    def _changed(self, wording: Wording) -> Hypothesis | None:
        """The hypothesis, if it is not what the caller was told last."""
        self._told_frames = self.state.n_frames
        emissions = self.state.paths()[0].emissions
        if emissions == self._emissions:
            silent_ms = wording.silent_ms(emissions, self._told_frames)
            hypothesis = msgspec.structs.replace(self._told, silent_ms=silent_ms)
        else:
            self._emissions = emissions
            hypothesis = wording.hypothesis(self.state, emissions)
        if hypothesis == self._told:
            return None
        self._told = hypothesis
        return hypothesis

    def end(self, wording: Wording) -> None:
        """Tell the caller the result; the decoder was finished."""
        n_samples = self._utterance.accepted
        result = wording.result(self.state, self._utterance.options, n_samples)
        self.close()
        self._utterance.answer(n_samples, result)

    def lose(self, error: GaplessError) -> None:
        """Tell the caller that the utterance is lost."""
        self.close()
        self._utterance.answer(self._feed.heard, error)

    def close(self) -> None:
        """Give back what it holds. Idempotent."""
        self.over = True
        self._feed.close()
