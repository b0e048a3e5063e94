"""The scripted recogniser, on which the tests of others stand."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from gapless.audio.types import Samples
from gapless.errors import ModelError
from gapless.listen.recogniser.contract import Hypothesis, RecogniseOptions
from gapless.testing.recogniser import Failure, ScriptedRecogniser
from gapless.testing.recogniser_contract import recognise

BROKEN = ModelError("it broke; try again")


def sound(ms: int) -> Samples:
    return np.full(ms * 16, 0.1, np.float32)


def silence(ms: int) -> Samples:
    return np.zeros(ms * 16, np.float32)


def test_each_quarter_of_a_second_of_sound_is_the_next_word() -> None:
    samples = np.concatenate([silence(100), sound(300), silence(100), sound(240)])
    result = recognise(ScriptedRecogniser("here we go"), samples).result

    assert [(w.text, w.start_ms, w.end_ms) for w in result.words] == [
        ("here", 100, 350),
        ("we", 350, 700),
    ]
    assert result.text == "here we"


def test_the_script_is_said_over_again() -> None:
    assert recognise(ScriptedRecogniser("a b"), sound(1250)).result.text == "a b a b a"


def test_a_word_is_settled_when_the_next_appears() -> None:
    heard = recognise(ScriptedRecogniser("here we go"), sound(750), block=4000)

    assert heard.hypotheses == (
        Hypothesis("here", 0),
        Hypothesis("here we", 5),
        Hypothesis("here we go", 8),
    )


def test_options_are_on_record() -> None:
    recogniser = ScriptedRecogniser()
    options = RecogniseOptions(language="de", hotwords=("gap",))

    assert recognise(recogniser, sound(250), options=options).result.language == "de"
    assert list(recogniser.opened) == [options]


@pytest.mark.parametrize("at", ["open", "accept", "finish"])
def test_it_fails_when_told_and_keeps_no_place(at: Literal["open", "accept", "finish"]) -> None:
    recogniser = ScriptedRecogniser(places=1)
    recogniser.failure = Failure(at, BROKEN)

    def use() -> None:
        recognition = recogniser.open(RecogniseOptions(), lambda: None).result(timeout=0)
        try:
            recognition.accept(sound(10))
            recognition.finish()
        finally:
            recognition.cancel()

    with pytest.raises(ModelError, match="it broke"):
        use()
    recogniser.failure = None

    assert recogniser.stats().busy == 0
    assert recognise(recogniser, sound(250)).result.text == "one"
