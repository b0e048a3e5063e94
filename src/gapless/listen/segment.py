"""Where speech begins and ends: hysteresis over speech probabilities, as a plain state machine.

In: one probability per window of ``WINDOW_SAMPLES`` at 16 kHz. Out: spans of samples to be recognised.
Invariants: spans do not overlap and come in order; a span is ``Open`` once, ``Extend``-ed to growing positions, and
``Shut`` once; the same probabilities in any split give the same actions, up to where extensions are cut.
Thread: its listener's.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.audio.types import LISTEN_RATE_HZ, ms_to_samples

WINDOW_SAMPLES: Final = 512
"""Samples behind one probability (Silero's window at 16 kHz)."""

RELEASE: Final = 0.15
"""How far below the threshold a window must fall to count as silence (Silero's own hysteresis)."""


class SegmentOptions(msgspec.Struct, frozen=True):
    """When speech begins, ends and is split. See the settings of the same names."""

    threshold: float = 0.5
    speech_min_ms: int = 160
    endpointing_ms: int = 500
    padding_ms: int = 300
    max_utterance_ms: int = 30_000


class Open(msgspec.Struct, frozen=True):
    """Speech begins at this sample, padding included."""

    start: int


class Extend(msgspec.Struct, frozen=True):
    """The samples up to ``end`` belong to the open span."""

    end: int


class Shut(msgspec.Struct, frozen=True):
    """The open span is over at this sample, padding included."""

    end: int


SegmentAction: TypeAlias = Open | Extend | Shut


class Segmenter:
    """Turns speech probabilities into spans of samples."""

    def __init__(self, options: SegmentOptions, start: int = 0) -> None:
        self._threshold = options.threshold
        self._release = max(options.threshold - RELEASE, 0.01)
        self._min_samples = ms_to_samples(options.speech_min_ms, LISTEN_RATE_HZ)
        self._silence_samples = ms_to_samples(options.endpointing_ms, LISTEN_RATE_HZ)
        self._padding = ms_to_samples(options.padding_ms, LISTEN_RATE_HZ)
        self._max_samples = ms_to_samples(options.max_utterance_ms, LISTEN_RATE_HZ)
        self._position = start
        """Samples judged so far."""
        self._loud_from: int | None = None
        """Where the current run of speech windows began, while it is still too short to count."""
        self._open_from: int | None = None
        self._speech_end = start
        """End of the last speech window."""
        self._floor = start
        """End of the span before: padding may not reach behind it."""

    @property
    def lookback_samples(self) -> int:
        """How far behind the judged position a new span may begin, at most."""
        return self._min_samples + WINDOW_SAMPLES + self._padding

    @property
    def keep_from(self) -> int:
        """No coming action needs samples before this position."""
        if self._open_from is not None:
            return min(self._speech_end, self._position)
        return max(self._position - self.lookback_samples, self._floor, 0)

    def process(self, probabilities: npt.NDArray[np.float32]) -> list[SegmentAction]:
        """Judge the next windows."""
        actions: list[SegmentAction] = []
        for probability in probabilities.tolist():
            self._judge(probability, actions)
        return actions

    def cut(self) -> list[SegmentAction]:
        """Nothing is being said, whatever the probabilities are: shut what is open."""
        actions: list[SegmentAction] = []
        if self._open_from is not None:
            self._shut(min(self._speech_end + self._padding, self._position), actions)
        return actions

    def flush(self, end: int) -> list[SegmentAction]:
        """Everything up to sample ``end`` has been heard: shut what is open. The next window begins at ``end``.

        A sound that is still too short to count as speech is not lost: if it goes on, its span begins where it did.
        """
        actions: list[SegmentAction] = []
        if self._open_from is not None:
            self._shut(min(self._speech_end + self._padding, end), actions)
        self._position = end
        return actions

    def _judge(self, probability: float, actions: list[SegmentAction]) -> None:
        start = self._position
        self._position = end = start + WINDOW_SAMPLES
        loud = probability >= (self._threshold if self._open_from is None else self._release)
        if self._open_from is None:
            if not loud:
                self._loud_from = None
                return
            if self._loud_from is None:
                self._loud_from = start
            self._speech_end = end
            if end - self._loud_from < self._min_samples:
                return
            self._open(self._loud_from, actions)
            self._loud_from = None
            actions.append(Extend(end))
        elif loud:
            self._speech_end = end
            actions.append(Extend(end))
        else:
            # Silence up to the padding belongs to the span whatever follows; what lies behind is held back until
            # speech goes on, so that a recogniser hears the same samples whether or not the pause ends the span.
            padded = min(end, self._speech_end + self._padding)
            if padded > start:
                actions.append(Extend(padded))
            if end - self._speech_end >= self._silence_samples:
                self._shut(padded, actions)
                return
        if self._open_from is not None and end - self._open_from >= self._max_samples:
            self._split(end, actions)

    def _open(self, loud_from: int, actions: list[SegmentAction]) -> None:
        self._open_from = max(loud_from - self._padding, self._floor, 0)
        actions.append(Open(self._open_from))

    def _shut(self, end: int, actions: list[SegmentAction]) -> None:
        actions.append(Shut(end))
        self._floor = end
        self._open_from = None

    def _split(self, at: int, actions: list[SegmentAction]) -> None:
        silence_follows = self._speech_end < at
        self._shut(min(at, self._speech_end + self._padding), actions)
        if not silence_follows:
            # Nothing is lost at the seam: the next span begins where this one ended.
            self._open(at, actions)
