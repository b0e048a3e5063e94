"""What changes in the engine that a person should hear of, in plain words.

In: a status now and then. Out: sentences. Invariants: a path is told once it has lasted, so that a few milliseconds of
another one do not fill the screen; what was shorter is told as a count, at most once in ``COUNT_EVERY_MS``. Thread:
one.
"""

from __future__ import annotations

from typing import Final

from gapless.clean.mic.status import MicStatus, SoundPath

LASTING_MS: Final = 1_000
COUNT_EVERY_MS: Final = 10_000

PATH_WORDS: Final[dict[SoundPath, str]] = {
    "full": "the full model",
    "cheaper": "the quick model, the full one is late",
    "dry": "not cleaned, the model is too slow",
    "half-open": "not cleaned, the model is tried again",
}
"""What is heard, by path."""


class EngineNews:
    """Compares each status with what was told before."""

    def __init__(self) -> None:
        self._told: SoundPath = "full"
        self._path: SoundPath = "full"
        self._since_ms = 0
        self._opened = 0
        self._counted_ms: int | None = None
        self._error = ""
        self._invalid = False

    def look(self, status: MicStatus, now_ms: int) -> list[str]:
        """What is new.

        Args:
            status: the engine's.
            now_ms: the time; never goes back.
        """
        news = [*self._path_news(status, now_ms), *self._count_news(status, now_ms)]
        if status.model_error != self._error:
            self._error = status.model_error
            news.append(
                f"the model failed: {self._error}" if self._error else "the model works again"
            )
        if status.invalid_samples and not self._invalid:
            self._invalid = True
            news.append("the device gave samples that are no sound; such samples are repaired")
        return news

    def _path_news(self, status: MicStatus, now_ms: int) -> list[str]:
        # Dry and half-open take turns for as long as the model is too slow: one thing, for people.
        path = "dry" if status.path == "half-open" else status.path
        if path != self._path:
            self._path, self._since_ms = path, now_ms
        if path == self._told or now_ms - self._since_ms < LASTING_MS:
            return []
        self._told = path
        return [f"heard now: {PATH_WORDS[path]}"]

    def _count_news(self, status: MicStatus, now_ms: int) -> list[str]:
        if status.opened < self._opened:  # another engine
            self._opened = 0
        new = status.opened - self._opened
        waited = self._counted_ms is None or now_ms - self._counted_ms >= COUNT_EVERY_MS
        if not new or not waited or self._told == "dry":
            return []
        self._opened, self._counted_ms = status.opened, now_ms
        times = "once" if new == 1 else f"{new} times"
        return [f"the model was late: {times} the sound passed as it is for a moment"]
