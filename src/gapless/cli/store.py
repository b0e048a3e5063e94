"""``gapless store``: search, show, export and delete what was kept, and look after it.

In: the store of the settings, which a running server may be using. Out: text for people, JSON for programs,
files. Invariants: reading makes no database where there is none; deleting asks first. Thread: main.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final, Literal, get_args

import click
import msgspec

from gapless.cli.options import examples
from gapless.cli.output import FORMATS, write_output
from gapless.cli.store_inferences import inferences
from gapless.cli.store_moving import copy, import_, write_archive
from gapless.cli.store_place import StorePlace, json_option, with_store
from gapless.cli.store_upkeep import check, migrate, prune, vacuum
from gapless.errors import GaplessError
from gapless.store.contract import (
    MAX_PAGE,
    Hit,
    Order,
    SessionRecord,
    Store,
    TranscriptQuery,
    TranscriptSummary,
)
from gapless.store.export import Format, file_stem, render
from gapless.store.moment import unix_ms
from gapless.transcript import clock

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What a file name or a text could do to a terminal."""

ARCHIVE: Final = "jsonl"
"""The format that `gapless store import` reads."""


@click.group()
def store() -> None:
    """Search, show and export kept transcripts, and look after the store."""


@store.command(
    epilog=examples(
        "gapless store search                      the latest",
        "gapless store search latency bud          both words, the last may be a beginning",
        "gapless store search budget --since 2025-01-31 --json",
    )
)
@click.argument("words", nargs=-1)
@click.option("--since", metavar="TIME", help="Began at this time or later (2025-01-31T10:00).")
@click.option("--until", metavar="TIME", help="Began before this time.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most to print."
)
@click.option(
    "--order",
    type=click.Choice(get_args(Order)),
    default="newest",
    show_default=True,
    help="Newest first, or those that fit the words best (of the newest 1,000 matches).",
)
@json_option
@with_store
def search(
    where: StorePlace,
    words: tuple[str, ...],
    *,
    since: str | None,
    until: str | None,
    limit: int,
    order: Order,
    as_json: bool,
) -> None:
    """Find transcripts by what was said, newest first.

    All WORDS must occur in one utterance; without any, everything is listed. Times are local
    unless they name their zone. With --json, one line a transcript.
    """
    query = TranscriptQuery(
        text=" ".join(words) or None,
        since_ms=unix_ms(since, param="since", zone=None) if since else None,
        until_ms=unix_ms(until, param="until", zone=None) if until else None,
        limit=min(limit, MAX_PAGE),
        order=order,
    )
    found = 0
    with where.opened() as transcripts:
        for summary in islice(_summaries(transcripts, query), limit):
            found += 1
            if as_json:
                click.echo(msgspec.json.encode(summary))
            else:
                click.echo(_summary_text(summary))
    if not found and not as_json:
        click.echo("nothing found", err=True)


@store.command()
@click.argument("session_id", metavar="ID")
@json_option
@with_store
def show(where: StorePlace, session_id: str, *, as_json: bool) -> None:
    """Print a transcript with the times of what was said."""
    with where.opened() as transcripts:
        transcript = transcripts.get(session_id)
    if as_json:
        click.echo(render(transcript, "json"))
        return
    click.echo(_heading(transcript.session))
    for utterance in transcript.utterances:
        click.echo(f"  {_time(utterance.start_ms)}  {_printable(utterance.text)}")


@store.command(
    epilog=examples(
        "gapless store export 01JQ3 -f srt > talk.srt",
        "gapless store export --all -f json -o transcripts/",
        "gapless store export --all -f jsonl -o transcripts.jsonl.gz     one file, for `import`",
    )
)
@click.argument("session_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every transcript there is.")
@click.option(
    "-f",
    "--format",
    "shape",
    type=click.Choice((*FORMATS, ARCHIVE)),
    default="txt",
    show_default=True,
    help="Format of the files; jsonl is one file of them all.",
)
@click.option(
    "-o",
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder for the files, made if missing; for jsonl a file, packed if its name ends with .gz.  "
    "[default: one transcript, or jsonl, to standard output]",
)
@with_store
def export(
    where: StorePlace,
    session_ids: tuple[str, ...],
    *,
    everything: bool,
    shape: Format | Literal["jsonl"],
    folder: Path | None,
) -> None:
    """Write transcripts as files.

    Each is named after its recording and its id. One that cannot be exported stops no other; the
    exit code is 1 if any failed.
    """
    if everything == bool(session_ids):
        raise click.UsageError("name transcripts by ID, or all of them with --all")
    if shape == "jsonl":
        _export_archive(where, everything=everything, place=folder)
        return
    if folder is not None and folder.is_file():
        raise click.UsageError(f"{folder} is a file; name a folder with --out")
    if folder is None and (everything or len(session_ids) > 1):
        raise click.UsageError("several transcripts need a folder; name one with --out")
    failures: list[str] = []
    with where.opened() as transcripts:
        if everything:
            session_ids = tuple(
                summary.session.id
                for summary in _summaries(transcripts, TranscriptQuery(limit=MAX_PAGE))
            )
        if folder is None:
            click.echo(render(transcripts.get(session_ids[0]), shape), nl=shape == "json")
            return
        with click.progressbar(session_ids, label="exporting", file=sys.stderr) as bar:
            for session_id in bar:
                try:
                    _export(transcripts, session_id, shape, folder)
                except GaplessError as error:
                    failures.append(str(error))
    for failure in failures:
        click.secho(failure, fg="red", err=True)
    click.echo(f"{len(session_ids) - len(failures)} transcripts are in {folder}", err=True)
    if failures:
        raise click.exceptions.Exit(1)


@store.command()
@click.argument("session_id", metavar="ID")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@with_store
def delete(where: StorePlace, session_id: str, *, yes: bool) -> None:
    """Forget a transcript for good."""
    with where.opened() as transcripts:
        session = transcripts.get(session_id).session
        if not yes:
            click.echo(_heading(session))
            click.confirm("Delete it? It cannot be brought back.", abort=True)
        transcripts.delete(session_id)
    click.echo(f"{session_id} is deleted", err=True)


for command in (migrate, check, vacuum, import_, prune, copy, inferences):
    store.add_command(command)


def _export_archive(where: StorePlace, *, everything: bool, place: Path | None) -> None:
    if not everything:
        raise click.UsageError("jsonl is for all transcripts; add --all, or choose another format")
    if place is not None and place.is_dir():
        place /= f"transcripts.{ARCHIVE}"
    with where.opened() as transcripts:
        count = write_archive(transcripts, place)
    click.echo(f"{count} transcripts are in {place or 'the output'}", err=True)


def _summaries(transcripts: Store, query: TranscriptQuery) -> Iterator[TranscriptSummary]:
    """Everything that a query finds, page by page."""
    while True:
        page = transcripts.list(query)
        yield from page.items
        if page.next_cursor is None:
            return
        query = msgspec.structs.replace(query, cursor=page.next_cursor)


def _export(transcripts: Store, session_id: str, shape: Format, folder: Path) -> None:
    transcript = transcripts.get(session_id)
    # Recordings of one name are told apart by their id.
    names = dict.fromkeys((file_stem(transcript.session), session_id))
    write_output(render(transcript, shape), folder / f"{'-'.join(names)}.{shape}")


def _summary_text(summary: TranscriptSummary) -> str:
    hits = [f"{_time(hit.start_ms)}  {_highlighted(hit)}" for hit in summary.hits]
    lines = [_heading(summary.session), *(hits or [_printable(summary.preview)])]
    return "\n  ".join(lines)


def _heading(session: SessionRecord) -> str:
    started = datetime.fromtimestamp(session.started_at_ms / 1000).astimezone()
    facts = f"{session.source}, {_time(session.audio_ms)}, {session.utterances} utterances"
    if session.ended_at_ms is None:
        facts += ", not ended"
    name = click.style(_printable(session.name or "(no name)"), bold=True)
    return f"{started:%Y-%m-%d %H:%M}  {name}  {session.id}\n  {click.style(facts, dim=True)}"


def _highlighted(hit: Hit) -> str:
    pieces: list[str] = []
    position = 0
    for start, end in hit.highlights:
        pieces += [
            _printable(hit.text[position:start]),
            click.style(_printable(hit.text[start:end]), fg="yellow", bold=True),
        ]
        position = end
    return "".join(pieces) + _printable(hit.text[position:])


def _printable(text: str) -> str:
    return CONTROL.sub(" ", text)


def _time(ms: int) -> str:
    return clock(ms, ".")[:-4]
