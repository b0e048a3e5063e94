from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from gapless.listen.recogniser.guards import (
    OF_WHOLE_TEXTS,
    OF_WORDS,
    STOCK_PHRASES,
    Evidence,
    Guards,
    fold,
    is_confident,
    is_loop,
    judge,
)
from gapless.settings import GUARDS, GuardName


def evidence(
    text: str = "well then",
    *,
    logprob: float = -0.7,
    no_speech: float = 0.1,
    compression: float = 1.0,
    seconds: float = 2.0,
) -> Evidence:
    return Evidence(
        text=text,
        start_ms=0,
        end_ms=round(seconds * 1000),
        avg_logprob=logprob,
        no_speech_prob=no_speech,
        compression_ratio=compression,
    )


LOOP = "thank you " * 6


@pytest.mark.parametrize(
    ("heard", "speech_ms", "guard"),
    [
        (evidence(logprob=-1.2, no_speech=0.7), None, "no_speech"),
        (evidence(logprob=-0.9, no_speech=0.7), None, None),
        (evidence(logprob=-1.2, no_speech=0.5), None, None),
        (evidence(), 32, "no_voice"),
        (evidence(), 200, None),
        (evidence(), None, None),
        (evidence(LOOP), None, "repetition"),
        (evidence(LOOP, logprob=-0.1), 400, "repetition"),
        (evidence(LOOP, logprob=-0.1), 1800, None),
        (evidence(compression=2.5, logprob=-0.1), 500, "repetition"),
        (evidence("Thank you."), 500, "stock_phrase"),
        (evidence("Thank you."), 1500, None),
        (evidence("Thank you."), None, None),
        (evidence("Thank you.", logprob=-0.2), 500, None),
        (evidence("Thank you, Anna."), 500, None),
        (evidence("Vielen Dank fürs Zuschauen!"), 500, "stock_phrase"),
        (evidence("ご視聴ありがとうございました"), 500, "stock_phrase"),
        (evidence(logprob=-1.2), 800, "unlikely"),
        (evidence(logprob=-1.2), 1500, None),
        (evidence(logprob=-1.2), None, None),
        (evidence(logprob=-0.2), 0, None),
        (evidence(logprob=-0.2, no_speech=0.9), 0, "no_voice"),
        (evidence("", logprob=-3.0, no_speech=1.0), 0, None),
        (evidence("word " * 30, logprob=-0.1), 0, "no_voice"),
    ],
)
def test_each_guard_fires_on_its_own_evidence(
    heard: Evidence, speech_ms: int | None, guard: GuardName | None
) -> None:
    assert judge(heard, lambda _start, _end: speech_ms) == guard


@pytest.mark.parametrize("name", OF_WHOLE_TEXTS)
def test_a_guard_that_is_off_stays_silent(name: GuardName) -> None:
    caught = {
        "no_speech": (evidence(logprob=-1.2, no_speech=0.7), None),
        "no_voice": (evidence(), 0),
        "repetition": (evidence(LOOP), None),
        "stock_phrase": (evidence("Thank you."), 500),
        "unlikely": (evidence(logprob=-1.2), 800),
    }
    heard, speech_ms = caught[name]

    assert judge(heard, lambda *_: speech_ms, [name]) == name
    assert judge(heard, lambda *_: speech_ms, set(GUARDS) - {name}) != name
    assert judge(heard, lambda *_: speech_ms, ()) is None


def test_the_voice_detector_is_not_asked_about_confident_text() -> None:
    def never(_start_ms: int, _end_ms: int) -> int | None:
        raise AssertionError

    assert judge(evidence(logprob=-0.1), never) is None


def test_the_voice_detector_is_asked_about_the_stretch_that_the_text_stands_for() -> None:
    asked: list[tuple[int, int]] = []

    def listen(start_ms: int, end_ms: int) -> int | None:
        asked.append((start_ms, end_ms))
        return None

    judge(evidence(seconds=3.0), listen)

    assert asked == [(0, 3000)]


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("no no no no", False),
        ("no no no no no no no no", True),
        ("Thank you, Mr. President, " * 4, True),
        ("and then she said " + "never again " * 6, True),
        ("one two three four five six seven eight", False),
        ("the more the more the merrier he said to us all", False),
        ("", False),
    ],
)
def test_a_loop_is_mostly_the_same_words_again_and_again(text: str, *, loop: bool) -> None:
    assert is_loop(evidence(text)) == loop


def test_more_text_than_anybody_can_say_is_suspect() -> None:
    assert is_confident(evidence("twelve words " * 3, logprob=-0.1, seconds=2.0))
    assert not is_confident(evidence("twelve words " * 10, logprob=-0.1, seconds=2.0))


def test_stock_phrases_are_written_as_texts_are_folded() -> None:
    assert {fold(phrase) for phrase in STOCK_PHRASES} == STOCK_PHRASES
    assert fold(" Thanks,  for WATCHING! ") == "thanks for watching"


def test_what_is_dropped_is_counted_under_its_guard() -> None:
    guards = Guards({"no_speech", "repetition"})
    with ThreadPoolExecutor(4) as pool:
        dropped = list(pool.map(guards.drops, [evidence(LOOP), evidence()] * 20, timeout=20))

    assert dropped == [True, False] * 20
    assert guards.drops(evidence(logprob=-1.2, no_speech=0.7))
    assert guards.counts() == {"no_speech": 1, "repetition": 20}


def test_all_guards_are_on_unless_the_settings_say_otherwise() -> None:
    assert {*Guards().counts(), *Guards(concerned=OF_WORDS).counts()} == set(get_args(GuardName))
