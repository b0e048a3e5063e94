"""The tokens of a model: what each says, and how a phrase is spelt with them.

In: a file with a token and its number on each line (NeMo's ``vocab.txt``, sherpa's and our ``tokens.txt``). Out: a
``Vocabulary``. Invariants: numbers are 0..n-1, each once. Thread: any (immutable data).

Three kinds of vocabulary: whole ``words``; SentencePiece ``pieces``, where U+2581 begins a word and ``<0xE2>`` is one
byte of UTF-8; ``characters``, where a token of its own (a space, ``|`` or U+2581) separates words. Any other token in
angle brackets (``<unk>``, ``<blk>``, ``<sos/eos>``) says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self, TypeAlias

from gapless.errors import ModelError

TokenKind: TypeAlias = Literal["words", "pieces", "characters"]

MAX_TOKENS: Final = 200_000
MAX_FILE_BYTES: Final = 16 * 2**20
WORD_MARK: Final = "▁"
"""U+2581, which stands for the space before a word."""

_BYTE: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPECIAL: Final = re.compile(r"<[^<>\s]+>")
_SEPARATORS: Final = frozenset({" ", "|", WORD_MARK, "<space>"})


class Piece(NamedTuple):
    """What a token adds to the text."""

    text: bytes
    """UTF-8; a token may hold a part of a character."""
    begins_word: bool = False
    spaced: bool = False
    """With a space before the word; otherwise it follows the last word directly, as Chinese characters do."""


class Vocabulary:
    """The tokens of one model.

    Args:
        tokens: as they are written in the file, by number.
        kind: how they make words.
        silent: further tokens that say nothing.
    """

    def __init__(
        self, tokens: Sequence[str], kind: TokenKind = "pieces", silent: Collection[str] = ()
    ) -> None:
        self.tokens = tuple(tokens)
        self.kind: TokenKind = kind
        self.pieces: tuple[Piece | None, ...] = tuple(
            None if token in silent else _piece(token, kind) for token in tokens
        )
        """What each token says; None: nothing."""
        self._numbers = {
            token: number
            for number, (token, piece) in enumerate(zip(tokens, self.pieces, strict=True))
            if piece is not None
        }
        self._longest = max(map(len, self._numbers), default=0)

    @classmethod
    def read(cls, path: Path, kind: TokenKind = "pieces", silent: Collection[str] = ()) -> Self:
        """Read a file of lines ``token number``.

        Raises:
            ModelError: it cannot be read, a line is not of this form, or a number is missing or used twice.
        """
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                raise ModelError(
                    f"{path} is larger than {MAX_FILE_BYTES} bytes; that is no list of tokens, "
                    "so look whether the right file lies there"
                )
            text = content.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(
                f"the tokens of the model cannot be read from {path} ({error}); add the model again"
            ) from error
        try:
            return cls(_parse(text), kind, silent)
        except _BadLineError as error:
            raise ModelError(f"{path}: {error}") from None

    def __len__(self) -> int:
        return len(self.tokens)

    def number(self, token: str) -> int | None:
        """Number of a token that says something."""
        return self._numbers.get(token)

    def encode(self, phrase: str) -> tuple[int, ...]:
        """The tokens that spell a phrase, for hot words; none if this vocabulary cannot spell it.

        Each word is spelt as it is written or, where that fails, in lower or upper case. Pieces are taken greedily, the
        longest first. The model may prefer to spell a word with other pieces; then the phrase does not help it.
        """
        numbers: list[int] = []
        for word in phrase.split():
            spellings = (self._spell(form) for form in (word, word.lower(), word.upper()))
            spelt = next((spelling for spelling in spellings if spelling), None)
            if spelt is None:
                return ()
            if numbers and self.kind == "characters":
                numbers += self._separator()
            numbers += spelt
        return tuple(numbers)

    def _spell(self, word: str) -> list[int]:
        """Numbers that spell one word; none if it cannot be spelt."""
        if self.kind == "words":
            number = self._numbers.get(word)
            return [] if number is None else [number]
        rest = WORD_MARK + word if self.kind == "pieces" else word
        numbers: list[int] = []
        while rest:
            found = next(
                (
                    length
                    for length in range(min(len(rest), self._longest), 0, -1)
                    if rest[:length] in self._numbers
                ),
                0,
            )
            spelt = [self._numbers[rest[:found]]] if found else self._spell_bytes(rest[0])
            if not spelt:
                return []
            numbers += spelt
            rest = rest[found or 1 :]
        return numbers

    def _spell_bytes(self, character: str) -> list[int]:
        numbers = [self._numbers.get(f"<0x{byte:02X}>") for byte in character.encode()]
        known = [number for number in numbers if number is not None]
        return known if len(known) == len(numbers) else []

    def _separator(self) -> list[int]:
        return [number for token, number in self._numbers.items() if token in _SEPARATORS][:1]


class _BadLineError(Exception):
    """The sentence says which and what to do."""


def _parse(text: str) -> list[str]:
    """Tokens by number."""
    tokens: dict[int, str] = {}
    # Only line feeds end lines: some vocabularies have exotic separators among their tokens.
    for line_number, line in enumerate(text.split("\n"), start=1):
        token, space, number = line.rstrip("\r").rpartition(" ")
        if not line.strip("\r"):
            continue
        if not space or not number.isascii() or not number.isdigit():
            raise _BadLineError(
                f"line {line_number} is not `token number`; export the vocabulary anew"
            )
        key = int(number)
        if key in tokens:
            raise _BadLineError(
                f"number {key} occurs twice, again in line {line_number}; remove one of the lines"
            )
        if key >= MAX_TOKENS:
            raise _BadLineError(
                f"number {key} in line {line_number} is beyond {MAX_TOKENS - 1}; export it anew"
            )
        tokens[key] = token or " "  # the line of a space token is trimmed by some exporters
    if not tokens:
        raise _BadLineError("there are no tokens; export the vocabulary anew")
    missing = next((number for number in range(len(tokens)) if number not in tokens), None)
    if missing is not None:
        raise _BadLineError(f"token {missing} is missing; numbers must run from 0 without holes")
    return [tokens[number] for number in range(len(tokens))]


def _piece(token: str, kind: TokenKind) -> Piece | None:
    if kind == "words":
        return None if _SPECIAL.fullmatch(token) else Piece(token.encode(), True, True)
    if kind == "characters" and token in _SEPARATORS:
        return Piece(b"", begins_word=True, spaced=True)
    if byte := _BYTE.fullmatch(token):
        return Piece(bytes.fromhex(byte[1]))
    if _SPECIAL.fullmatch(token):
        return None
    if token.startswith(WORD_MARK):
        text = token[1:].replace(WORD_MARK, " ")
        return Piece(text.encode(), begins_word=True, spaced=True)
    return Piece(token.encode(), begins_word=_is_ideograph(token[:1]))


def _is_ideograph(character: str) -> bool:
    """Chinese characters, each of which counts as a word: CJK Unified Ideographs, Extension A, and Compatibility."""
    return (
        "\u3400" <= character <= "\u4dbf"
        or "\u4e00" <= character <= "\u9fff"
        or ("\uf900" <= character <= "\ufaff")
    )
