"""Where the files of a virtual microphone lie: what it remembers, its lock and its socket.

In: its name, the environment. Out: paths. Invariants: two names never share a file; the folder of sockets is the user's
alone. Thread: any.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gapless.errors import AccessError, ConfigError

MOST_NAME_CHARS: Final = 64
SLUG_CHARS: Final = 24
"""A socket's path has to fit into 107 bytes."""


def check_name(name: str) -> str:
    """A name that people can read and a sound server can show.

    Raises:
        ConfigError: it is empty, too long or has characters that cannot be printed.
    """
    if not name.strip() or len(name) > MOST_NAME_CHARS or not name.isprintable():
        raise ConfigError(
            f"{name!r} is no name for a device; use 1 to {MOST_NAME_CHARS} printable characters",
            param="name",
        )
    return name


def slug(name: str) -> str:
    """A name as a part of a file's name: readable, and another one for every name."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:SLUG_CHARS]
    return f"{readable or 'mic'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def state_file(name: str, env: Mapping[str, str]) -> Path:
    """Where it is kept which devices a virtual microphone used."""
    if sys.platform == "win32":
        base = Path(env.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(env.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    return base / "gapless" / f"mic-{slug(name)}.json"


def runtime_folder(env: Mapping[str, str]) -> Path:
    """The folder of sockets and locks, made if it is not there.

    ``$XDG_RUNTIME_DIR/gapless``, else a folder of the user's in the one for temporary files.

    Raises:
        AccessError: somebody else's folder is in its place.
    """
    if base := env.get("XDG_RUNTIME_DIR"):
        folder = Path(base) / "gapless"
    else:
        user = env.get("USERNAME", "user") if sys.platform == "win32" else str(os.getuid())
        folder = Path(tempfile.gettempdir()) / f"gapless-{user}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform != "win32":
        facts = folder.lstat()
        if facts.st_uid != os.getuid() or facts.st_mode & 0o077 or folder.is_symlink():
            raise AccessError(
                f"{folder} is open to other users; remove it, or set XDG_RUNTIME_DIR to a folder of yours"
            )
    return folder
