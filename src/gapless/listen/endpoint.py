"""When an utterance is over, told from what was understood rather than from the loudness of the sound.

In: hypotheses of one utterance, and how far it was heard. Out: the rule that ends it, once one does. Invariants: the
answer does not depend on how often it is asked; time without a new hypothesis is silence. A plain state machine.
Thread: one at a time.

The usual three rules of streaming recognisers (Kaldi's ``OnlineEndpointConfig``, and sherpa's after it): long silence
before anything was said, shorter silence after words, and a length that no utterance may exceed.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, final

import msgspec

from gapless.errors import ConfigError
from gapless.listen.recogniser.contract import Hypothesis

Rule: TypeAlias = Literal["nothing_said", "said", "too_long"]
"""``nothing_said``: silence, and no word before it; ``said``: silence behind words; ``too_long``."""

LONGEST_MS: Final = 3_600_000


class EndpointOptions(msgspec.Struct, frozen=True, kw_only=True):
    """When an utterance is over.

    Raises:
        ConfigError: a time is out of range.
    """

    silence_ms: int = 2400
    """Silence that ends an utterance in which nothing was said; 0: never."""
    after_words_ms: int = 1200
    """Silence that ends an utterance behind its words; 0: never."""
    most_ms: int = 20_000
    """Longest utterance; 0: any."""

    def __post_init__(self) -> None:
        """Refuse what is no time."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 <= value <= LONGEST_MS:
                raise ConfigError(
                    f"{name} is {value}; give 0 to {LONGEST_MS} ms, 0 to leave the rule out",
                    param=name,
                )


@final
class Endpointer:
    """Follows one utterance.

    Args:
        options: when it is over.
    """

    def __init__(self, options: EndpointOptions | None = None) -> None:
        self._options = options or EndpointOptions()
        self._said = False
        self._quiet_since_ms = 0
        """Where in the utterance the last thing was heard."""

    def understand(self, hypothesis: Hypothesis, heard_ms: int) -> None:
        """A hypothesis that is another than the last one.

        Args:
            hypothesis: what has been understood.
            heard_ms: length of the utterance up to the last sample that is behind it.
        """
        self._said = bool(hypothesis.text)
        self._quiet_since_ms = max(heard_ms - hypothesis.silent_ms, 0)

    def ended(self, heard_ms: int) -> Rule | None:
        """The rule that ends the utterance, if nothing else was understood up to ``heard_ms``.

        Args:
            heard_ms: length of the utterance up to the last sample that was recognised.
        """
        options = self._options
        quiet_ms = heard_ms - self._quiet_since_ms
        if 0 < options.most_ms <= heard_ms:
            return "too_long"
        if self._said:
            return "said" if 0 < options.after_words_ms <= quiet_ms else None
        return "nothing_said" if 0 < options.silence_ms <= quiet_ms else None
