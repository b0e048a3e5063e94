"""What all stores answer alike, whatever they keep it in.

In: queries and texts. Out: checked queries, previews, and the errors of transcripts that are not there.
Invariants: a query that passes has bounded costs. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Final

from gapless.errors import NotFoundError, ProtocolError, StoreError
from gapless.store.contract import MAX_PAGE, MAX_SEARCH_CHARS, TranscriptQuery
from gapless.store.inferences import MAX_INFERENCES, InferenceQuery

PREVIEW_CHARS: Final = 160


def check_query(query: TranscriptQuery) -> None:
    """Refuse what cannot be answered.

    Raises:
        ProtocolError: the text or the limit is not usable; ``param`` is ``q`` or ``limit``.
    """
    if not 1 <= query.limit <= MAX_PAGE:
        raise ProtocolError(f"limit is {query.limit}; ask for 1 to {MAX_PAGE}", param="limit")
    if query.text is not None and len(query.text) > MAX_SEARCH_CHARS:
        raise ProtocolError(
            f"the text to search for has {len(query.text)} characters; use at most {MAX_SEARCH_CHARS}",
            param="q",
        )


def check_inference_query(query: InferenceQuery) -> None:
    """Refuse what cannot be answered.

    Raises:
        ProtocolError: the limit is not usable; ``param`` is ``limit``.
    """
    if not 1 <= query.limit <= MAX_INFERENCES:
        raise ProtocolError(f"limit is {query.limit}; ask for 1 to {MAX_INFERENCES}", param="limit")


def shorten(text: str) -> str:
    """The first words of ``text`` that fit a preview."""
    text = " ".join(text.split())
    if len(text) <= PREVIEW_CHARS:
        return text
    # A word that is longer than the preview is cut: not all languages have spaces.
    head = text[:PREVIEW_CHARS].rpartition(" ")[0] or text[:PREVIEW_CHARS]
    return f"{head} …"


def unknown_transcript(session_id: str) -> NotFoundError:
    """There is no such transcript to read or delete."""
    return NotFoundError(
        f"no transcript {session_id!r} is kept; `gapless store search` and GET /v1/transcripts list what is",
        param="id",
    )


def deleted_transcript(session_id: str) -> StoreError:
    """There is no such transcript to add to."""
    return StoreError(
        f"no transcript {session_id!r} is kept, it may have been deleted; begin a new session to keep more"
    )
