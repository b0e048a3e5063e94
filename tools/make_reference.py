"""Write what says what the code says: docs/reference/{cli,settings,errors,play-*}.md and .env.example.

    .venv/bin/python tools/make_reference.py          writes them
    .venv/bin/python tools/make_reference.py --check  exit code 1 if one is stale

In: the commands, ``Settings``, the tree of errors and the catalogues of playing. Out: Markdown. Invariants: the same
code gives the same pages on every machine; tests/docs/test_docs_reference.py fails when a page is stale.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import click
import metrics_reference
import play_reference

from gapless import errors
from gapless.cli.config import env_template, toml_value
from gapless.cli.main import main as gapless_command
from gapless.errors import GaplessError
from gapless.serve.problem import STATUS
from gapless.settings import describe_settings

ROOT: Final = Path(__file__).parents[1]

FOLDER: Final = ROOT / "docs" / "reference"

HELP_COLUMNS: Final = 92

CLI_INTRODUCTION: Final = """\
<!-- Made by tools/make_reference.py from the code: change it there. -->

# The command line

Exit codes: 0 done, 1 failed (of many files: some failed), 2 wrong usage or settings, 130 interrupted by Ctrl-C.
Errors go to standard error, one sentence each.
"""

SETTINGS_INTRODUCTION: Final = """\
<!-- Made by tools/make_reference.py from the code: change it there. -->

# Settings

A setting is taken from, in order of increasing weight: its default, the settings file (`--config`, `$GAPLESS_CONFIG`,
`./gapless.toml` or `~/.config/gapless/gapless.toml`), the variable `GAPLESS_<NAME>`, and the option of a command.
A name that is unknown or a value out of its bounds stops the start. `gapless config show` prints what is in force and
where it came from; `gapless config template` prints a file to start from, and `gapless config template --env` variables
(they are in `.env.example` too).

A setting with the default *planned* is chosen for the machine where nobody sets it: by what `gapless tune` measured
here, else by a formula. `GAPLESS_<NAME>_MIN` and `GAPLESS_<NAME>_MAX`, or `<name>_min` and `<name>_max` in a table
`[bounds]` of the file, keep what is chosen within bounds. [Fit the machine](../howto/fit-the-machine.md) says more.
"""

ERRORS_INTRODUCTION: Final = """\
<!-- Made by tools/make_reference.py from the code: change it there. -->

# Errors

In Python every error is a `gapless.GaplessError`. Its `code` is what HTTP and WebSocket clients see; `retryable` says
whether the same request may succeed later, and `retry_after_ms` when. Messages are for people, end with what to do, and
may change; codes do not.
"""


def pages() -> dict[Path, str]:
    """Every page with its text."""
    return {
        FOLDER / "cli.md": cli_page(),
        FOLDER / "settings.md": settings_page(),
        ROOT / ".env.example": env_template(describe_settings()),
        FOLDER / "errors.md": errors_page(),
        FOLDER / "metrics.md": metrics_reference.metrics_page(),
        FOLDER / "play-units.md": play_reference.units_page(),
        FOLDER / "play-transforms.md": play_reference.transforms_page(),
        FOLDER / "play-voices.md": play_reference.voices_page(),
    }


def cli_page() -> str:
    """The help of every command, as it prints it."""
    sections = [
        f"## `{path}`\n\n```text\n{text}\n```\n" for path, text in helps("gapless", gapless_command)
    ]
    return "\n".join([CLI_INTRODUCTION, *sections])


def helps(
    path: str, command: click.Command, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """A command and all below it, each with its help."""
    name = path.rpartition(" ")[2]
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=HELP_COLUMNS,
        **command.context_settings,
    )
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is not None:
                yield from helps(f"{path} {child_name}", child, context)


def settings_page() -> str:
    """A table for each group of settings."""
    lines = [SETTINGS_INTRODUCTION]
    for group, infos in groupby(describe_settings(), key=lambda info: info.group):
        lines += [
            f"## `[{group}]`\n",
            "| name | default | unit | allowed | |",
            "|---|---|---|---|---|",
        ]
        for info in infos:
            allowed = f"{info.type}: {info.bounds}" if info.bounds else info.type
            cells = (
                f"`{info.name}`",
                "planned" if info.planned else f"`{toml_value(info.default)}`",
                info.unit,
                allowed.replace("|", "\\|"),
                info.help.replace("|", "\\|"),
            )
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def errors_page() -> str:
    """The tree of errors, with the code, status and meaning of each."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, GaplessError)
    ]
    tree = inspect.cleandoc(errors.__doc__ or "").split("\n\n")[1]
    lines = [
        ERRORS_INTRODUCTION,
        f"```text\n{inspect.cleandoc(tree)}\n```\n",
        "| code | class | HTTP status | retryable | |",
        "|---|---|---|---|---|",
    ]
    for kind in kinds:
        meaning = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("``", "`")
        retryable = "yes" if kind.retryable else "no"
        lines.append(
            f"| `{kind.code}` | `{kind.__name__}` | {status(kind)} | {retryable} | {meaning} |"
        )
    return "\n".join(lines) + "\n"


def status(kind: type[GaplessError]) -> int:
    """The HTTP status of an error: its own or that of its nearest parent."""
    return next(STATUS[parent] for parent in kind.__mro__ if parent in STATUS)


def main() -> None:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a page is stale"
    )
    only_check = parser.parse_args().check
    stale = [
        page
        for page, text in pages().items()
        if not page.is_file() or page.read_text("utf-8") != text
    ]
    for page in stale:
        print(f"stale: {page.relative_to(FOLDER.parents[1])}")
        if not only_check:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(pages()[page], "utf-8")
    if only_check and stale:
        sys.exit(1)


if __name__ == "__main__":
    main()
