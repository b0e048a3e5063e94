"""``gapless store inferences``: what was asked of models, the newest first.

In: the store of the settings, or of ``--store``. Out: lines for people, JSON for programs. Invariants: no more than a
page is held. Thread: main.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

import click
import msgspec

from gapless.cli.options import examples
from gapless.cli.store_place import StorePlace, json_option, with_store
from gapless.store.contract import Store
from gapless.store.inferences import MAX_INFERENCES, InferenceQuery, InferenceRecord

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What a name or an id could do to a terminal."""


@click.command(
    epilog=examples(
        "gapless store inferences --model silero_vad",
        "gapless store inferences --limit 100000 --json > calls.jsonl",
    )
)
@click.option("--model", metavar="NAME", help="Only calls of this model.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000_000),
    default=20,
    show_default=True,
    help="Most to print.",
)
@json_option
@with_store
def inferences(where: StorePlace, *, model: str | None, limit: int, as_json: bool) -> None:
    """List calls of models, newest first.

    They are kept where the setting SAVE_INFERENCES is on: when, which model, how many rows, how
    long, and what came of it; no tensors. With --json, one line a call.
    """
    found = 0
    with where.opened() as store:
        for record in islice(_all(store, model), limit):
            found += 1
            click.echo(msgspec.json.encode(record) if as_json else _line(record))
    if not found and not as_json:
        click.echo("nothing found; the setting SAVE_INFERENCES keeps calls", err=True)


def _all(store: Store, model: str | None) -> Iterator[InferenceRecord]:
    before = None
    while True:
        page = store.inferences(InferenceQuery(model, before, MAX_INFERENCES))
        yield from page
        if len(page) < MAX_INFERENCES:
            return
        before = page[-1].at_us, page[-1].source


def _line(record: InferenceRecord) -> str:
    at = datetime.fromtimestamp(record.at_us / 1_000_000).astimezone()
    took = (
        "remembered" if record.cached else f"{(record.queue_us + record.compute_us) / 1000:.2f} ms"
    )
    rows = f"{record.rows} {'row' if record.rows == 1 else 'rows'}"
    name = f"{record.model}/{record.version}" if record.version else record.model
    line = f"{at:%Y-%m-%d %H:%M:%S.%f}  {name:<24} {rows:<8} {took:<11} {record.status}"
    return CONTROL.sub(" ", f"{line}  {record.request_id}".rstrip())
