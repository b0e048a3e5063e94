"""Language tags as clients write them. Thread: any (a pure function)."""

from __future__ import annotations

import re


def base_language(tag: str | None) -> str | None:
    """ISO 639-1 of a tag: ``en`` for ``en-US``, ``en_US`` and ``EN``; None where there is none."""
    return re.split("[-_]", tag, maxsplit=1)[0].strip().lower() or None if tag else None
