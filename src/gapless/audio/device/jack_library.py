"""libjack by ctypes: the two libraries of that name, and the few functions that are used of them.

In: which one is wanted. Out: the library with the types of its functions declared, silent. Invariants: both can be
loaded side by side, because each is loaded by its path: they share a name. Nothing is loaded before it is asked for.
Thread: any; calls release the interpreter lock.

Source: the JACK API, ``jack/jack.h`` and ``jack/types.h``. PipeWire installs a library of the same name, in a folder
of its own, which its program ``pw-jack`` puts into a client's way.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sysconfig
from collections.abc import Iterator
from ctypes import POINTER, c_char_p, c_int, c_uint32, c_ulong, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, final

from gapless.audio.device.jack_callback import ignore_message
from gapless.errors import MissingDependencyError

Flavour = Literal["pipewire", "jack"]

AUDIO_TYPE: Final = b"32 bit float mono audio"
IS_INPUT: Final = 0x1
IS_OUTPUT: Final = 0x2
IS_PHYSICAL: Final = 0x4
NO_START_SERVER: Final = 0x1
CAPTURE_LATENCY: Final = 0
PLAYBACK_LATENCY: Final = 1

NAMES: Final = ("libjack.so.0", "libjack.0.dylib", "libjack64.dll", "libjack.dll")
"""The library's names on Linux, macOS and Windows."""

INSTALL: Final[dict[Flavour, str]] = {"pipewire": "pipewire-jack", "jack": "jackd2"}
"""Debian's packages."""


@final
class LatencyRange(ctypes.Structure):
    """``jack_latency_range_t``, in frames."""

    _fields_ = (("least", c_uint32), ("most", c_uint32))


_FUNCTIONS: Final[dict[str, tuple[Any, list[Any]]]] = {
    "jack_client_open": (c_void_p, [c_char_p, c_int, POINTER(c_int)]),
    "jack_client_close": (c_int, [c_void_p]),
    "jack_get_client_name": (c_char_p, [c_void_p]),
    "jack_activate": (c_int, [c_void_p]),
    "jack_deactivate": (c_int, [c_void_p]),
    "jack_set_process_callback": (c_int, [c_void_p, c_void_p, c_void_p]),
    "jack_set_xrun_callback": (c_int, [c_void_p, c_void_p, c_void_p]),
    "jack_set_sample_rate_callback": (c_int, [c_void_p, c_void_p, c_void_p]),
    "jack_on_shutdown": (None, [c_void_p, c_void_p, c_void_p]),
    "jack_set_error_function": (None, [c_void_p]),
    "jack_set_info_function": (None, [c_void_p]),
    "jack_get_sample_rate": (c_uint32, [c_void_p]),
    "jack_get_buffer_size": (c_uint32, [c_void_p]),
    "jack_port_register": (c_void_p, [c_void_p, c_char_p, c_char_p, c_ulong, c_ulong]),
    "jack_port_get_buffer": (c_void_p, [c_void_p, c_uint32]),
    "jack_port_name": (c_char_p, [c_void_p]),
    "jack_port_by_name": (c_void_p, [c_void_p, c_char_p]),
    "jack_port_flags": (c_int, [c_void_p]),
    "jack_port_connected": (c_int, [c_void_p]),
    "jack_port_get_connections": (POINTER(c_char_p), [c_void_p]),
    "jack_port_get_latency_range": (None, [c_void_p, c_int, POINTER(LatencyRange)]),
    "jack_get_ports": (POINTER(c_char_p), [c_void_p, c_char_p, c_char_p, c_ulong]),
    "jack_connect": (c_int, [c_void_p, c_char_p, c_char_p]),
    "jack_port_disconnect": (c_int, [c_void_p, c_void_p]),
    "jack_free": (None, [c_void_p]),
}


@cache
def load_jack(flavour: Flavour) -> ctypes.CDLL:
    """PipeWire's libjack, or that of a JACK server.

    Raises:
        MissingDependencyError: it is not installed.
    """
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        if _flavour(library) == flavour:
            return _declare(library)
    whose = "PipeWire's JACK library" if flavour == "pipewire" else "the JACK library"
    raise MissingDependencyError(
        f"{whose} is not installed; on Debian and Ubuntu: apt install {INSTALL[flavour]}"
    )


def take_names(library: ctypes.CDLL, names: Any) -> list[str]:
    """The strings of a list that the library gave away; the list is freed."""
    found: list[str] = []
    if names:
        while (name := names[len(found)]) is not None:
            found.append(name.decode())
        library.jack_free(ctypes.cast(names, c_void_p))
    return found


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    # Errors come back as results; what the library says of them belongs on nobody's terminal.
    library.jack_set_error_function(ignore_message.address)
    library.jack_set_info_function(ignore_message.address)
    return library


def _flavour(library: ctypes.CDLL) -> Flavour:
    """Whose it is: some systems have PipeWire's in the place of JACK's."""
    try:
        version = library.jack_get_version_string
    except AttributeError:
        return "jack"
    version.restype = c_char_p
    return "pipewire" if b"PipeWire" in version() else "jack"


def _candidates() -> Iterator[str]:
    """Paths to try: the user's own folders, those of the two libraries, the system's order."""
    chosen = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    for folder in (*chosen, *_folders_of_pw_jack(), *_library_folders()):
        for path in (Path(folder) / name for name in NAMES):
            if path.exists():
                yield str(path)
    yield from NAMES


def _library_folders() -> list[str]:
    triplet = sysconfig.get_config_var("MULTIARCH")
    names = [f"lib/{triplet}"] if triplet else []
    names += ["lib64", "lib"]
    roots = ("/usr/local", "/usr", "/opt/homebrew")
    return [f"{root}/{name}" for root in roots for name in names]


def _folders_of_pw_jack() -> list[str]:
    """Where ``pw-jack`` lets clients look; ``${LIB}`` is the loader's word for the library folder."""
    program = shutil.which("pw-jack")
    text = Path(program).read_text(errors="replace") if program is not None else ""
    told = re.findall(r"LD_LIBRARY_PATH=[\'\"]?([^\'\":\s]+)", text)
    return [folder.replace("/usr/${LIB}", usual) for folder in told for usual in _library_folders()]
