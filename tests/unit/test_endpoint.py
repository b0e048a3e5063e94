from __future__ import annotations

import pytest

from gapless.errors import ConfigError
from gapless.listen.endpoint import Endpointer, EndpointOptions
from gapless.listen.recogniser.contract import Hypothesis

OPTIONS = EndpointOptions(silence_ms=2000, after_words_ms=800, most_ms=10_000)


def test_silence_ends_an_utterance_in_which_nothing_was_said() -> None:
    endpointer = Endpointer(OPTIONS)

    assert endpointer.ended(1999) is None
    assert endpointer.ended(2000) == "nothing_said"


def test_a_shorter_silence_ends_one_behind_its_words() -> None:
    endpointer = Endpointer(OPTIONS)
    endpointer.understand(Hypothesis("turn it on"), 1500)

    assert endpointer.ended(2299) is None
    assert endpointer.ended(2300) == "said"


def test_silence_that_a_hypothesis_knows_of_counts() -> None:
    endpointer = Endpointer(OPTIONS)
    endpointer.understand(Hypothesis("on", silent_ms=300), 1500)

    assert endpointer.ended(1999) is None
    assert endpointer.ended(2000) == "said"


def test_a_word_that_is_heard_without_a_text_begins_the_silence_anew() -> None:
    endpointer = Endpointer(OPTIONS)
    endpointer.understand(Hypothesis("", silent_ms=40), 1540)

    assert endpointer.ended(3499) is None
    assert endpointer.ended(3500) == "nothing_said"


def test_no_utterance_is_longer_than_the_longest() -> None:
    endpointer = Endpointer(OPTIONS)
    endpointer.understand(Hypothesis("and so on and so on"), 9999)

    assert endpointer.ended(9999) is None
    assert endpointer.ended(10_000) == "too_long"


def test_the_answer_does_not_depend_on_how_often_it_is_asked() -> None:
    often, once = Endpointer(OPTIONS), Endpointer(OPTIONS)

    answers = [often.ended(heard_ms) for heard_ms in range(0, 2001, 40)]

    assert answers[-1] == once.ended(2000) == "nothing_said"
    assert set(answers[:-1]) == {None}


@pytest.mark.parametrize("name", ["silence_ms", "after_words_ms", "most_ms"])
def test_0_leaves_a_rule_out(name: str) -> None:
    options = EndpointOptions(**{"silence_ms": 0, "after_words_ms": 0, "most_ms": 0, name: 1000})
    quiet, spoken = Endpointer(options), Endpointer(options)
    spoken.understand(Hypothesis("yes"), 0)

    answers = {quiet.ended(3_600_000), spoken.ended(3_600_000)}

    expected = {"silence_ms": "nothing_said", "after_words_ms": "said", "most_ms": "too_long"}
    assert answers - {None} == {expected[name]}


def test_a_time_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="silence_ms is -1; give 0 to"):
        EndpointOptions(silence_ms=-1)
