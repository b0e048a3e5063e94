"""The log of ``gapless monitor``: a row of CSV per look.

In: rows. Out: a file that is appended to. Invariants: the header is written once, into an empty file; a row is in the
file when ``write`` returns; a file with other columns is not touched. Thread: one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gapless.errors import ConfigError


class CsvLog:
    """An open log.

    Args:
        file: to append to.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._writer = csv.writer(file)

    def write(self, row: Sequence[str]) -> None:
        """Add a row."""
        self._writer.writerow(row)
        self._file.flush()


@contextmanager
def open_log(path: Path, columns: Sequence[str]) -> Iterator[CsvLog]:
    """A log for as long as the context lasts.

    Raises:
        ConfigError: the file cannot be written, or has other columns.
    """
    try:
        file = path.open("a+", encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}); name another file with --csv",
            param="csv",
        ) from error
    with file:
        file.seek(0)
        header = next(csv.reader(file), None)
        if header is not None and header != list(columns):
            raise ConfigError(
                f"{path} is a table of other columns; name another file with --csv", param="csv"
            )
        log = CsvLog(file)
        if header is None:
            log.write(columns)
        yield log
