"""What was measured of a model's 8-bit version, kept beside it; and which of the two files is to be used.

In: the path of a model's file. Out: a ``Report`` from ``model.int8.toml``, or the path to load: ``model.int8.onnx`` or
the file itself. Invariants: the 8-bit version is used only where its report says so, was measured on a processor of
this kind with this ONNX Runtime, and is about this very file. Thread: any.
"""

from __future__ import annotations

import hashlib
import json
import platform
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec

from gapless.infer.onnx.int8.rewrite import Scheme
from gapless.infer.onnx.session import model_files

CHUNK_BYTES: Final = 1 << 20

FAST_FLAGS: Final = ("avx2", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")
"""What processors call their instructions for 8-bit products; machines of one name may differ in them."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One way of computing with 8 bits, measured."""

    scheme: Scheme
    nodes: int
    """How many of the model's nodes compute with 8 bits."""
    bytes: int
    relative_rms: float
    """Root of the mean squared error over that of the values, of the worst output."""
    relative_max: float
    """The largest error over the largest value, of the worst output."""
    agreement: float | None = None
    """Share of rows whose label, or whole number, is the same; None where the model gives none."""
    neighbour_rms: float | None = None
    """What a row's results change by, as ``relative_rms``, when the row beside it becomes another one, with numbers a
    hundred times as large. Infinite where the samples do not tell; None where rows are run alone."""
    ms: dict[int, float]
    """The median call by batch size."""

    def speedup(self, source_ms: Mapping[int, float]) -> float:
        """How many times as fast it is as its source, at the batch size where that is least."""
        return min(source_ms[rows] / ms for rows, ms in self.ms.items())


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured, and what came of it."""

    use: bool
    why: str
    """A sentence."""
    source_sha256: str
    cpu: str
    runtime: str
    """Version of ONNX Runtime."""
    threads: int
    samples: str
    """What errors were measured with."""
    rows: int
    """How many of them."""
    tolerance: float
    min_speedup: float
    source_bytes: int
    source_ms: dict[int, float]
    """The median call by batch size."""
    scheme: Scheme
    """Which of the trials was kept."""
    trials: tuple[Trial, ...]

    def trial(self) -> Trial:
        """The one that was kept."""
        return next(trial for trial in self.trials if trial.scheme == self.scheme)


def int8_file(path: Path) -> Path:
    """Where the 8-bit version of a model is."""
    return path.with_suffix(".int8.onnx")


def report_file(path: Path) -> Path:
    """Where its report is."""
    return path.with_suffix(".int8.toml")


def preferred_file(path: Path) -> Path:
    """The file to load on the processor: the 8-bit version where that is to be used, else the model itself."""
    report, objection = read_report(path)
    return int8_file(path) if report is not None and not objection else path


def read_report(path: Path) -> tuple[Report | None, str]:
    """The report on a model's 8-bit version, and why that is not to be used; empty: it is.

    Nothing here is an error: without a report that can be believed, the model itself is used.
    """
    try:
        report = msgspec.convert(
            tomllib.loads(report_file(path).read_text("utf-8")), Report, str_keys=True
        )
    except FileNotFoundError:
        return None, "it has none"
    except (OSError, ValueError) as error:  # Those of TOML and of msgspec are ValueErrors.
        return None, f"{report_file(path).name} cannot be read: {error}"
    return report, _objection(path, report)


def _objection(path: Path, report: Report) -> str:
    if not report.use:
        return report.why
    if not int8_file(path).is_file():
        return f"{int8_file(path).name} is missing"
    if report.cpu != this_cpu():
        return f"it was measured on another machine ({report.cpu})"
    if report.runtime != version("onnxruntime"):
        return f"it was measured with ONNX Runtime {report.runtime}"
    if report.source_sha256 != fingerprint(path):
        return f"{path.name} has changed since it was measured"
    return ""


def write_report(path: Path, report: Report) -> None:
    """Keep the report on the model in ``path``.

    Raises:
        OSError: it cannot be written.
    """
    lines = "\n".join(_toml(msgspec.to_builtins(report, str_keys=True)))
    report_file(path).write_text(lines + "\n", "utf-8")


def fingerprint(path: Path) -> str:
    """SHA-256 of a model's files.

    Raises:
        OSError: one cannot be read.
    """
    digest = hashlib.sha256()
    for part in model_files(path):
        with part.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


@cache
def this_cpu() -> str:
    """The processor's name and its instructions for 8-bit products, as far as the system tells."""
    facts: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            key, _, value = line.partition(":")
            facts.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    name = facts.get("model name") or platform.processor() or platform.machine()
    flags = facts.get("flags", facts.get("Features", "")).split()
    return " ".join((name, *(flag for flag in FAST_FLAGS if flag in flags)))


def _toml(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The lines of a table: its values, then its tables, then its lists of tables. No list holds anything else."""
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    lists = {key: value for key, value in table.items() if isinstance(value, (list, tuple))}
    for key, value in table.items():
        if value is not None and key not in tables.keys() | lists.keys():
            # A string of JSON is one of TOML, and so are whole numbers, true and false.
            text = (
                repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
            )
            yield f"{key} = {text}"
    for key, inner in tables.items():
        yield from ("", f"[{path}{key}]", *_toml(inner, f"{path}{key}."))
    for key, entries in lists.items():
        for entry in entries:
            yield from ("", f"[[{path}{key}]]", *_toml(entry, f"{path}{key}."))
