"""``gapless work``: hear the recordings of jobs, on this machine.

In: the store of the settings, which others may work on too. Out: transcripts in it, one line a recording. Invariants:
Ctrl-C or SIGTERM gives back what is being heard, so that others go on at once. Thread: main; workers have their own.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Final

import click
import msgspec

from gapless.cli.jobs import CONTROL, all_jobs, open_kept
from gapless.cli.options import examples, with_settings
from gapless.settings import Resolved
from gapless.store.queue import MAX_JOB_PAGE, JobQuery, JobQueue
from gapless.transcript import clock

if TYPE_CHECKING:
    from gapless.jobs.worker import Outcome

LOOK_EVERY_S: Final = 0.2

COLOURS: Final = {"done": "green", "failed": "red", "retried": "yellow"}


class Line(msgspec.Struct, frozen=True):
    """What became of a recording, for programs."""

    result: str
    job: str
    file: int
    name: str | None
    session_id: str
    audio_ms: int
    error: str | None


@click.command(
    epilog=examples(
        "gapless work",
        "gapless work --once",
        "gapless work --store-url postgresql://gapless@db.lan/transcripts --job-workers 4",
    )
)
@click.option("--once", is_flag=True, help="End when nothing is left to hear.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON a recording.")
@with_settings(
    "data_dir",
    "store_url",
    "job_workers",
    "job_attempts",
    "job_lease_ms",
    "job_urls",
    "model",
    "language",
    "denoise",
    "decoders",
    "models_dir",
    "log_level",
)
def work(resolved: Resolved, *, once: bool, as_json: bool) -> None:
    """Hear the recordings of jobs, until Ctrl-C.

    It takes them from the store of the settings: a file on this machine, or a PostgreSQL that any
    number of machines work on. `gapless serve` does the same beside its other work. What is being
    heard when this ends goes back, and is heard on by others from where it was.
    """
    from gapless.cli.engine import open_engine
    from gapless.jobs.runner import Runner

    settings = resolved.settings
    if settings.job_workers == 0:
        raise click.UsageError("--job-workers 0 hears nothing; ask for 1 or more")

    def tell(outcome: Outcome) -> None:
        click.echo(msgspec.json.encode(_record(outcome)) if as_json else _line(outcome))

    failed = False
    with (
        _terminable() as stopped,
        open_kept(settings, make=not once) as store,
        open_engine(resolved) as engine,
    ):
        # A model that is missing ends the command, and is not loaded while a lease runs.
        model = engine.recogniser().info.name
        click.echo(
            f"hearing jobs of {store.facts().where} with {model}, {settings.job_workers} at a time; Ctrl-C ends it",
            err=True,
        )
        with Runner(settings, engine, store.queue, told=tell) as runner:
            runner.start()
            while not stopped.wait(LOOK_EVERY_S):
                if once and runner.idle and not _waiting(store.queue):
                    break
        stats = runner.stats()
        failed = stats.failed > 0
        click.echo(
            f"{stats.done} heard, {stats.failed} failed, {stats.given_back} given back", err=True
        )
    if once and failed:
        raise click.exceptions.Exit(1)


def _waiting(queue: JobQueue) -> bool:
    """Whether anything waits for a worker, now or behind a failed attempt."""
    return any(
        job.counts.queued
        for job in chain(
            all_jobs(queue, JobQuery("queued", MAX_JOB_PAGE)),
            all_jobs(queue, JobQuery("running", MAX_JOB_PAGE)),
        )
    )


@contextmanager
def _terminable() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM set the event; a second Ctrl-C ends the command at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(*_: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = [(kind, signal.signal(kind, stop)) for kind in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield stopped
    finally:
        for kind, handler in before:
            signal.signal(kind, handler)


def _record(outcome: Outcome) -> Line:
    task = outcome.task
    return Line(
        outcome.result,
        task.lease.job_id,
        task.lease.number,
        task.file.name,
        task.file.session_id,
        outcome.audio_ms,
        outcome.error,
    )


def _line(outcome: Outcome) -> str:
    file = outcome.task.file
    result = click.style(f"{outcome.result.replace('_', ' '):<10}", fg=COLOURS.get(outcome.result))
    length = clock(outcome.audio_ms, ".")[:-4] if outcome.result == "done" else " " * 8
    name = CONTROL.sub(" ", file.name or file.url or "(no name)")
    line = f"{result}  {length}  {name}  {click.style(file.session_id, dim=True)}"
    return f"{line}\n  {CONTROL.sub(' ', outcome.error)}" if outcome.error else line
