"""``gapless monitor``: how a running server and microphone do, judged by the targets.

In: the address of a server. Out: a dashboard, lines, JSON, rows of CSV; with ``--once`` an exit code that scripts can
use. Invariants: it changes nothing, and goes on when the server goes away and comes back. Thread: main, beside one that
asks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gapless.cli.options import examples

if TYPE_CHECKING:
    from gapless.cli.monitor_ask import Look
    from gapless.observe.status import Judgement

DEFAULT_URL: Final = "http://127.0.0.1:8000"

EXIT_CODES: Final[dict[Judgement, int]] = {"all met": 0, "good": 1, "attention": 2}
AWAY_CODE: Final = 2
"""No server answers."""


@click.command(
    epilog=examples(
        "gapless monitor",
        "gapless monitor http://studio.lan:8000 --csv studio.csv",
        "gapless monitor --once            exit code 0 all met, 1 good, 2 attention or away",
        "gapless monitor --once --json | jq .targets",
    )
)
@click.argument("url", default=DEFAULT_URL, metavar="[URL]")
@click.option("--api-key", envvar="GAPLESS_API_KEY", metavar="TEXT", help="Key of the server.")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    metavar="S",
    help="Seconds from one look to the next.",
)
@click.option("--once", is_flag=True, help="Look once; the exit code says how it does.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also add a row to this file with each look.",
)
def monitor(
    url: str,
    *,
    api_key: str | None,
    every_s: float,
    once: bool,
    as_json: bool,
    csv_file: Path | None,
) -> None:
    """Watch a running server and microphone.

    Shows the five targets (3 or 4 of them met is good, fewer need attention), then latency, streams, models, caches
    and breakers over the last minute. q or Ctrl-C ends it. Where the output is no terminal it writes a line a look.

    With --once the exit code is 0 if all targets are met, 1 if it is good, and 2 if it needs attention or no server
    answers.
    """
    from gapless.cli.monitor_ask import look, server_url
    from gapless.cli.monitor_log import open_log
    from gapless.cli.monitor_words import CSV_COLUMNS, csv_row

    address = server_url(url)

    with ExitStack() as stack:
        log = None if csv_file is None else stack.enter_context(open_log(csv_file, CSV_COLUMNS))

        def note(seen: Look) -> None:
            if log is not None:
                log.write(csv_row(seen))

        def ask() -> Look:
            return look(address, api_key)

        if once:
            seen = ask()
            note(seen)
            raise click.exceptions.Exit(_show_once(seen, as_json=as_json))
        _watch(ask, note, every_s, as_json=as_json)


def _show_once(seen: Look, *, as_json: bool) -> int:
    """Print it; the exit code."""
    import msgspec
    from rich.console import Console

    from gapless.cli.monitor_view import render

    status = seen.status
    if status is None:
        click.secho(f"gapless: {seen.trouble}", fg="red", err=True)
    if as_json and status is not None:
        click.echo(msgspec.json.encode(status))
    elif not as_json and (status is not None or seen.microphone is not None):
        console = Console()
        console.print(render(seen, console.width, None), highlight=False)
    return AWAY_CODE if status is None else EXIT_CODES[status.judgement]


def _watch(
    ask: Callable[[], Look], note: Callable[[Look], None], every_s: float, *, as_json: bool
) -> None:
    from gapless.cli.monitor_shows import KEYS_S, Watch, choose_show

    try:
        with Watch(ask, every_s) as watch, choose_show(as_json=as_json) as show:
            going = True
            while going:
                seen = watch.take(KEYS_S)
                if seen is not None:
                    note(seen)
                going = show(seen)
    except KeyboardInterrupt:
        return
