"""What PulseAudio has, and what is loaded into it, through ``pactl``.

In: a running server. Out: its sources, sinks and defaults; modules loaded and unloaded. Invariants: a command that
does not answer is ended; what is ours carries our process's number, so that what a crash left behind is known.
Thread: any.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from gapless.errors import DeviceError, MissingDependencyError

ANSWER_S: Final = 5.0
OWNER: Final = "gapless.pid"
"""Property of our devices, and part of their modules' arguments."""
OWNER_IN_ARGUMENTS: Final = re.compile(rf"{re.escape(OWNER)}=(\d+)")
UNSAFE: Final = re.compile(r"[^\w ()+,.:-]")
"""What could end a quotation within a module's arguments."""


class Entry(msgspec.Struct, frozen=True):
    """A source or a sink, as ``pactl`` tells it."""

    name: str
    description: str
    sample_specification: str
    """Such as ``s16le 2ch 48000Hz``."""
    monitor_source: str = ""
    """Of a source: the sink that it monitors, if it is a monitor."""
    latency: dict[str, float] = {}
    """Microseconds: ``actual`` and ``configured``."""
    properties: dict[str, Any] = {}


def list_entries(kind: Literal["sources", "sinks"]) -> list[Entry]:
    """All sources, monitors too, or all sinks.

    Raises:
        MissingDependencyError: ``pactl`` is not installed.
        DeviceError: the server is gone, or ``pactl`` is too old.
    """
    text = ask("--format=json", "list", kind)
    try:
        return msgspec.json.decode(text, type=list[Entry])
    except msgspec.DecodeError as error:
        raise DeviceError(
            f"pactl lists its {kind} in a way that is not known ({error}); it takes version 16 or later: "
            "upgrade pulseaudio-utils"
        ) from error


def default_name(kind: Literal["source", "sink"]) -> str:
    """Name of the default source or sink; empty if there is none.

    Raises:
        MissingDependencyError: see ``list_entries``.
        DeviceError: see there.
    """
    return ask(f"get-default-{kind}").strip()


def load_module(module: str, arguments: Mapping[str, str], description: str) -> int:
    """Load a module whose device is ours.

    Args:
        module: such as ``module-null-sink``.
        arguments: its arguments; the one that ends in ``_properties`` is made here.
        description: of the device, for people.

    Returns:
        Its index, for ``unload_module``.

    Raises:
        MissingDependencyError: see ``list_entries``.
        DeviceError: the server refuses.
    """
    kind = "sink" if "sink" in module else "source"
    given = [f"{name}={value}" for name, value in arguments.items()]
    said = UNSAFE.sub("", description)
    properties = f"device.description='{said}' {OWNER}={os.getpid()}"
    answer = ask("load-module", module, *given, f'{kind}_properties="{properties}"')
    return int(answer)


def unload_module(index: int) -> None:
    """Unload a module and its device.

    Raises:
        MissingDependencyError: see ``list_entries``.
        DeviceError: it is gone already, or the server is.
    """
    ask("unload-module", str(index))


def unload_leftovers() -> None:
    """Remove devices of ours whose process is dead.

    Raises:
        MissingDependencyError: see ``list_entries``.
        DeviceError: the server is gone.
    """
    for line in reversed(ask("list", "short", "modules").splitlines()):
        index, _, arguments = line.partition("\t")
        owner = OWNER_IN_ARGUMENTS.search(arguments)
        if owner and not _runs(int(owner[1])):
            unload_module(int(index))


def ask(*arguments: str) -> str:
    """What ``pactl`` prints.

    Raises:
        MissingDependencyError: it is not installed.
        DeviceError: it fails.
    """
    program = shutil.which("pactl")
    if program is None:
        raise MissingDependencyError(
            "PulseAudio's devices are found by pactl, which is not installed; add it with: "
            "apt install pulseaudio-utils"
        )
    # Translated numbers would have commas.
    env = os.environ | {"LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(  # noqa: S603  arguments are ours; no shell
            (program, *arguments), env=env, capture_output=True, timeout=ANSWER_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            "the sound server does not answer; see how it is with: pactl info"
        ) from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().lower()
        raise DeviceError(
            f"the sound server refuses {arguments[0]} ({reason}); see how it is with: pactl info"
        )
    return done.stdout.decode(errors="replace")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
