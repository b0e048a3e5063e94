"""``gapless store migrate | check | vacuum | prune``: look after a store.

In: the store of the settings, or of ``--store``, which a server may be using. Out: sentences for people, JSON for
programs. Invariants: what cannot be brought back is asked for first. Thread: main.
"""

from __future__ import annotations

import re
import time
from typing import Final

import click
import msgspec

from gapless.cli.options import examples
from gapless.cli.store_place import StorePlace, json_option, with_store
from gapless.errors import GaplessError
from gapless.store.contract import Pruned, Store, TranscriptQuery
from gapless.store.open import migrate_place

DAY_MS: Final = 24 * 3600 * 1000

AGE_UNITS_MS: Final = {"h": 3600 * 1000, "d": DAY_MS, "w": 7 * DAY_MS, "y": 365 * DAY_MS}

SIZE_UNITS: Final = {
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}

STEP_SESSIONS: Final = 100


class Quantity(click.ParamType[int]):
    """A number with a unit, such as 30d or 1.5GB, in the smallest unit."""

    def __init__(self, name: str, units: dict[str, int]) -> None:
        self.name = name
        self._units = units

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read the text."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)", value.strip().lower())
        if found is None or found[2] not in self._units:
            self.fail(
                f"{value!r} is none; write a number and one of {', '.join(self._units)}", param, ctx
            )
        return int(float(found[1]) * self._units[found[2]])


@click.command(
    epilog=examples(
        "gapless store migrate                     to the newest schema",
        "gapless store migrate --to 1              back, for an older Gapless; stop the servers first",
    )
)
@click.option(
    "--to",
    "target",
    type=click.IntRange(min=0),
    help="Number of the last step to be there.  [default: the newest]",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@with_store
def migrate(where: StorePlace, *, target: int | None, yes: bool) -> None:
    """Bring the database to a schema.

    Every command and server brings it to the newest by itself; this one does it beforehand, or goes
    back for an older Gapless. Going back asks first, because it drops what the older schema has no
    place for.
    """
    where.need()
    if target is not None and not yes:
        click.confirm(
            f"What schema {target} has no place for is dropped and cannot be brought back. Go on?",
            abort=True,
        )
    before, after = migrate_place(where.place, target, lose_data=target is not None)
    if before == after:
        click.echo(f"the schema is {after} already", err=True)
    else:
        click.echo(f"the schema was {before} and is {after}", err=True)


@click.command()
@json_option
@with_store
def check(where: StorePlace, *, as_json: bool) -> None:
    """Look for damage; the exit code is 1 if there is any.

    Reads everything, which takes minutes where much is kept; what others write waits for part of
    that time.
    """
    with where.opened() as store:
        facts = store.facts()
        wrong = store.check()
    if as_json:
        click.echo(msgspec.json.encode({"ok": not wrong, "wrong": wrong, "facts": facts}))
    else:
        for sentence in wrong:
            click.secho(sentence, fg="red")
        click.echo(
            f"{facts.where}: schema {facts.schema}, {facts.sessions} transcripts, {facts.utterances} utterances, "
            f"{size_text(facts.size_bytes)}: {f'{len(wrong)} things are wrong' if wrong else 'all is well'}"
        )
    if wrong:
        raise click.exceptions.Exit(1)


@click.command()
@json_option
@with_store
def vacuum(where: StorePlace, *, as_json: bool) -> None:
    """Give the room of what was deleted back to the disk.

    Others wait meanwhile, and a SQLite file needs as much free room again as it takes. A search
    index that is wrong is made anew.
    """
    with where.opened() as store:
        before = store.facts().size_bytes
        store.vacuum()
        after = store.facts().size_bytes
    if as_json:
        click.echo(msgspec.json.encode({"before_bytes": before, "after_bytes": after}))
    else:
        click.echo(f"{size_text(before)} before, {size_text(after)} now")


@click.command(
    epilog=examples(
        "gapless store prune --older-than 30d --dry-run",
        "gapless store prune --larger-than 2GB",
    )
)
@click.option(
    "--older-than",
    "age_ms",
    type=Quantity("age", AGE_UNITS_MS),
    help="Delete what began longer ago, e.g. 12h, 30d, 8w.",
)
@click.option(
    "--larger-than",
    "max_bytes",
    type=Quantity("size", SIZE_UNITS),
    help="Delete the oldest while more is kept, e.g. 500MB, 2GB.",
)
@click.option("--dry-run", is_flag=True, help="Only say what is there and too old.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@with_store
def prune(
    where: StorePlace,
    *,
    age_ms: int | None,
    max_bytes: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete the oldest transcripts.

    Sessions that run stay. Calls of models, which SAVE_INFERENCES keeps, go by the same age, and by
    size before any transcript. `gapless store vacuum` gives the room back to the disk. The settings
    RETENTION_DAYS and RETENTION_MB make a server do this by itself.
    """
    if age_ms is None and max_bytes is None:
        raise click.UsageError("say what is too much, with --older-than or --larger-than")
    before_ms = None if age_ms is None else time.time_ns() // 1_000_000 - age_ms
    with where.opened() as store:
        if dry_run:
            _say_what_is_there(store, before_ms, max_bytes, as_json=as_json)
            return
        if not yes and not as_json:
            click.confirm("Delete the oldest transcripts? They cannot be brought back.", abort=True)
        pruned = _prune(store, before_ms, max_bytes)
    if as_json:
        click.echo(msgspec.json.encode(pruned))
    else:
        click.echo(
            f"{pruned.sessions} transcripts with {pruned.utterances} utterances are deleted"
            + (f", and {pruned.calls} calls of models" if pruned.calls else ""),
            err=True,
        )


def size_text(size_bytes: int) -> str:
    """A size for people."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def _prune(store: Store, before_ms: int | None, max_bytes: int | None) -> Pruned:
    sessions = utterances = calls = 0
    try:
        while True:
            step = store.prune(before_ms=before_ms, max_bytes=max_bytes, limit=STEP_SESSIONS)
            if step.nothing:
                return Pruned(sessions, utterances, calls)
            sessions += step.sessions
            utterances += step.utterances
            calls += step.calls
    except (GaplessError, KeyboardInterrupt):
        click.echo(f"{sessions} transcripts were deleted before it stopped", err=True)
        raise


def _say_what_is_there(
    store: Store, before_ms: int | None, max_bytes: int | None, *, as_json: bool
) -> None:
    facts = store.facts()
    too_old = 0 if before_ms is None else _count_before(store, before_ms)
    excess_bytes = 0 if max_bytes is None else max(0, facts.size_bytes - max_bytes)
    if as_json:
        click.echo(
            msgspec.json.encode({"too_old": too_old, "excess_bytes": excess_bytes, "facts": facts})
        )
        return
    click.echo(f"{facts.sessions} transcripts take {size_text(facts.size_bytes)}")
    if before_ms is not None:
        click.echo(f"{too_old} began longer ago than that")
    if max_bytes is not None:
        click.echo(f"{size_text(excess_bytes)} are too much")


def _count_before(store: Store, before_ms: int) -> int:
    query = TranscriptQuery(until_ms=before_ms, limit=100)
    count = 0
    while True:
        page = store.list(query)
        count += len(page.items)
        if page.next_cursor is None:
            return count
        query = msgspec.structs.replace(query, cursor=page.next_cursor)
