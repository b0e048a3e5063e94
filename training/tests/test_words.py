"""What is said in training and in the test, and how it becomes labels."""

from __future__ import annotations

import random
from pathlib import Path

from commands_en import invented, speech, words


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


def test_the_dictionary_has_no_form_of_a_word_that_must_be_known_or_is_kept_for_the_test() -> None:
    found = set(words.dictionary())
    assert len(found) > 50_000
    assert "umbrella" in found
    kept = {*words.VOCABULARY, *words.REJECT_OF_TEST}
    assert not found & {form for word in kept for form in (word, f"{word}s", f"{word}ing")}


def test_invented_voices_are_the_same_from_the_same_seed_and_never_twice(tmp_path: Path) -> None:
    said = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        voices = invented.InventedVoices(folder, seed=3)
        file = folder / "espeak-ng-data" / "voices" / "!v" / invented.NAME
        said.append([])
        for _ in range(5):
            said[-1].append(file.read_text())
            voices.renew()
    assert said[0] == said[1]
    assert len(set(said[0])) == 5
