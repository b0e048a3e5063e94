from __future__ import annotations

from itertools import permutations

import pytest

from gapless.listen.recogniser.shelf.choice import Candidate, choose, cpus_by_size

SPHINX = Candidate(name="pocketsphinx", own=False, languages=("en",), live=True, quality=0)
COMMANDS = Candidate(
    name="commands-en", own=False, languages=("en",), live=True, any_word=False, quality=5
)
CARRIED = (SPHINX, COMMANDS)
SMALL = Candidate(name="small", own=True, languages=(), live=False, quality=3, cpus=2)
LARGE = Candidate(name="large", own=True, languages=(), live=False, quality=5, cpus=16)
PARAKEET = Candidate(
    name="parakeet", own=True, languages=("en", "de"), live=True, quality=5, cpus=4
)
GERMAN = Candidate(name="german", own=True, languages=("de",), live=True, quality=2)


def test_without_anything_pulled_the_one_for_any_word_is_used_and_says_what_to_do() -> None:
    choice = choose(CARRIED, cpus=4)

    assert choice.name == "pocketsphinx"
    assert "`gapless models pull small.en` gets a far better one" in choice.reason
    assert "commands-en knows a small vocabulary" in choice.reason


def test_for_another_language_another_model_is_suggested() -> None:
    assert "pull small`" in choose(CARRIED, cpus=4, language="fr").reason


@pytest.mark.parametrize(
    ("own", "cpus", "language", "name"),
    [
        ((SMALL,), 4, None, "small"),
        ((SMALL, LARGE), 4, None, "small"),
        ((SMALL, LARGE), 16, None, "large"),
        ((SMALL, LARGE, PARAKEET), 4, None, "parakeet"),
        ((SMALL, LARGE, PARAKEET), 16, None, "parakeet"),
        ((SMALL, LARGE, PARAKEET), 1, None, "small"),
        ((SMALL, PARAKEET), 8, "fr", "small"),
        ((SMALL, PARAKEET), 8, "de-AT", "parakeet"),
        ((GERMAN,), 4, None, "german"),
        ((GERMAN,), 4, "en", "pocketsphinx"),
        ((GERMAN,), 4, "de", "german"),
    ],
    ids=lambda value: "+".join(c.name for c in value) if isinstance(value, tuple) else str(value),
)
def test_the_best_that_speaks_the_language_and_keeps_up_is_chosen(
    own: tuple[Candidate, ...], cpus: int, language: str | None, name: str
) -> None:
    assert choose((*own, *CARRIED), cpus=cpus, language=language).name == name


def test_the_reason_says_what_was_weighed() -> None:
    four = choose((SMALL, LARGE, PARAKEET, *CARRIED), cpus=4).reason
    one = choose((SMALL, LARGE, *CARRIED), cpus=1).reason

    assert (
        four == "it should be the best of 2 pulled or added that keep up with live speech on 4 CPUs"
    )
    assert one == (
        "it is the lightest of 2 pulled or added; live speech may be too much for it on 1 CPU"
    )
    assert choose((SMALL, *CARRIED), cpus=2).reason == "it is the only one pulled or added"
    assert "too much for it on 1 CPU" in choose((SMALL, *CARRIED), cpus=1).reason
    assert (
        "no other that speaks 'en' was" in choose((GERMAN, *CARRIED), cpus=4, language="en").reason
    )


def test_the_order_in_which_they_are_found_does_not_matter() -> None:
    here = (SMALL, LARGE, PARAKEET, SPHINX)

    assert len({choose(order, cpus=4) for order in permutations(here)}) == 1


@pytest.mark.parametrize(
    ("size_mb", "cpus"), [(1, 1), (200, 1), (201, 2), (900, 4), (1600, 8), (3000, 16)]
)
def test_a_model_in_no_catalogue_is_expected_to_need_what_its_size_says(
    size_mb: int, cpus: int
) -> None:
    assert cpus_by_size(size_mb * 1_000_000) == cpus
