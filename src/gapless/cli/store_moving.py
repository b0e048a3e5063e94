"""``gapless store import | copy``, and the export of everything into one file: move transcripts.

In: a store, an archive. Out: an archive, a store. Invariants: what is there stays as it is, so that an interrupted move
goes on when it is started again. Thread: main.
"""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader, BytesIO
from itertools import count
from pathlib import Path
from typing import IO, Final

import click
import msgspec

from gapless.cli.options import examples
from gapless.cli.store_place import StorePlace, json_option, place_at, with_store
from gapless.errors import StoreError
from gapless.store.archive import archive_lines, read_archive
from gapless.store.contract import Store
from gapless.store.moving import Copied, Moved, Progress, copy_store, keep_all, transcripts_of

STDIO: Final = "-"

GO_ON: Final = "interrupted; what was moved stays, start it again and it goes on"


@click.command(
    "import",
    epilog=examples(
        "gapless store import transcripts.jsonl.gz",
        "ssh laptop gapless store export --all -f jsonl | gapless store import -",
    ),
)
@click.argument("file", metavar="FILE|-")
@json_option
@with_store
def import_(where: StorePlace, *, file: str, as_json: bool) -> None:
    """Read back what `gapless store export --all -f jsonl` wrote.

    Transcripts that are there already stay as they are, so that reading a file twice does no harm.
    """
    with (
        where.opened(make=True) as store,
        _reading(file) as lines,
        _progress("importing", None) as progress,
    ):
        moved = keep_all(read_archive(lines, file), store, progress)
    _say(moved, as_json=as_json)


@click.command(
    epilog=examples(
        "gapless store copy --to postgresql://gapless@db.lan/transcripts",
        "gapless store copy --store postgresql://gapless@db.lan/transcripts --to backup.db",
    )
)
@click.option(
    "--to",
    "target",
    metavar="URL|FILE",
    required=True,
    help="Where to: a PostgreSQL database, or a SQLite file.",
)
@json_option
@with_store
def copy(where: StorePlace, *, target: str, as_json: bool) -> None:
    """Copy a store into another one.

    What is there already is skipped, so that a copy which was interrupted goes on when it is
    started again. In the end all transcripts are counted again; the exit code is 1 if some are
    missing. A server may be running. Calls of models, which SAVE_INFERENCES keeps, are not copied.
    """
    there = place_at(target, where)
    if there.place == where.place:
        raise click.UsageError("both are the same store; name another one with --to")
    with (
        where.opened() as source,
        there.opened(make=True) as store,
        _progress("copying", source.facts().sessions) as progress,
    ):
        copied = copy_store(source, store, progress)
    if as_json:
        click.echo(msgspec.json.encode(copied))
    else:
        _say_copied(copied)
    if not copied.is_complete:
        raise click.exceptions.Exit(1)


def write_archive(store: Store, place: Path | None) -> int:
    """Write all transcripts into one file, packed if its name says so, or to standard output; how many.

    Raises:
        StoreError: the file cannot be written, or the store cannot be read.
    """
    lines = 0
    try:
        with (
            _writing(place) as file,
            _progress("exporting", store.facts().sessions) as progress,
        ):
            for line in archive_lines(transcripts_of(store), now_ms=time.time_ns() // 1_000_000):
                file.write(line)
                lines += 1
                progress(1)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreError(
            f"{place or 'standard output'} cannot be written ({error.strerror}); choose another place with -o"
        ) from error
    return lines - 2  # the first and the last are none


@contextmanager
def _writing(place: Path | None) -> Iterator[BufferedIOBase | IO[bytes]]:
    """A file that is there only once it is whole."""
    if place is None:
        yield sys.stdout.buffer
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.part")
    try:
        with part.open("wb") as file:
            if place.suffix == ".gz":
                with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
                    yield packed
            else:
                yield file
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _reading(file: str) -> Iterator[BufferedReader]:
    if file == STDIO:
        stdin = sys.stdin.buffer
        # What stands in for standard input inside of a program may be of another kind.
        if isinstance(stdin, BufferedReader):
            yield stdin
        else:
            yield BufferedReader(BytesIO(stdin.read()))
        return
    try:
        with Path(file).open("rb") as opened:
            yield opened
    except OSError as error:
        raise StoreError(f"{file} cannot be read ({error.strerror}); name another file") from error


@contextmanager
def _progress(label: str, total: int | None) -> Iterator[Progress]:
    """A bar on a terminal; Ctrl-C says what is left to do."""
    length = None if total is None else max(1, total)
    try:
        with click.progressbar(
            count(), length=length, label=label, show_pos=total is None, file=sys.stderr
        ) as bar:
            yield bar.update
    except KeyboardInterrupt:
        click.echo(GO_ON, err=True)
        raise


def _say(moved: Moved, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(moved))
    else:
        click.echo(_moved_text(moved), err=True)
    if moved.conflicts:
        raise click.exceptions.Exit(1)


def _say_copied(copied: Copied) -> None:
    click.echo(_moved_text(copied.moved), err=True)
    for facts in (copied.source, copied.target):
        click.echo(
            f"{facts.where}: {facts.sessions} transcripts, {facts.utterances} utterances", err=True
        )
    if copied.open_jobs:
        click.echo(
            "recordings still wait in the queue of the old store, which is not copied; let a server finish them there, "
            "or send them again",
            err=True,
        )
    if not copied.is_complete:
        click.secho(
            "not all of it is there: sessions still run, or their ids are taken; start it again when they are over",
            fg="red",
            err=True,
        )


def _moved_text(moved: Moved) -> str:
    text = f"{moved.new} transcripts are new, {moved.skipped} were there"
    if moved.completed:
        text += f", {moved.completed} were there in part and are whole now"
    if moved.conflicts:
        shown = ", ".join(moved.conflicts[:5])
        text += f"; {len(moved.conflicts)} ids belong to other transcripts there, which were left alone: {shown}"
    return text
