"""Reading the tokens of a model, and spelling phrases with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gapless.errors import ModelError
from gapless.listen.recogniser.decode.tokens import MAX_FILE_BYTES, MAX_TOKENS, Piece, Vocabulary

PIECES = ["<unk>", "▁he", "llo", "▁", "h", "e", "l", "o", "▁hello", "<0xC3>", "<0xBC>", "<blk>"]


def write(folder: Path, text: str) -> Path:
    path = folder / "tokens.txt"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_tokens_are_read_by_number_in_any_order(tmp_path: Path) -> None:
    vocabulary = Vocabulary.read(write(tmp_path, "▁a 1\n<blk> 0\nb 2\n"))

    assert vocabulary.tokens == ("<blk>", "▁a", "b")
    assert len(vocabulary) == 3
    assert vocabulary.number("b") == 2
    assert vocabulary.number("<blk>") is None


@pytest.mark.parametrize("text", ["a 0\r\n  1\r\n", "\ufeffa 0\n  1", "a 0\n 1\n\n"])
def test_windows_lines_marks_and_space_tokens_are_understood(tmp_path: Path, text: str) -> None:
    assert Vocabulary.read(write(tmp_path, text), "characters").tokens == ("a", " ")


def test_line_separators_other_than_line_feeds_belong_to_tokens(tmp_path: Path) -> None:
    text = "\u2028 0\n\x85 1\n"

    assert Vocabulary.read(write(tmp_path, text)).tokens == ("\u2028", "\x85")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no tokens"),
        ("a 0\nb\n", "line 2 is not `token number`"),
        ("a 0\nb x\n", "line 2 is not `token number`"),
        ("a 0\nb -1\n", "line 2 is not `token number`"),
        ("a 0\nb ²\n", "line 2 is not `token number`"),
        ("a 0\nb 0\n", "occurs twice"),
        ("a 0\nb 2\n", "token 1 is missing"),
        (f"a 0\nb {MAX_TOKENS}\n", "beyond"),
    ],
)
def test_a_bad_list_of_tokens_is_refused_with_the_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        Vocabulary.read(write(tmp_path, text))


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        Vocabulary.read(tmp_path / "missing.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe 0\n")
    with pytest.raises(ModelError, match="cannot be read"):
        Vocabulary.read(tmp_path / "binary.txt")


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "tokens.txt"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)

    with pytest.raises(ModelError, match="larger than"):
        Vocabulary.read(path)


@pytest.mark.parametrize(
    "token", ["<unk>", "<blk>", "<sos/eos>", "<pad>", "<s>", "</s>", "<|endoftext|>"]
)
@pytest.mark.parametrize("kind", ["words", "pieces", "characters"])
def test_special_tokens_say_nothing(token: str, kind: str) -> None:
    assert Vocabulary([token], kind).pieces == (None,)  # type: ignore[arg-type]


def test_tokens_that_are_to_be_silent_say_nothing() -> None:
    assert Vocabulary(["noise", "a"], "words", silent=["noise"]).pieces[0] is None


def test_pieces_say_text_bytes_and_where_words_begin() -> None:
    vocabulary = Vocabulary(["▁he", "llo", "▁", "<0xE2>", "我", "<", "▁<"])

    assert vocabulary.pieces == (
        Piece(b"he", begins_word=True, spaced=True),
        Piece(b"llo"),
        Piece(b"", begins_word=True, spaced=True),
        Piece(b"\xe2"),
        Piece("我".encode(), begins_word=True),
        Piece(b"<"),
        Piece(b"<", begins_word=True, spaced=True),
    )


@pytest.mark.parametrize("separator", [" ", "|", "▁", "<space>"])
def test_a_separator_between_characters_begins_a_word(separator: str) -> None:
    vocabulary = Vocabulary(["a", separator, "b"], "characters")

    assert vocabulary.pieces[1] == Piece(b"", begins_word=True, spaced=True)
    assert vocabulary.encode("ab ba") == (0, 2, 1, 2, 0)


def test_words_are_spelt_by_their_tokens() -> None:
    vocabulary = Vocabulary(["<blk>", "turn", "on", "OK"], "words")

    assert vocabulary.encode(" turn  on ") == (1, 2)
    assert vocabulary.encode("Turn ok") == (1, 3)
    assert vocabulary.encode("turn off") == ()
    assert vocabulary.encode("") == ()


def test_pieces_are_taken_greedily_the_longest_first() -> None:
    vocabulary = Vocabulary(PIECES)

    assert vocabulary.encode("hello") == (8,)
    assert vocabulary.encode("Hello") == (8,)
    assert vocabulary.encode("hell") == (1, 6, 6)
    assert vocabulary.encode("ohe") == (3, 7, 4, 5)


def test_a_character_without_a_token_is_spelt_in_bytes() -> None:
    vocabulary = Vocabulary(PIECES)

    assert vocabulary.encode("hü") == (3, 4, 9, 10)
    assert vocabulary.encode("hö") == ()


def test_what_cannot_be_spelt_is_no_phrase() -> None:
    assert Vocabulary(PIECES).encode("hello x") == ()
