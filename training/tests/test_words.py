"""What is said in training and in the test, and how it becomes labels."""

from __future__ import annotations

import random

from commands_en import speech, words
from commands_en.generate import labels_of


def test_the_sets_of_words_do_not_overlap() -> None:
    vocabulary, reject, unseen = map(set, (words.VOCABULARY, words.REJECT, words.REJECT_OF_TEST))
    assert len(vocabulary) == len(words.VOCABULARY)
    assert not vocabulary & reject
    assert not vocabulary & unseen
    assert not reject & unseen


def test_sentences_are_made_of_the_vocabulary_only() -> None:
    rng = random.Random(1)
    said = {word for _ in range(3000) for word in words.sentence(rng)}
    assert said <= set(words.VOCABULARY)
    assert "to" in said


def test_no_family_of_voices_is_in_two_sets() -> None:
    families = [
        {speech.family(voice) for voice in voices}
        for voices in (speech.TRAINING_VOICES, speech.VALIDATION_VOICES, speech.TEST_VOICES)
    ]
    assert not families[0] & families[1]
    assert not families[0] & families[2]
    assert not families[1] & families[2]
    assert not set(speech.SPEEDS) & set(speech.UNSEEN_SPEEDS)


def test_a_run_of_reject_words_is_one_label_that_spans_them_all() -> None:
    labels, spans = labels_of(
        ["call", "donkey", "puzzle", "two"], [(0, 200), (200, 500), (500, 900), (1000, 1300)]
    )
    assert [words.TOKENS[label] for label in labels] == ["call", "<unk>", "two"]
    assert spans == [(0, 200), (200, 900), (1000, 1300)]
