"""``gapless serve``: the server and its console.

In: settings. Out: a running server, a banner that says where it is and what it keeps, and a table of what was chosen
for this machine. Invariants: an address that other machines can reach needs a key, which is refused before anything is
loaded. Thread: main, which becomes the event loop's.
"""

from __future__ import annotations

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gapless.cli.options import examples, load, with_settings
from gapless.settings import Resolved, Settings, Source
from gapless.tune.facts import Facts
from gapless.tune.probe import read_facts
from gapless.tune.table import machine_line, plan_table

if TYPE_CHECKING:
    from gapless.listen.recogniser.shelf.choice import Choice
    from gapless.serve.address import Addresses

LEAST_COLUMNS: Final = 60

WORKER: Final = (sys.executable, "-P", "-m", "gapless.cli.serve_worker")
"""Starts a worker; -P: nothing is imported from the working directory."""


@click.command(
    epilog=examples(
        "gapless serve",
        "gapless serve --model small.en --port 9000",
        "gapless serve --grpc-port 8001",
        "gapless serve --wyoming-port 10300",
        "gapless serve --workers 4",
        "GAPLESS_API_KEY=$(openssl rand -hex 24) gapless serve --host 0.0.0.0",
    )
)
@with_settings(
    "host",
    "port",
    "grpc_port",
    "wyoming_port",
    "wyoming_host",
    "workers",
    "api_key",
    "allowed_origins",
    "model",
    "language",
    "denoise",
    "endpointing_ms",
    "decoders",
    "threads",
    "max_sessions",
    "max_players",
    "play_samples",
    "save",
    "data_dir",
    "models_dir",
    "log_level",
    "log_format",
)
def serve(resolved: Resolved) -> None:
    """Start the server and its console.

    Without options it is open to this machine only, at http://127.0.0.1:8000. On any other address clients need the
    key; give it in the environment, for others on this machine can read the options of a command.
    """
    from gapless.observe.logs import configure_logs
    from gapless.serve.address import check_exposure, check_grpc

    settings = resolved.settings
    check_exposure(settings)
    check_grpc(settings)
    configure_logs(settings.log_level, settings.log_format)
    if resolved.sources["workers"].kind != "default":
        _serve_with_workers(resolved)
        return

    from gapless.engine import Engine

    with Engine(resolved) as engine, ThreadPoolExecutor(1) as starter:
        # The models load while the server is imported: each takes about half a second.
        started = starter.submit(engine.start)
        from gapless.serve.server import run_server

        started.result()
        model, key_source = engine.default_model(), resolved.sources["api_key"]
        table = start_table(resolved, read_facts(settings.data_path), columns())
        run_server(
            engine, lambda at: click.echo(f"{banner(at, settings, key_source, model)}\n{table}")
        )


def _serve_with_workers(resolved: Resolved) -> None:
    """Start as many processes as the settings say, also if it is one: so that they can be replaced."""
    from gapless.listen.recogniser.shelf.choice import Choice
    from gapless.serve.workers.orders import ReadyReport
    from gapless.serve.workers.supervisor import Launch, supervise

    given = dict(click.get_current_context().params)
    config: Path | None = given.pop("config")

    def show(ready: ReadyReport) -> None:
        choice = Choice(ready.model, ready.model_reason)
        text = banner(
            ready.addresses, resolved.settings, resolved.sources["api_key"], choice, os.getpid()
        )
        table = start_table(resolved, read_facts(resolved.settings.data_path), columns())
        click.echo(f"{text}\n{table}")

    supervise(Launch(resolved, WORKER, lambda: load(config, given), show))


def columns() -> int:
    """Characters of a line of the terminal."""
    return max(LEAST_COLUMNS, shutil.get_terminal_size((120, 24)).columns)


def start_table(resolved: Resolved, facts: Facts, most_columns: int) -> str:
    """The machine, and what was chosen for it, a setting a line; what is not used here is left out.

    Args:
        resolved: fitted settings.
        facts: of the machine.
        most_columns: where a line is cut.
    """
    settings = resolved.settings
    unused = {"executor_threads"} if settings.executor_threads == 1 else set()
    if settings.max_batch == 0:
        unused.add("max_batch")
    if not settings.store_url:
        unused.add("store_pool")
    title = f"  {click.style('Machine     ', dim=True)} {machine_line(facts)}"
    lines = [title, f"  {'':<12} `gapless config explain` says more of these:"]
    lines += [
        f"    {line}" for line in plan_table(resolved, columns=most_columns - 4, without=unused)
    ]
    return "\n".join(lines)


def banner(
    at: Addresses,
    settings: Settings,
    key_source: Source,
    model: Choice,
    supervisor_pid: int | None = None,
) -> str:
    """What a person wants to know once the server answers."""
    from gapless.store.open import label_of, place_of

    if settings.api_key is None:
        key = "none, so only this machine may connect"
    else:
        key = f"clients must send the one from {key_source.detail}"
    facts = {
        "Console": at.url,
        "Music": f"{at.url}/play",
        "Status": f"{at.url}/status",
        "Interfaces": f"{at.url}/docs",
        "KServe": f"{at.url}/v2" + (f", and over gRPC at {at.grpc}" if at.grpc else ""),
        **({"Wyoming": at.wyoming} if at.wyoming else {}),
        "Model": f"{model.name}: {model.reason}",
        "Transcripts": label_of(place_of(settings)) if settings.save else "not kept",
        **({"Redis": "asked behind the cache in memory"} if settings.redis_url else {}),
        "Key": key,
    }
    if supervisor_pid is not None:
        facts["Workers"] = f"{settings.workers}; `kill -HUP {supervisor_pid}` reads settings anew"
    lines = [f"  {click.style(f'{name:<12}', dim=True)} {fact}" for name, fact in facts.items()]
    title = click.style("Gapless is listening", bold=True) + "; Ctrl-C stops it."
    return "\n".join([title, *lines])
