"""``gapless serve``: the server and its console.

In: settings. Out: a running server, and a banner that says where it is and what it keeps. Invariants: an address that
other machines can reach needs a key, which is refused before anything is loaded. Thread: main, which becomes the event
loop's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gapless.cli.options import examples, with_settings
from gapless.settings import Resolved, Settings, Source

if TYPE_CHECKING:
    from gapless.listen.recogniser.shelf.choice import Choice
    from gapless.serve.server import Addresses


@click.command(
    epilog=examples(
        "gapless serve",
        "gapless serve --model small.en --port 9000",
        "gapless serve --grpc-port 8001",
        "gapless serve --wyoming-port 10300",
        "GAPLESS_API_KEY=$(openssl rand -hex 24) gapless serve --host 0.0.0.0",
    )
)
@with_settings(
    "host",
    "port",
    "grpc_port",
    "wyoming_port",
    "wyoming_host",
    "api_key",
    "allowed_origins",
    "model",
    "language",
    "denoise",
    "endpointing_ms",
    "decoders",
    "threads",
    "max_sessions",
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
    from gapless.engine import Engine
    from gapless.observe.logs import configure_logs
    from gapless.serve.server import check_exposure, check_grpc, run_server

    settings = resolved.settings
    check_exposure(settings)
    check_grpc(settings)
    configure_logs(settings.log_level, settings.log_format)
    with Engine(settings) as engine:
        engine.start()
        model, key_source = engine.default_model(), resolved.sources["api_key"]
        run_server(engine, lambda at: click.echo(banner(at, settings, key_source, model)))


def banner(at: Addresses, settings: Settings, key_source: Source, model: Choice) -> str:
    """What a person wants to know once the server answers."""
    if settings.api_key is None:
        key = "none, so only this machine may connect"
    else:
        key = f"clients must send the one from {key_source.detail}"
    facts = {
        "Console": at.url,
        "Interfaces": f"{at.url}/docs",
        "KServe": f"{at.url}/v2" + (f", and over gRPC at {at.grpc}" if at.grpc else ""),
        **({"Wyoming": at.wyoming} if at.wyoming else {}),
        "Model": f"{model.name}: {model.reason}",
        "Transcripts": str(settings.database_path) if settings.save else "not kept",
        "Key": key,
    }
    lines = [f"  {click.style(f'{name:<12}', dim=True)} {fact}" for name, fact in facts.items()]
    title = click.style("Gapless is listening", bold=True) + "; Ctrl-C stops it."
    return "\n".join([title, *lines])
