from __future__ import annotations

import pytest

from gapless.errors import ProtocolError
from gapless.store.cursor import NEWEST, Place, decode_cursor, encode_cursor
from gapless.store.search import keepable, match_expression, read_marks


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("word", '"word"*'),
        ("two words", '"two" "words"*'),
        ("  spaces \t\n everywhere ", '"spaces" "everywhere"*'),
        ('quo"te', '"quo""te"*'),
        ("AND NEAR(a", '"AND" "NEAR(a"*'),
        ("word !", '"word"*'),
        ("don't", '"don\'t"*'),
        ("nul\0byte", '"nul\ufffdbyte"*'),
        ("", None),
        ('" * - 😀', None),
    ],
)
def test_words_become_an_expression_without_syntax(text: str, expression: str | None) -> None:
    assert match_expression(text) == expression


@pytest.mark.parametrize(
    ("marked", "text", "highlights"),
    [
        ("", "", ()),
        ("none", "none", ()),
        ("\x02all\x03", "all", ((0, 3),)),
        ("a \x02b\x03 c \x02dé😀\x03", "a b c dé😀", ((2, 3), (6, 9))),
        ("\x02a\x03\x02b\x03", "ab", ((0, 1), (1, 2))),
    ],
)
def test_marks_become_ranges_of_characters(
    marked: str, text: str, highlights: tuple[tuple[int, int], ...]
) -> None:
    assert read_marks(marked) == (text, highlights)


def test_what_cannot_be_kept_is_replaced_character_for_character() -> None:
    assert keepable("a\0\x02\x03\ud800\udfffb") == "a" + 5 * "\ufffd" + "b"
    assert keepable("tab\t newline\n é 😀") == "tab\t newline\n é 😀"


@pytest.mark.parametrize(
    "place", [Place(0, ""), Place(-5, "é/+?"), Place(2**62, "x" * 100), NEWEST]
)
def test_a_cursor_names_its_place_in_letters_that_urls_keep(place: Place) -> None:
    cursor = encode_cursor(place)
    assert decode_cursor(cursor) == place
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("cursor", ["x", "é", "e30", "WzFd", "WyIxIiwiYSJd", "WzllOTksImEiXQ"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        decode_cursor(cursor)
    assert refused.value.param == "cursor"
