"""Hold a recogniser to ``gapless.listen.recogniser.contract``: one suite for every recogniser there is.

In: a recogniser with exactly one place, which is free, and speech. Out: nothing, or an ``AssertionError``
that says what is broken. Every check leaves the recogniser with its place free, so they run in any
order on one that was loaded once. Invariants: samples are overwritten after each call, so that a
recogniser that keeps a view of its input is found out. Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from itertools import pairwise
from threading import Event
from typing import Final, Self, TypeAlias, final

import msgspec
import numpy as np

from gapless.audio.types import LISTEN_RATE_HZ, Samples, samples_to_ms
from gapless.errors import ModelError, OverloadError
from gapless.listen.recogniser.contract import (
    Hypothesis,
    RecogniseOptions,
    Recogniser,
    Recognition,
    Result,
)

MOST_WAITING: Final = 10_000
"""A queue that takes more than this is held to be without bound."""

GARBAGE: Final = np.float32(0.77)

PATIENCE_S: Final = 30.0
"""A recogniser that says nothing for so long has forgotten its utterance."""


class Heard(msgspec.Struct, frozen=True):
    """What one utterance gave."""

    result: Result
    hypotheses: tuple[Hypothesis, ...]


class Subject(msgspec.Struct, frozen=True):
    """A recogniser with one place, a few seconds of speech, and what it heard in them at first."""

    recogniser: Recogniser
    speech: Samples
    """16 kHz. Two phrases with a short pause between show more than one."""
    heard: Heard

    @classmethod
    def of(cls, recogniser: Recogniser, speech: Samples) -> Self:
        """Let the recogniser hear the speech once."""
        return cls(recogniser, speech, recognise(recogniser, speech))


Check: TypeAlias = Callable[[Subject], None]


def recognise(
    recogniser: Recogniser,
    samples: Samples,
    *,
    block: int = 1600,
    options: RecogniseOptions = RecogniseOptions(),  # noqa: B008  (immutable)
) -> Heard:
    """Recognise one utterance in blocks of ``block`` samples; a place must be free."""
    utterance = Utterance(recogniser, options)
    hypotheses = utterance.feed(samples, block)
    return Heard(utterance.finish(), tuple(hypotheses))


@final
class Utterance:
    """An utterance whose news are waited for; it has a place at once or not at all."""

    def __init__(
        self,
        recogniser: Recogniser,
        options: RecogniseOptions = RecogniseOptions(),  # noqa: B008  (immutable)
    ) -> None:
        self._news = Event()
        self.recognition: Final = recogniser.open(options, self._news.set).result(timeout=0)

    def feed(self, samples: Samples, block: int = 1600) -> list[Hypothesis]:
        """Have the samples recognised; return what was understood on the way."""
        hypotheses: list[Hypothesis] = []
        for start in range(0, len(samples), block):
            piece = samples[start : start + block].copy()
            self.recognition.accept(piece)
            piece[:] = GARBAGE
            while True:
                pending = self.recognition.pending_samples
                news = self.recognition.poll()
                if isinstance(news, Hypothesis):
                    hypotheses.append(news)
                if not pending:
                    break
                self._wait()
        return hypotheses

    def finish(self) -> Result:
        """End it and wait for its result."""
        self.recognition.finish()
        while not isinstance(news := self.recognition.poll(), Result):
            if news is None:
                self._wait()
        return news

    def _wait(self) -> None:
        _require(self._news.wait(PATIENCE_S), "news were due, and nobody was woken")
        self._news.clear()


def check_split(subject: Subject) -> None:
    """The result does not depend on how the samples were split, nor does the last partial."""
    _require(subject.heard.result.text != "", "speech gave no text")
    split = recognise(subject.recogniser, subject.speech, block=777)
    _require(
        split.result == subject.heard.result,
        f"another split gave {split.result}, not {subject.heard.result}",
    )
    _require(
        split.hypotheses[-1:] == subject.heard.hypotheses[-1:],
        "another split ended with another partial",
    )


def check_memory(subject: Subject) -> None:
    """What was heard before leaves no trace, whether it was finished or cancelled."""
    recogniser, speech = subject.recogniser, subject.speech
    noise = np.random.default_rng(1).normal(0.0, 0.3, LISTEN_RATE_HZ // 2).astype(np.float32)
    recognise(recogniser, noise)
    again = recognise(recogniser, speech)
    _require(again.result == subject.heard.result, "noise before changed the result")
    cancelled = Utterance(recogniser)
    cancelled.feed(-0.2 * speech[:LISTEN_RATE_HZ])
    cancelled.recognition.cancel()
    again = recognise(recogniser, speech)
    _require(again.result == subject.heard.result, "a cancelled utterance changed the result")


def check_silence(subject: Subject) -> None:
    """Silence gives no text, and neither does nothing at all."""
    faint = np.random.default_rng(2).normal(0.0, 1e-5, 2 * LISTEN_RATE_HZ).astype(np.float32)
    for name, samples in (
        ("silence", np.zeros(2 * LISTEN_RATE_HZ, np.float32)),
        ("noise at -100 dBFS", faint),
        ("100 samples", np.zeros(100, np.float32)),
        ("one sample", np.zeros(1, np.float32)),
        ("no sample", np.zeros(0, np.float32)),
    ):
        result = recognise(subject.recogniser, samples).result
        _require(not result.text and not result.words, f"{name} gave {result}")
    unheard = Utterance(subject.recogniser)
    _require(not unheard.finish().text, "an utterance that was never fed gave text")


def check_odd_samples(subject: Subject) -> None:
    """Samples that are no sound at all are survived, with words inside the utterance."""
    chance = np.random.default_rng(3)
    n_samples = LISTEN_RATE_HZ // 2
    loud = (chance.normal(0.0, 1.0, n_samples) * 1e30).astype(np.float32)
    for samples in (
        np.full(n_samples, np.nan, np.float32),
        np.full(n_samples, np.inf, np.float32),
        np.full(n_samples, -np.inf, np.float32),
        np.full(n_samples, 1e-42, np.float32),
        loud,
    ):
        _check_words(recognise(subject.recogniser, samples).result, n_samples)


def check_promise(subject: Subject) -> None:
    """What is called stable begins every later text; a recogniser that answers once says nothing."""
    heard = subject.heard
    if subject.recogniser.info.kind == "whole":
        _require(heard.hypotheses == (), "a recogniser of whole utterances gave a partial")
        return
    _require(len(heard.hypotheses) > 1, "a streaming recogniser gave no partials on the way")
    texts = [*(h.text for h in heard.hypotheses), heard.result.text]
    for number, hypothesis in enumerate(heard.hypotheses):
        promised = hypothesis.text[: hypothesis.stable_chars]
        _require(len(promised) == hypothesis.stable_chars, f"{hypothesis} promises too much")
        for later in texts[number + 1 :]:
            _require(later.startswith(promised), f"{promised!r} was stable, then came {later!r}")
    _require(
        all(before != after for before, after in pairwise(heard.hypotheses)),
        "a hypothesis that had not changed was returned again",
    )


def check_words(subject: Subject) -> None:
    """Words are in order and inside the utterance; confidences are probabilities."""
    result = subject.heard.result
    _check_words(result, len(subject.speech))
    announced = subject.recogniser.info.word_times
    _require(bool(result.words) == announced, "words and info.word_times disagree")
    _require(result.confidence is None or 0 <= result.confidence <= 1, f"{result.confidence=}")


def check_options(subject: Subject) -> None:
    """Words and partials can be switched off, which leaves the text as it is."""
    options = RecogniseOptions(words=False, partials=False)
    plain = recognise(subject.recogniser, subject.speech, options=options)
    _require(plain.result.words == (), "words were switched off and came")
    _require(plain.hypotheses == (), "partials were switched off and came")
    _require(plain.result.text == subject.heard.result.text, "the text changed")


def check_places(subject: Subject) -> None:
    """Places are given first come, first served; who leaves costs nobody anything."""
    recogniser = subject.recogniser
    first = recogniser.open(RecogniseOptions(), _ignore).result(timeout=0)
    second, gone, third = (recogniser.open(RecogniseOptions(), _ignore) for _ in range(3))
    _require(not second.done(), "two had the only place")
    _require(gone.cancel(), "one who waits could not leave")
    first.finish()
    first.cancel()
    _require(second.done() and not third.done(), "the place did not go to the first who waited")
    second.result(timeout=0).cancel()
    _require(third.done(), "a cancelled utterance did not give its place back")
    third.result(timeout=0).cancel()
    recogniser.open(RecogniseOptions(), _ignore).result(timeout=0).cancel()


def check_bound(subject: Subject) -> None:
    """The queue for places has a bound, and says when to come back."""
    recogniser = subject.recogniser
    first = recogniser.open(RecogniseOptions(), _ignore).result(timeout=0)
    waiting: list[Future[Recognition]] = []
    try:
        while len(waiting) < MOST_WAITING:
            waiting.append(recogniser.open(RecogniseOptions(), _ignore))
    except OverloadError as error:
        _require(error.retry_after_ms is not None, "overload without a time to come back")
    finally:
        for future in waiting:
            future.cancel()
        first.cancel()
    _require(len(waiting) < MOST_WAITING, "the queue has no bound")


def check_end(subject: Subject) -> None:
    """What is over is over: no more samples, no second result; to cancel is harmless."""
    recogniser = subject.recogniser
    recognition = recogniser.open(RecogniseOptions(), _ignore).result(timeout=0)
    recognition.finish()
    recognition.cancel()
    uses: tuple[Callable[[], None], ...] = (
        lambda: recognition.accept(subject.speech[:1600]),
        recognition.finish,
    )
    for use in uses:
        try:
            use()
        except ModelError:
            continue
        raise AssertionError("an utterance that was over could still be used")


def check_close(recogniser: Recogniser, speech: Samples) -> None:
    """Closing cancels who waits and refuses who comes; what is open still ends. It is the last check."""
    is_open = Utterance(recogniser)
    waiting = recogniser.open(RecogniseOptions(), _ignore)
    recogniser.close()
    recogniser.close()
    _require(waiting.cancelled(), "one who waited was left waiting")
    try:
        recogniser.open(RecogniseOptions(), _ignore)
    except ModelError:
        pass
    else:
        raise AssertionError("a closed recogniser gave out a place")
    is_open.feed(speech)
    _require(is_open.finish().text != "", "an utterance that was open at the close gave no text")


CHECKS: Final[tuple[Check, ...]] = (
    check_split,
    check_memory,
    check_silence,
    check_odd_samples,
    check_promise,
    check_words,
    check_options,
    check_places,
    check_bound,
    check_end,
)
"""All but ``check_close``, which needs a recogniser of its own."""


def _ignore() -> None:
    """For utterances whose news nobody waits for."""


def _check_words(result: Result, n_samples: int) -> None:
    times = [time for word in result.words for time in (word.start_ms, word.end_ms)]
    _require(times == sorted(times), f"words out of order: {result.words}")
    _require(_within(times, samples_to_ms(n_samples, LISTEN_RATE_HZ)), f"{result.words}")
    _require(all(word.text.strip() for word in result.words), "a word without letters")
    confidences = [word.confidence for word in result.words if word.confidence is not None]
    _require(all(0 <= c <= 1 for c in confidences), f"confidences {confidences}")


def _within(times_ms: Iterable[int], end_ms: int) -> bool:
    return all(0 <= time_ms <= end_ms for time_ms in times_ms)


def _require(condition: bool, message: str) -> None:  # noqa: FBT001  (reads as an assertion)
    if not condition:
        raise AssertionError(message)
