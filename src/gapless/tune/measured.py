"""Settings that were measured on a machine, and the file that keeps them.

In: what ``gapless tune`` found; a fingerprint of the machine. Out: a file; what it holds of this machine. Invariants:
the file is written whole or not at all; a record counts only where the fingerprint is equal in every part, and where no
model that it was measured with is here in another version; one that cannot be read is as if there were none, with the
reason told. At most ``MOST_RECORDS`` are kept, the newest. Thread: any; two writers at a time: the last one's file
stays.

A folder of data may be shared by machines (a home on a network, an image that is started elsewhere), so the file holds
a record for each of them.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gapless.errors import StoreError
from gapless.tune.files import pairs_of, text_of

FILE_NAME: Final = "machine.json"
"""In DATA_DIR."""

FORMAT: Final = 1
"""Of the file; one of another format is not read."""

MOST_RECORDS: Final = 16
"""Machines and sets of models that a file remembers."""

GIB: Final = 1024**3


class Fingerprint(Struct, frozen=True, kw_only=True):
    """What a measurement depends on; another value of any of it, and the measurement says nothing."""

    cpu: str
    """Model of the processor; empty: not known."""
    usable_cpus: int
    physical_cpus: int
    memory_gib: int
    """Rounded: what firmware and kernel keep for themselves changes a little from start to start. 0: not known."""
    system: str
    """Kind of the system and of the processor: ``Linux x86_64``. Its version is left out: updates come weekly."""
    python: str
    onnxruntime: str
    """Version; empty: not installed."""


class Measured(Struct, frozen=True, kw_only=True):
    """What was measured: settings that won, on one machine, with some models."""

    fingerprint: Fingerprint
    models: dict[str, str]
    """Version by name of the models that were run."""
    values: dict[str, int]
    """By name of the setting: only those for which there is evidence."""
    reasons: dict[str, str]
    """Why, by name of the setting: figures against those of the formula's value."""
    when_ms: int
    """Unix time."""


class _Format(Struct, frozen=True):
    format: int


class _File(Struct, frozen=True, kw_only=True):
    format: int
    records: tuple[Measured, ...]


class Kept(Struct, frozen=True, kw_only=True):
    """What a file has to say to this machine."""

    measured: Measured | None = None
    notice: str = ""
    """Why there is nothing, where there might have been; a sentence with what to do about it."""


def fingerprint(*, usable_cpus: int, physical_cpus: int, memory_bytes: int | None) -> Fingerprint:
    """The fingerprint of this machine and of this process's Python.

    Args:
        usable_cpus: that this process may use.
        physical_cpus: cores among them.
        memory_bytes: that this process may use at most; None: not known.
    """
    try:
        onnxruntime = version("onnxruntime")
    except PackageNotFoundError:  # builds of it for GPUs go by other names
        onnxruntime = ""
    return Fingerprint(
        cpu=_cpu_model(Path("/proc/cpuinfo")),
        usable_cpus=usable_cpus,
        physical_cpus=physical_cpus,
        memory_gib=round((memory_bytes or 0) / GIB),
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        onnxruntime=onnxruntime,
    )


def load_measured(path: Path, here: Fingerprint) -> Measured | None:
    """The newest record of this machine; None where there is none, or it cannot be read. See ``read_kept``."""
    return read_kept(path, here).measured


def read_kept(path: Path, here: Fingerprint, models: Mapping[str, str] | None = None) -> Kept:
    """The newest record of this machine, or why there is none.

    Args:
        path: of the file.
        here: this machine's fingerprint.
        models: version by name of the models that are here now; a record of another version of one of them is passed
            over. None: not looked at.
    """
    try:
        records = _read(path)
    except FileNotFoundError:
        return Kept()
    except (OSError, ValueError) as error:
        return Kept(notice=f"{path} cannot be used ({error}); run `gapless tune` again")
    ours = [record for record in records if record.fingerprint == here]
    fresh = [record for record in ours if models is None or _fits(record, models)]
    if fresh:
        return Kept(measured=max(fresh, key=lambda record: record.when_ms))
    if ours:
        return Kept(notice=f"{path} was measured with other models; run `gapless tune` again")
    if records:
        newest = max(records, key=lambda record: record.when_ms)
        other = _difference(newest.fingerprint, here)
        return Kept(
            notice=f"{path} is of another machine ({other}) and not used; run `gapless tune` on this one"
        )
    return Kept()


def completed(measured: Measured, earlier: Measured | None) -> Measured:
    """What was measured, with what an earlier record of the same machine and models says of other settings."""
    if (
        earlier is None
        or earlier.fingerprint != measured.fingerprint
        or earlier.models != measured.models
    ):
        return measured
    others = earlier.reasons.keys() - measured.reasons.keys()
    return replace(
        measured,
        values={n: v for n, v in earlier.values.items() if n in others} | measured.values,
        reasons={n: v for n, v in earlier.reasons.items() if n in others} | measured.reasons,
    )


def keep_measured(path: Path, measured: Measured) -> None:
    """Write a record into the file, in the place of one of the same machine and models.

    Raises:
        StoreError: the file cannot be written.
    """
    key = (measured.fingerprint, measured.models.keys())
    others = [one for one in _read_or_nothing(path) if (one.fingerprint, one.models.keys()) != key]
    newest = sorted((*others, measured), key=lambda record: record.when_ms)[-MOST_RECORDS:]
    _write(path, tuple(newest))


def forget_measured(path: Path, here: Fingerprint) -> int:
    """Remove this machine's records; says how many. A file that nothing is left in, or that cannot be read, goes.

    Raises:
        StoreError: the file cannot be written or removed.
    """
    records = _read_or_nothing(path)
    others = tuple(record for record in records if record.fingerprint != here)
    if others:
        if len(others) < len(records):
            _write(path, others)
        return len(records) - len(others)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be removed ({error.strerror}); see that its folder is yours"
        ) from error
    return len(records)


def _fits(record: Measured, models: Mapping[str, str]) -> bool:
    return all(models.get(name, known) == known for name, known in record.models.items())


def _difference(there: Fingerprint, here: Fingerprint) -> str:
    """The first part that differs, in words."""
    for name in Fingerprint.__struct_fields__:
        one, other = getattr(there, name), getattr(here, name)
        if one != other:
            return f"{name.replace('_', ' ')}: {one or 'unknown'} there, {other or 'unknown'} here"
    raise ValueError("the fingerprints are equal")


def _read(path: Path) -> tuple[Measured, ...]:
    """All records of a file.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    content = path.read_bytes()
    try:
        if msgspec.json.decode(content, type=_Format).format != FORMAT:
            raise ValueError("another version of Gapless wrote it")
        return msgspec.json.decode(content, type=_File).records
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def _read_or_nothing(path: Path) -> tuple[Measured, ...]:
    try:
        return _read(path)
    except (OSError, ValueError):
        return ()


def _write(path: Path, records: tuple[Measured, ...]) -> None:
    content = msgspec.json.format(msgspec.json.encode(_File(format=FORMAT, records=records)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(content + b"\n")
                out.flush()
                os.fsync(out.fileno())
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); see that its folder is yours and has room"
        ) from error


def _cpu_model(cpuinfo: Path) -> str:
    lines = pairs_of(text_of(cpuinfo), ":")
    # x86 has the first of these; the others are ARM's and MIPS's.
    for key in ("model name", "Model", "cpu model"):
        if lines.get(key):
            return lines[key]
    return platform.processor() or platform.machine()
