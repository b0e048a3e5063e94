"""``gapless jobs``: put recordings into the queue, and see what became of them.

In: the store of the settings, with or without a server that uses it. Out: text for people, JSON for programs, a
progress bar. Invariants: no recording is read into memory as a whole; reading makes no store where there is none.
Thread: main.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final, get_args

import click
import msgspec

from gapless.cli.options import examples, with_settings
from gapless.cli.progress import WorkBar
from gapless.errors import NotFoundError
from gapless.settings import Resolved, Settings
from gapless.store.contract import Store
from gapless.store.queue import (
    CHUNK_BYTES,
    MAX_FILES,
    MAX_JOB_PAGE,
    FileSource,
    Job,
    JobFile,
    JobOptions,
    JobQuery,
    JobQueue,
    JobState,
)
from gapless.transcript import clock

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What a file name or an error could do to a terminal."""

STATES: Final = get_args(JobState)

LOOK_EVERY_S: Final = 0.5

COLOURS: Final = {"done": "green", "failed": "red", "cancelled": "yellow", "running": "cyan"}

STORE_SETTINGS: Final = ("data_dir", "store_url")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group()
def jobs() -> None:
    """Transcribe recordings when there is time.

    A job is one recording or many. `gapless serve` hears them beside its live sessions, and so does
    `gapless work`, here or on other machines that use the same PostgreSQL (--store-url).
    """


@jobs.command(
    epilog=examples(
        "gapless jobs submit *.wav",
        "gapless jobs submit talks/*.mp3 --model small.en --wait",
        "gapless jobs submit talk.flac --json",
    )
)
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option("--prompt", help="Text that sets the style, for models that take one.")
@click.option("--wait", is_flag=True, help="Wait until all are heard; exit code 1 if any failed.")
@json_option
@with_settings(*STORE_SETTINGS, "model", "language", "denoise", "max_jobs", "max_job_mb")
def submit(
    resolved: Resolved, files: tuple[Path, ...], *, prompt: str | None, wait: bool, as_json: bool
) -> None:
    """Put recordings into the queue, as one job.

    Their bytes are kept in the store until they are heard, so the files may go. Without --wait the
    job's id is printed; `gapless jobs show` tells what became of it.
    """
    if len(files) > MAX_FILES:
        raise click.UsageError(f"a job has {MAX_FILES} recordings at most; submit several jobs")
    for file in files:
        if not file.is_file() or file.stat().st_size == 0:
            what = "is empty" if file.is_file() else "is no file"
            raise click.UsageError(f"{_printable(str(file))} {what}; leave it out")
    settings = resolved.settings
    asked = {name for name, source in resolved.sources.items() if source.kind != "default"}
    options = JobOptions(
        model=settings.model if "model" in asked else None,
        language=settings.language,
        denoise=settings.denoise if "denoise" in asked else None,
        prompt=prompt,
    )
    with _open_queue(settings, make=True) as queue:
        sizes = [file.stat().st_size for file in files]
        with WorkBar("sending", sum(sizes)) as bar:
            sources = [
                FileSource(file.name, content=_chunks(file, bar), size_bytes=size_bytes)
                for file, size_bytes in zip(files, sizes, strict=True)
            ]
            job = queue.submit(
                f"j{secrets.token_hex(10)}",
                sources,
                options,
                now_ms=_now_ms(),
                max_jobs=settings.max_jobs,
                max_bytes=settings.max_job_bytes,
            )
        if wait:
            click.echo(f"{job.id}; Ctrl-C stops the waiting, not the job", err=True)
            job = _follow(queue, job)
        _print(job, as_json=as_json, brief=not wait)
    if wait and job.state != "done":
        raise click.exceptions.Exit(1)


@jobs.command("list", epilog=examples("gapless jobs list", "gapless jobs list --state failed"))
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most to print."
)
@json_option
@with_settings(*STORE_SETTINGS)
def list_jobs(resolved: Resolved, *, state: JobState | None, limit: int, as_json: bool) -> None:
    """List jobs, newest first. With --json, one line a job."""
    query = JobQuery(state, min(limit, MAX_JOB_PAGE))
    found = 0
    with _open_queue(resolved.settings) as queue:
        for job in islice(all_jobs(queue, query), limit):
            found += 1
            click.echo(msgspec.json.encode(job) if as_json else _heading(job))
    if not found and not as_json:
        click.echo("no jobs", err=True)


@jobs.command(epilog=examples("gapless jobs show ID", "gapless jobs show ID --follow"))
@click.argument("job_id", metavar="ID")
@click.option("--follow", is_flag=True, help="Wait until it is over, with a progress bar.")
@json_option
@with_settings(*STORE_SETTINGS)
def show(resolved: Resolved, job_id: str, *, follow: bool, as_json: bool) -> None:
    """Show a job and its recordings.

    The id at the end of each line is that of the transcript: `gapless store show ID`.
    """
    with _open_queue(resolved.settings) as queue:
        job = queue.get(job_id)
        _print(_follow(queue, job) if follow else job, as_json=as_json)


@jobs.command(epilog=examples("gapless jobs cancel ID"))
@click.argument("job_id", metavar="ID")
@json_option
@with_settings(*STORE_SETTINGS)
def cancel(resolved: Resolved, job_id: str, *, as_json: bool) -> None:
    """Stop a job; what was heard stays."""
    with _open_queue(resolved.settings) as queue:
        _print(queue.cancel(job_id, now_ms=_now_ms()), as_json=as_json)


@jobs.command(epilog=examples("gapless jobs retry ID"))
@click.argument("job_id", metavar="ID")
@json_option
@with_settings(*STORE_SETTINGS)
def retry(resolved: Resolved, job_id: str, *, as_json: bool) -> None:
    """Queue what failed or was cancelled again, to go on where it ended."""
    with _open_queue(resolved.settings) as queue:
        _print(queue.retry(job_id, now_ms=_now_ms()), as_json=as_json)


def all_jobs(queue: JobQueue, query: JobQuery) -> Iterator[Job]:
    """All jobs that a query finds, page by page."""
    while True:
        page = queue.list(query)
        yield from page.items
        if page.next_cursor is None:
            return
        query = msgspec.structs.replace(query, cursor=page.next_cursor)


@contextmanager
def open_kept(settings: Settings, *, make: bool = False) -> Iterator[Store]:
    """The store of the settings, for the time of a command.

    Raises:
        NotFoundError: there is none, and none is to be made.
        StoreError: it cannot be opened.
    """
    from gapless.store.open import open_store

    path = settings.database_path
    if not (make or settings.store_url or path.exists()):
        raise NotFoundError(
            f"nothing is kept in {path.parent} on this machine; name another folder with --data-dir, or, for jobs of "
            "a server elsewhere, the PostgreSQL that it uses with --store-url"
        )
    store = open_store(settings)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _open_queue(settings: Settings, *, make: bool = False) -> Iterator[JobQueue]:
    with open_kept(settings, make=make) as store:
        yield store.queue


def _chunks(file: Path, bar: WorkBar) -> Iterator[bytes]:
    with file.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            yield chunk
            bar.advance(len(chunk))


def _follow(queue: JobQueue, job: Job) -> Job:
    """Show how far a job is until it is over."""
    total = job.counts.total
    with WorkBar("hearing", 1000 * total) as bar:
        shown = 0
        while True:
            share = total - job.counts.open + sum(map(_share, job.files))
            now = int(1000 * min(share, total))
            bar.advance(now - shown)
            shown = now
            if not job.counts.open:
                return job
            time.sleep(LOOK_EVERY_S)
            if queue.revision(job.id) != job.revision:
                job = queue.get(job.id)


def _share(file: JobFile) -> float:
    """How much of a recording is heard, while it is heard."""
    if file.state != "running" or not file.duration_ms:
        return 0.0
    return min(file.heard_ms / file.duration_ms, 1.0)


def _print(job: Job, *, as_json: bool, brief: bool = False) -> None:
    if as_json:
        click.echo(msgspec.json.encode(job))
        return
    if brief:
        click.echo(job.id)
        click.echo(
            f"{_recordings(job.counts.total)} waits; `gapless serve` and `gapless work` hear it"
            if job.counts.total == 1
            else f"{_recordings(job.counts.total)} wait; `gapless serve` and `gapless work` hear them",
            err=True,
        )
        return
    click.echo(_heading(job))
    for file in job.files:
        click.echo(_line(file))
    if len(job.files) < job.counts.total:
        click.echo(f"  and {job.counts.total - len(job.files)} more", err=True)


def _heading(job: Job) -> str:
    created = datetime.fromtimestamp(job.created_at_ms / 1000).astimezone()
    counts = ", ".join(
        f"{number} {state}"
        for state, number in msgspec.structs.asdict(job.counts).items()
        if number
    )
    state = click.style(f"{job.state:<9}", fg=COLOURS.get(job.state))
    facts = click.style(f"{_recordings(job.counts.total)}: {counts}", dim=True)
    return f"{created:%Y-%m-%d %H:%M}  {state}  {job.id}  {facts}"


def _line(file: JobFile) -> str:
    state = click.style(f"{file.state:<9}", fg=COLOURS.get(file.state))
    heard = clock(file.heard_ms, ".")[:-4]
    if file.duration_ms and file.state != "done":
        heard += f" of {clock(file.duration_ms, '.')[:-4]}"
    name = _printable(file.name or file.url or "(no name)")
    line = f"  {file.number:>4}  {state}  {heard}  {name}  {click.style(file.session_id, dim=True)}"
    if file.error and file.state != "done":
        line += f"\n        {click.style(_printable(file.error), fg='red')}"
    return line


def _recordings(number: int) -> str:
    return f"{number} recording" + "s" * (number != 1)


def _printable(text: str) -> str:
    return CONTROL.sub(" ", text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
