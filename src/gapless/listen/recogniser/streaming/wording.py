"""What an utterance's caller is told of what was decoded.

In: a decoder's state. Out: hypotheses and the result. Invariants: a hypothesis depends on the state alone, so neither
the split of the sound nor when it was looked at can be told from it. Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gapless.audio.types import LISTEN_RATE_HZ, samples_to_ms
from gapless.listen.recogniser.contract import (
    Alternative,
    Hypothesis,
    RecogniseOptions,
    Result,
)
from gapless.listen.recogniser.decode.contract import DecodeState, Emission
from gapless.listen.recogniser.decode.tokens import Vocabulary
from gapless.listen.recogniser.decode.words import WordOptions, compose, stable_chars
from gapless.listen.recogniser.guards import Guards


class Wording(msgspec.Struct, frozen=True):
    """How a recogniser's tokens become text."""

    vocabulary: Vocabulary
    options: WordOptions
    language: str | None
    """What results say where nobody asked for a language."""
    guards: Guards
    """Count words that are dropped."""

    def silent_ms(self, emissions: tuple[Emission, ...], n_frames: int) -> int:
        """How long no token was heard, up to the last of so many frames."""
        end = emissions[-1].end_frame if emissions else 0
        return int(max(n_frames - end, 0) * self.options.frame_ms)

    def hypothesis(self, state: DecodeState, emissions: tuple[Emission, ...]) -> Hypothesis:
        """What has been understood so far.

        Args:
            state: the decoder's.
            emissions: of its best path.
        """
        return Hypothesis(
            compose(emissions, self.vocabulary, self.options).text,
            stable_chars(emissions, state.n_stable, self.vocabulary, self.options),
            self.silent_ms(emissions, state.n_frames),
        )

    def result(self, state: DecodeState, options: RecogniseOptions, n_samples: int) -> Result:
        """What was understood.

        Args:
            state: the decoder's, finished.
            options: of the utterance.
            n_samples: its length.
        """
        duration_ms = samples_to_ms(n_samples, LISTEN_RATE_HZ)
        best, *others = (path.emissions for path in state.paths(max(options.n_best, 1)))
        spoken = compose(best, self.vocabulary, self.options, duration_ms)
        if spoken.doubtful:
            self.guards.count("low_confidence", spoken.doubtful)
        return Result(
            text=spoken.text,
            words=spoken.words if options.words else (),
            language=options.language or self.language,
            confidence=spoken.confidence,
            avg_logprob=spoken.avg_logprob,
            tokens=tuple(emission.token for emission in best),
            alternatives=self._alternatives(spoken.text, others),
        )

    def _alternatives(
        self, text: str, paths: Iterable[tuple[Emission, ...]]
    ) -> tuple[Alternative, ...]:
        """What the paths say; tokens may differ and the text be the same."""
        found: dict[str, Alternative] = {}
        for emissions in paths:
            spoken = compose(emissions, self.vocabulary, self.options)
            if spoken.text != text:
                found.setdefault(spoken.text, Alternative(spoken.text, spoken.confidence))
        return tuple(found.values())
