"""``gapless mic install-service | uninstall-service``: run the virtual microphone whenever the user is logged in.

In: what is to run. Out: a unit of systemd or an agent of launchd, and the commands that were run. Invariants: no root;
the file is written whole or not at all; what is run is shown. Thread: main.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from gapless.cli.mic_options import RunOptions, as_arguments, make_plan, run_options
from gapless.cli.options import examples
from gapless.errors import GaplessError, MissingDependencyError, NotFoundError, StoreError

if TYPE_CHECKING:
    from gapless.clean.mic.service import Service

COMMAND_S: Final = 60.0


@click.command(
    "install-service",
    epilog=examples(
        "gapless mic install-service",
        "gapless mic install-service --input usb --amount 0.8",
        "gapless mic install-service --print",
    ),
)
@click.option(
    "--print", "only_print", is_flag=True, help="Print the unit or agent, and do nothing."
)
@run_options
def install_service(options: RunOptions, *, only_print: bool) -> None:
    """Run it from now on, whenever you are logged in.

    It becomes a service of your own, started again if it fails: a systemd user unit on Linux, a launchd agent on macOS.
    No root is needed. The options are those that it runs with; variables of this shell are not. Install again to change
    them.
    """
    from gapless.clean.mic.remembered import write_atomically

    plan = make_plan(options)
    service = make_service(plan.name, [*program(), *as_arguments(options), "--quiet"])
    if only_print:
        click.echo(service.content, nl=False)
        return
    _require(service)
    for command in service.before_install:
        _run(command, may_fail=True)
    write_atomically(service.file, service.content)
    click.echo(f"wrote {service.file}")
    for command in service.after_install:
        _run(command)
    click.echo("It runs; see it with: gapless mic status")


@click.command(
    "uninstall-service",
    epilog=examples("gapless mic uninstall-service", 'gapless mic uninstall-service --name "Desk"'),
)
@click.option("--output", is_flag=True, help="That of the virtual speaker.")
@click.option("--name", metavar="NAME", help="That of the virtual device of this name.")
def uninstall_service(*, output: bool, name: str | None) -> None:
    """End the service and remove it."""
    from gapless.clean.mic.plan import DEFAULT_NAMES

    name = name or DEFAULT_NAMES["speaker" if output else "microphone"]
    service = make_service(name, program())
    if not service.file.exists():
        raise NotFoundError(
            f"there is no service {service.file}; nothing was installed for “{name}”"
        )
    _require(service)
    for command in service.before_removal:
        _run(command, may_fail=True)
    try:
        service.file.unlink()
    except OSError as error:
        raise StoreError(
            f"{service.file} cannot be removed ({error.strerror}); remove it"
        ) from error
    click.echo(f"removed {service.file}")
    for command in service.after_removal:
        _run(command)


def program() -> list[str]:
    """The command that this is, from any folder."""
    return [sys.executable, "-m", "gapless", "mic"]


def make_service(name: str, command: Sequence[str]) -> Service:
    """The service for this system.

    Raises:
        MissingDependencyError: it has none that we know.
    """
    from gapless.clean.mic.service import launchd_service, systemd_service

    if sys.platform == "darwin":
        return launchd_service(name, command, os.getuid())
    if sys.platform == "linux":
        return systemd_service(name, command, os.environ)
    raise MissingDependencyError(
        "services are for systemd and launchd; on Windows put a shortcut to "
        f"`{shlex.join(command)}` into the folder that Win+R, shell:startup opens"
    )


def _require(service: Service) -> None:
    tool = service.after_install[0][0]
    if shutil.which(tool) is None:
        raise MissingDependencyError(
            f"there is no {tool} here; let your session start this instead: "
            f"{shlex.join([*program(), '--quiet'])}"
        )


def _run(command: Sequence[str], *, may_fail: bool = False) -> None:
    """Run a command and show it."""
    click.echo(f"$ {shlex.join(command)}")
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, capture_output=True, text=True, check=False, timeout=COMMAND_S
        )
    except subprocess.TimeoutExpired as error:
        raise GaplessError(f"{shlex.join(command)} takes too long; run it by hand") from error
    if done.returncode and not may_fail:
        reason = done.stderr.strip() or f"exit code {done.returncode}"
        raise GaplessError(f"{shlex.join(command)} failed ({reason}); run it by hand to see why")
