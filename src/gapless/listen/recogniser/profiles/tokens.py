"""The tokens of a model that is added: how many it has, which is blank, and whether they are pieces or characters.

In: a file of tokens, and how many scores the model gives. Out: ``Tokens``. Invariants: there are as many tokens as
scores, less those that stand for durations. Thread: any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from gapless.errors import ModelError
from gapless.listen.recogniser.decode.tokens import WORD_MARK, TokenKind, Vocabulary
from gapless.listen.recogniser.profiles.files import ModelFiles

BLANKS: Final = frozenset({"<blk>", "<blank>", "<b>", "<eps>"})
"""What exporters call the blank."""


class Tokens(msgspec.Struct, frozen=True):
    """What a model's scores stand for."""

    tokens: tuple[str, ...]
    blank: int
    kind: TokenKind
    n_durations: int
    """Scores behind those of the tokens; 0 but for TDT."""


def read_tokens(files: ModelFiles, n_scores: int, *, blank: Literal["first", "last"]) -> Tokens:
    """Read a folder's tokens and hold them against what the model gives.

    Args:
        files: of the model.
        n_scores: how many scores the model gives for a frame.
        blank: where the blank is; NeMo has it last, and leaves it out of its vocabularies.

    Raises:
        ModelError: there are no tokens, or not as many as the model has.
    """
    path = files.tokens
    if path is None:
        raise ModelError(
            f"{files.folder} has neither tokens.txt nor vocab.txt; put it there: a token and its number a line"
        )
    tokens = Vocabulary.read(path).tokens
    if blank == "last" and tokens[-1] not in BLANKS:
        tokens = (*tokens, "<blk>")
    n_durations = n_scores - len(tokens)
    if n_durations < 0 or n_durations == 1:
        raise _misfit(path, len(tokens), n_scores)
    kind: TokenKind = (
        "pieces" if any(token.startswith(WORD_MARK) for token in tokens) else "characters"
    )
    return Tokens(tokens, 0 if blank == "first" else len(tokens) - 1, kind, n_durations)


def require_no_durations(files: ModelFiles, tokens: Tokens) -> None:
    """Refuse scores beyond the tokens, of a model that knows no durations.

    Raises:
        ModelError: there are some.
    """
    if tokens.n_durations and files.tokens is not None:
        n_tokens = len(tokens.tokens)
        raise _misfit(files.tokens, n_tokens, n_tokens + tokens.n_durations)


def _misfit(path: Path, n_tokens: int, n_scores: int) -> ModelError:
    return ModelError(
        f"{path} has {n_tokens} tokens (with the blank), but the model tells {n_scores} apart; "
        "put the file there that belongs to this model"
    )
