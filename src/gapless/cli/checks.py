"""What ``gapless doctor`` looks at, one function a fact.

In: settings. Out: a ``Check`` each, with the one command that mends it. Invariants: nothing is changed on the machine;
every check ends within seconds. Thread: any.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final, Literal

import msgspec

from gapless.errors import GaplessError
from gapless.settings import Settings
from gapless.tune.fit import read_measured
from gapless.tune.probe import read_facts
from gapless.tune.table import machine_line

MIB: Final = 1024 * 1024

WANTED_MEMORY_BYTES: Final = 600 * MIB
"""What a server with the default models holds."""

WANTED_DISK_BYTES: Final = 200 * MIB

HUB_TIMEOUT_S: Final = 3.0


class Check(msgspec.Struct, frozen=True):
    """One fact about this machine."""

    name: str
    state: Literal["ok", "warn", "fail"]
    """``warn``: something optional is missing; ``fail``: Gapless does not work without it."""
    detail: str
    fix: str = ""
    """A command, or for things no command mends a few words."""


def check_python(_settings: Settings) -> Check:
    """Which interpreter runs which Gapless."""
    system = f"{platform.system()} {platform.machine()}"
    return Check(
        "python", "ok", f"{platform.python_version()} on {system}, Gapless {version('gapless')}"
    )


def check_cpus(_settings: Settings) -> Check:
    """The part of this machine that this process may use."""

    def probe() -> str:
        return machine_line(read_facts())

    return _probe("cpus", "fail", probe, "pip install --force-reinstall gapless")


def check_memory(settings: Settings) -> Check:
    """Memory that is available for the default models, below the limits of a container too."""
    facts = read_facts(settings.data_path)
    if facts.available_bytes is None:
        return Check("memory", "ok", "not known on this system")
    detail = f"{facts.available_bytes // MIB} MB available"
    if facts.memory_limit_bytes is not None:
        detail += f" below the limit of {facts.memory_limit_bytes // MIB} MB"
    if facts.available_bytes < WANTED_MEMORY_BYTES:
        wanted_mib = WANTED_MEMORY_BYTES // MIB
        return Check(
            "memory", "warn", f"{detail}, {wanted_mib} MB wanted", "gapless serve --decoders 1"
        )
    return Check("memory", "ok", detail)


def check_tuned(settings: Settings) -> Check:
    """Whether the plan goes by measurements of this machine."""
    kept = read_measured(settings, read_facts(settings.data_path))
    if kept.measured is not None:
        found = ", ".join(f"{name} {value}" for name, value in kept.measured.values.items())
        return Check("tuned", "ok", f"measured: {found or 'the formulas hold'}")
    if kept.notice:
        return Check("tuned", "warn", kept.notice, "gapless tune")
    return Check("tuned", "ok", "by formula; `gapless tune` measures this machine")


def check_data_dir(settings: Settings) -> Check:
    """Transcripts can be kept."""
    folder = settings.data_path
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        fix = "gapless serve --data-dir DIR"
        return Check("data folder", "fail", f"{folder} cannot be written", fix)
    free_bytes = shutil.disk_usage(existing).free
    detail = f"{folder}, {free_bytes // MIB} MB free"
    if free_bytes < WANTED_DISK_BYTES:
        return Check("data folder", "warn", detail, "make room on the disk")
    return Check("data folder", "ok", detail)


def check_sqlite(_settings: Settings) -> Check:
    """SQLite has full-text search."""
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
    except sqlite3.Error as error:
        fix = "install a Python whose SQLite has FTS5"
        return Check("sqlite", "fail", f"{sqlite3.sqlite_version}: {error}", fix)
    return Check("sqlite", "ok", f"{sqlite3.sqlite_version} with full-text search")


def check_onnx(settings: Settings) -> Check:
    """Voice activity detection: ONNX Runtime and its model."""

    def probe() -> str:
        from gapless.infer.open import open_inference
        from gapless.listen.vad import VAD_MODEL

        with open_inference(settings) as inference:
            inference.models.acquire(VAD_MODEL).release()
        return f"ONNX Runtime {version('onnxruntime')}, Silero model"

    return _probe("voice detection", "fail", probe, "pip install --force-reinstall gapless")


def check_models(settings: Settings) -> Check:
    """The default recogniser loads; which it is, and why."""

    def probe() -> str:
        from gapless.infer.open import open_inference
        from gapless.listen.recogniser.shelf.folders import CARRIED
        from gapless.listen.recogniser.shelf.shelf import Shelf

        with (
            open_inference(settings, carried=(CARRIED,)) as inference,
            closing(Shelf(settings, inference)) as shelf,
        ):
            default = shelf.default()
            shelf.get()
            names = [info.name for info in shelf.list()]
        return f"{default.name} loads, the default: {default.reason}; here: {', '.join(names)}"

    return _probe("recognisers", "fail", probe, "gapless models list")


def check_files(_settings: Settings) -> Check:
    """Audio files can be decoded."""

    def probe() -> str:
        import gapless.audio.files  # noqa: F401 - importing is the test

        return f"PyAV {version('av')}"

    return _probe("audio files", "fail", probe, "pip install --force-reinstall av")


def check_denoise(_settings: Settings) -> Check:
    """RNNoise is here."""

    def probe() -> str:
        from gapless.clean.rnnoise import load_library

        load_library()
        return f"RNNoise (pyrnnoise {version('pyrnnoise')})"

    return _probe("denoiser", "warn", probe, "pip install 'gapless[denoise]'")


def check_microphone(_settings: Settings) -> Check:
    """PortAudio is here and finds a microphone."""
    devices: list[str] = []

    def probe() -> str:
        from gapless.audio.device.microphone import list_devices

        devices.extend(device.name for device in list_devices())
        return ", ".join(devices)

    has_package = find_spec("sounddevice") is not None
    fix = "apt install libportaudio2" if has_package else "pip install 'gapless[device]'"
    check = _probe("microphone", "warn", probe, fix)
    if check.state == "ok" and not devices:
        return Check("microphone", "warn", "PortAudio finds none", "plug one in")
    return check


def check_port(settings: Settings) -> Check:
    """The server's port is free."""
    where = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((settings.host, settings.port))
        except OSError as error:
            fix = "gapless serve --port 0"
            return Check("port", "warn", f"{where} cannot be used: {error.strerror}", fix)
    return Check("port", "ok", f"{where} is free")


def check_hub(_settings: Settings) -> Check:
    """Models can be pulled by name."""
    from gapless.listen.recogniser.shelf.hub.client import hub_endpoint

    endpoint = hub_endpoint()
    try:
        with urllib.request.urlopen(endpoint, timeout=HUB_TIMEOUT_S):  # noqa: S310 - the hub's own address
            return Check("model hub", "ok", f"{endpoint} can be reached")
    except urllib.error.HTTPError:
        return Check("model hub", "ok", f"{endpoint} answers")
    except (OSError, ValueError):
        fix = "fetch a model elsewhere, then: gapless models add FOLDER"
        return Check("model hub", "warn", f"{endpoint} cannot be reached from here", fix)


CHECKS: Final[tuple[Callable[[Settings], Check], ...]] = (
    check_python,
    check_cpus,
    check_memory,
    check_tuned,
    check_data_dir,
    check_sqlite,
    check_onnx,
    check_models,
    check_files,
    check_denoise,
    check_microphone,
    check_port,
    check_hub,
)


def _probe(name: str, state: Literal["warn", "fail"], probe: Callable[[], str], fix: str) -> Check:
    """What a probe found; if it raises, the check is in ``state``."""
    try:
        return Check(name, "ok", probe())
    except (GaplessError, ImportError, OSError) as error:
        return Check(name, state, str(error), fix)
