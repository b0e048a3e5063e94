from __future__ import annotations

import pytest

from gapless.errors import ProtocolError
from gapless.store.cursor import NEWEST, Place, decode_cursor, encode_cursor
from gapless.store.sqlite.search import match_expression
from gapless.store.text import keepable


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
