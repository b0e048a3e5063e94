"""``gapless models``: which models are here, how to add one, and what one of them is like.

In: settings. Out: a list, a folder, or a model more on the shelf. Thread: main.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import click
import msgspec

from gapless.cli.options import examples, with_settings
from gapless.settings import Resolved

MODEL_SETTINGS: Final = ("models_dir", "provider", "executor_threads")
"""What loading a model depends on."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.group()
def models() -> None:
    """List, add, inspect, shrink and time models.

    Recognisers turn speech into text. PocketSphinx is always here; it is small, and wrong about one word in four. A
    Whisper model is far better: pull one by name where a model hub can be reached, or copy a CTranslate2 model
    directory into `gapless models path`.

    Models of tensors are ONNX files, NAME/1/model.onnx in the same folder; the server serves them to any client.
    """


@models.command("list")
@json_option
@with_settings("model", "models_dir")
def list_models(resolved: Resolved, *, as_json: bool) -> None:
    """List the models that are here: recognisers, the default first, and models of tensors."""
    from gapless.cli.model_list import list_all, print_list

    found = list_all(resolved.settings)
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        print_list(found)


@models.command(epilog=examples("gapless models pull small.en", "gapless serve --model small.en"))
@click.argument("name")
@with_settings("models_dir")
def pull(resolved: Resolved, name: str) -> None:
    """Add a model from the model hub.

    NAME is one of the usual names of Whisper models (tiny, base, small, medium, large-v3, large-v3-turbo; the first
    four with .en for English only), or owner/name of a Whisper model in CTranslate2 format. What an interrupted pull
    has fetched is used by the next.
    """
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from gapless.listen.recogniser.shelf import Shelf

    bars = Progress(
        *Progress.get_default_columns(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        redirect_stdout=False,
    )
    with bars, closing(Shelf(resolved.settings)) as shelf:
        bar = bars.add_task(name, total=None)
        info = shelf.pull(name, lambda done, total: bars.update(bar, completed=done, total=total))
    click.echo(f"{info.name} is in {resolved.settings.models_path / info.name}")


@models.command()
@with_settings("models_dir")
def path(resolved: Resolved) -> None:
    """Print the folder that models are kept in."""
    click.echo(resolved.settings.models_path)


@models.command(
    epilog=examples("gapless models inspect silero_vad", "gapless models inspect my.onnx")
)
@click.argument("name")
@json_option
@with_settings(*MODEL_SETTINGS)
def inspect(resolved: Resolved, name: str, *, as_json: bool) -> None:
    """Show what a model takes and gives, what computes it, and how fast.

    NAME is a model of tensors from `gapless models list`, or the path of an ONNX file. The model is loaded and tried.
    """
    from gapless.cli.model_inspect import inspect_model, print_inspection

    inspection = inspect_model(resolved.settings, name)
    if as_json:
        click.echo(msgspec.json.encode(inspection))
    else:
        print_inspection(inspection)


@models.command(
    epilog=examples(
        "gapless models quantize my_model --samples inputs.npz",
        "gapless models quantize my_model --tolerance 0.02 --json",
    )
)
@click.argument("name")
@click.option(
    "--samples",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.npz",
    help="Inputs to compare with: an array for each input, its first axis counting rows.  [default: random numbers]",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Largest relative error (RMS), and share of other labels.",
)
@click.option(
    "--min-speedup",
    type=click.FloatRange(0),
    default=1.1,
    show_default=True,
    help="How many times as fast it must be, at every batch size.",
)
@click.option("--force", is_flag=True, help="Use it whatever is measured.")
@json_option
@with_settings("models_dir", "executor_threads")
def quantize(
    resolved: Resolved,
    name: str,
    *,
    samples: Path | None,
    tolerance: float,
    min_speedup: float,
    force: bool,
    as_json: bool,
) -> None:
    """Write a model's 8-bit version, and use it if it is faster and close enough.

    NAME is a model of tensors from `gapless models list`, or the path of an ONNX file. Beside model.onnx appear
    model.int8.onnx and model.int8.toml, a report of what was measured. The 8-bit version is used on machines like this
    one for as long as the model does not change; delete the two files, or write `use = false` into the report, to go
    back.
    """
    from rich.console import Console

    from gapless.cli.model_quantize import print_report, quantize_model
    from gapless.infer.onnx.int8.quantize import QuantizeOptions

    options = QuantizeOptions(
        tolerance=tolerance,
        min_speedup=min_speedup,
        force=force,
        samples=samples,
        threads=resolved.settings.executor_threads,
    )
    with Console(stderr=True).status("") as status:
        report = quantize_model(resolved.settings, name, options, status.update)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        print_report(report)


@models.command(
    epilog=examples("gapless models bench silero_vad", "gapless models bench my.onnx --json")
)
@click.argument("name")
@click.option(
    "--seconds",
    type=click.FloatRange(0.05, 600),
    default=1.0,
    show_default=True,
    help="Time for each batch size.",
)
@json_option
@with_settings(*MODEL_SETTINGS)
def bench(resolved: Resolved, name: str, *, seconds: float, as_json: bool) -> None:
    """Measure how long calls of a model take, at every batch size.

    NAME is a model of tensors from `gapless models list`, or the path of an ONNX file. It is given random numbers,
    without a queue or other callers; `gapless bench inference` measures those too.
    """
    from rich.console import Console

    from gapless.cli.model_bench import print_times, time_model

    with Console(stderr=True).status("loading") as status:
        times = time_model(resolved.settings, name, seconds, status.update)
    if as_json:
        click.echo(msgspec.json.encode(times))
    else:
        print_times(times)
