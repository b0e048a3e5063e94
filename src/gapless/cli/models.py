"""``gapless models``: which models are here, how to add and remove one, and what one of them is like.

In: settings. Out: a list, a folder, or a model more or less on the shelf. Thread: main.
"""

from __future__ import annotations

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

    Recognisers turn speech into text. PocketSphinx is always here; it is small, and wrong about one word in four. Pull
    a better one by name where a model hub can be reached, or add a folder with one.

    Models of tensors are ONNX files, NAME/1/model.onnx in the same folder; the server serves them to any client.
    """


@models.command("list")
@click.option("--available", is_flag=True, help="List what can be pulled instead.")
@json_option
@with_settings("model", "models_dir", "language")
def list_models(resolved: Resolved, *, available: bool, as_json: bool) -> None:
    """List the models that are here: recognisers, the default first, and models of tensors."""
    from gapless.cli.model_list import list_all, list_available, print_available, print_list

    if available:
        offered = list_available(resolved.settings)
        if as_json:
            click.echo(msgspec.json.encode(offered))
        else:
            print_available(offered)
        return
    found = list_all(resolved.settings)
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        print_list(found)


@models.command(
    epilog=examples(
        "gapless models pull small.en",
        "gapless models pull owner/name --include '*.int8.onnx' --include tokens.txt",
    )
)
@click.argument("name")
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="Files to fetch of a model that is not in the catalogue, such as *.int8.onnx; may be repeated.",
)
@json_option
@with_settings("models_dir")
def pull(resolved: Resolved, name: str, *, include: tuple[str, ...], as_json: bool) -> None:
    """Add a model from the model hub.

    NAME is one of `gapless models list --available`, or owner/name of a Whisper model in CTranslate2 format or of ONNX
    files of a known kind. Every file is checked. What an interrupted pull has fetched is used by the next. The hub is
    Hugging Face, or the one that $HF_ENDPOINT names.
    """
    from gapless.cli.model_pull import pull as pull_one
    from gapless.listen.recogniser.shelf.hub.pull import PullOptions

    pulled = pull_one(resolved.settings, name, PullOptions(include=include))
    if as_json:
        click.echo(msgspec.json.encode(pulled))
    else:
        terms = f" ({pulled.licence})" if pulled.licence else ""
        click.echo(f"{pulled.name} is in {pulled.folder}{terms}")


@models.command(
    epilog=examples(
        "gapless models add ./my-whisper", "gapless models add /mnt/models/zipformer --link"
    )
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it.  [default: the folder's name]")
@click.option("--link", is_flag=True, help="Link to the files instead of copying them.")
@json_option
@with_settings("models_dir")
def add(resolved: Resolved, folder: Path, *, name: str | None, link: bool, as_json: bool) -> None:
    """Add a folder with a recogniser.

    FOLDER holds a Whisper model in CTranslate2 format, or the ONNX files and tokens of a model of a known kind. It is
    left as it is.
    """
    from gapless.listen.recogniser.shelf.install import add_model

    target = add_model(folder, resolved.settings.models_path, name, link=link)
    if as_json:
        click.echo(msgspec.json.encode({"name": target.name, "folder": str(target)}))
    else:
        click.echo(f"{target.name} is in {target}")


@models.command(
    epilog=examples("gapless models remove small.en", "gapless models remove tiny --yes")
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@with_settings("models_dir")
def remove(resolved: Resolved, name: str, *, yes: bool, as_json: bool) -> None:
    """Remove a recogniser that was pulled or added."""
    from gapless.listen.recogniser.shelf.install import remove_model, require_model

    folder = require_model(name, resolved.settings.models_path)
    if not yes:
        click.confirm(f"Delete {folder}?", abort=True, err=True)
    remove_model(name, resolved.settings.models_path)
    if as_json:
        click.echo(msgspec.json.encode({"name": name, "removed": True}))
    else:
        click.echo(f"{name} is gone")


@models.command(epilog=examples("gapless models verify", "gapless models verify small.en --json"))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@with_settings("models_dir")
def verify(resolved: Resolved, names: tuple[str, ...], *, as_json: bool) -> None:
    """Check that recognisers are as they came.

    Every file is summed again and compared with what was written down when the model was pulled or added. The exit code
    is 1 if one is broken.
    """
    from gapless.cli.model_verify import print_verified
    from gapless.cli.model_verify import verify as verify_all

    found = verify_all(resolved.settings, names)
    if as_json:
        click.echo(msgspec.json.encode({"models": found}))
    else:
        print_verified(found)
    if any(model.state == "broken" for model in found):
        raise click.exceptions.Exit(1)


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
