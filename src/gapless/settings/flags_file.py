"""The file by which flags are changed while servers run.

In: a folder. Out: shares. Invariants: a reader finds all of what was written or all of what was there before; the file
is read when it looks changed. Thread: any; one at a time writes, or the last one wins.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TypeAlias, final

from gapless.errors import ConfigError, StoreError
from gapless.settings.flags import (
    FILE_NAME,
    LARGEST_FILE_BYTES,
    FlagName,
    Shares,
    read_shares,
    write_shares,
)

Stamp: TypeAlias = tuple[int, int, int]
"""By which a file that was changed is told: when, how long, and which."""


@final
class FlagsFile:
    """See the module's head.

    Args:
        folder: where it is, or will be.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def stamp(self) -> Stamp | None:
        """Equal as long as the file is the same; None: there is none, or it cannot be looked at."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> dict[FlagName, float]:
        """The shares; none where there is no file.

        Raises:
            ConfigError: it cannot be read, or holds something else.
        """
        try:
            with self.path.open("rb") as file:
                content = file.read(LARGEST_FILE_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(
                f"{self.path} cannot be read ({error.strerror}); see that it is a file of yours"
            ) from error
        if len(content) > LARGEST_FILE_BYTES:
            raise ConfigError(
                f"{self.path} is too large for flags; remove it with `gapless flags reset`"
            )
        return read_shares(content)

    def write(self, shares: Shares) -> None:
        """Put these shares in the place of all that were there; none of them: remove the file.

        Raises:
            StoreError: the file cannot be written.
        """
        try:
            if shares:
                self._replace(write_shares(shares))
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written ({error.strerror}); see that its folder is yours and has room"
            ) from error

    def _replace(self, content: bytes) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=self.path.parent, prefix=f".{FILE_NAME}.")
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            Path(draft).replace(self.path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
