"""A file that is saved again and again.

In: a path. Out: its text, each time that it is another one; and why it cannot be read, if it cannot. Invariants: a
file that is being written or is gone for a moment is asked for again; nothing is said twice of the same file. Thread:
one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, final

from gapless.errors import ConfigError
from gapless.play.program import Remark

MOST_BYTES: Final = 1 << 20


@final
class Watch:
    """Looks at a file whenever it is told to.

    Args:
        path: of the file.

    Raises:
        ConfigError: it cannot be read now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._doubted: tuple[int, int, int] | None = None
        self._text: str | None = None
        self._remarks: list[Remark] = []
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error

    def look(self) -> str | None:
        """The text, if it is another than the last time; else None."""
        try:
            status = self._path.stat()
            # Editors replace files: the same length and second may be another file.
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return None
            if status.st_size > MOST_BYTES:
                why = f"it has more than the {MOST_BYTES} bytes that are read; make it smaller"
                self._refuse(why, seen)
                return None
            text = self._path.read_text("utf-8")
        except OSError:
            return None
        except UnicodeDecodeError as error:
            self._refuse(f"its byte {error.start + 1} is no UTF-8; save it as UTF-8", seen)
            return None
        self._seen = seen
        if text == self._text:
            return None
        self._text = text
        return text

    def _refuse(self, why: str, seen: tuple[int, int, int]) -> None:
        """Say it at the second look, for at the first the file may still have been written."""
        if seen == self._doubted:
            self._seen = seen
            self._remarks = [Remark(f"this file is not taken up, what played goes on: {why}")]
        self._doubted = seen

    def remarks(self) -> tuple[Remark, ...]:
        """What the author should know, since the last time."""
        said, self._remarks = tuple(self._remarks), []
        return said
