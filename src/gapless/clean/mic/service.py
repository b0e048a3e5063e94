"""A virtual microphone as a service of the user: what systemd and launchd have to be told.

In: a command and a name. Out: a unit or an agent as text, and the commands that install or remove it. Invariants:
nothing is run or written here; nothing needs root. Thread: any.

Sources: systemd.service(5), systemd.unit(5), systemd.exec(5); launchd.plist(5), launchctl(1).
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gapless.clean.mic.places import slug
from gapless.clean.mic.plan import DEFAULT_NAMES

SOUND_UNITS: Final = ("pipewire.service", "wireplumber.service", "pulseaudio.service")
"""What it starts after, if it is there; a sound server that comes later is waited for."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What is to run, and how it is told to the system."""

    file: Path
    """Where the unit or the agent lies."""
    content: bytes
    after_install: tuple[tuple[str, ...], ...]
    """Commands to run once the file is written."""
    before_install: tuple[tuple[str, ...], ...] = ()
    """Commands to run before that; they may fail."""
    before_removal: tuple[tuple[str, ...], ...]
    """Commands to run before the file is removed; they may fail."""
    after_removal: tuple[tuple[str, ...], ...] = ()


def systemd_service(name: str, command: Sequence[str], env: Mapping[str, str]) -> Service:
    """A unit of the user's own systemd.

    Args:
        name: of the virtual device.
        command: program and arguments.
        env: for the place of the units.
    """
    unit = f"{_label(name, '-')}.service"
    base = Path(env.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    line = " ".join(_systemd_word(word) for word in command)
    content = f"""[Unit]
Description={_systemd_text(name)} (Gapless)
After={" ".join(SOUND_UNITS)}
StartLimitIntervalSec=0

[Service]
ExecStart={line}
Restart=on-failure
RestartSec=2

[Install]
WantedBy=default.target
"""
    systemctl = ("systemctl", "--user")
    return Service(
        file=base / "systemd" / "user" / unit,
        content=content.encode(),
        after_install=(
            (*systemctl, "daemon-reload"),
            (*systemctl, "enable", unit),
            # A service that runs already has to run anew with what it was given now.
            (*systemctl, "restart", unit),
        ),
        before_removal=((*systemctl, "disable", "--now", unit),),
        after_removal=((*systemctl, "daemon-reload"),),
    )


def launchd_service(name: str, command: Sequence[str], user_id: int) -> Service:
    """An agent of the user's own launchd.

    Args:
        name: of the virtual device.
        command: program and arguments.
        user_id: whose.
    """
    label = _label(name, ".")
    file = Path("~/Library/LaunchAgents").expanduser() / f"{label}.plist"
    agent = {
        "Label": label,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        # Sound must not wait for the rest of the machine.
        "ProcessType": "Interactive",
    }
    remove = ("launchctl", "bootout", f"gui/{user_id}/{label}")
    return Service(
        file=file,
        content=plistlib.dumps(agent),
        after_install=(("launchctl", "bootstrap", f"gui/{user_id}", str(file)),),
        # Of an earlier installation, which would be in the way.
        before_install=(remove,),
        before_removal=(remove,),
    )


def _label(name: str, joint: str) -> str:
    for kind, usual in DEFAULT_NAMES.items():
        if name == usual:
            return f"gapless{joint}{kind}"
    return f"gapless{joint}mic{joint}{slug(name)}"


def _systemd_word(word: str) -> str:
    """A word of a command line as ExecStart reads it."""
    quoted = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_systemd_text(quoted).replace("$", "$$")}"'


def _systemd_text(text: str) -> str:
    """Text in which a percent sign is one."""
    return text.replace("%", "%%")
