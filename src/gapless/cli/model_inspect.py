"""All that is known of a model.

In: its name. Out: facts, as a struct and for people. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
import msgspec

from gapless.bench.quantity import duration
from gapless.cli.tensor_models import find_model, loaded, size_text
from gapless.errors import MissingDependencyError
from gapless.infer.contract import LoadTimings, ModelInfo
from gapless.infer.onnx.graph import GraphFacts, read_graph
from gapless.infer.onnx.int8.report import Report, read_report, report_file
from gapless.settings import Settings


class EightBits(msgspec.Struct, frozen=True):
    """How it stands with a model's 8-bit version."""

    used: bool
    why: str
    report: Report | None


class Inspection(msgspec.Struct, frozen=True):
    """What is known of a model."""

    info: ModelInfo
    file: str | None
    """None for a model that runs elsewhere."""
    file_bytes: int
    """With the weights beside it."""
    memory_bytes: int
    provider: str
    """What computes it, and why."""
    timings: LoadTimings | None
    graph: GraphFacts | None
    """None where there is no file, or the package onnx is not installed."""
    eight_bits: EightBits | None
    """None where none was ever written."""


def inspect_model(settings: Settings, name: str) -> Inspection:
    """Load a model, try it, and look into its file.

    Args:
        settings: what loading it depends on.
        name: of a model, or the path of a file.
    """
    found = find_model(settings, name)
    with loaded(settings, found) as model:
        return Inspection(
            info=model.info,
            file=str(found.path) if found.path else None,
            file_bytes=_size(found.path),
            memory_bytes=model.memory_bytes,
            provider=model.provider,
            timings=model.timings,
            graph=_graph(found.path),
            eight_bits=_eight_bits(found.path),
        )


def print_inspection(inspection: Inspection) -> None:
    """Write it for people."""
    info = inspection.info
    click.echo(f"{click.style(info.name, bold=True)} {info.version}  {_what(info)}")
    if info.description:
        click.echo(f"  {info.description}")
    for label, text in _facts(inspection):
        click.echo(f"  {label:<10} {text}")


def _size(path: Path | None) -> int:
    from gapless.infer.onnx.session import model_files

    return sum(part.stat().st_size for part in model_files(path)) if path else 0


def _graph(path: Path | None) -> GraphFacts | None:
    try:
        return read_graph(path) if path else None
    except MissingDependencyError:
        return None


def _eight_bits(path: Path | None) -> EightBits | None:
    if path is None or not report_file(path).exists():
        return None
    report, objection = read_report(path)
    return EightBits(not objection, objection or (report.why if report else ""), report)


def _what(info: ModelInfo) -> str:
    return ", ".join(filter(None, (info.kind, info.platform, info.licence)))


def _facts(inspection: Inspection) -> Iterable[tuple[str, str]]:
    info, graph = inspection.info, inspection.graph
    if inspection.file:
        yield "file", f"{inspection.file}, {size_text(inspection.file_bytes)}"
    yield "computes", inspection.provider
    for label, tensors in (("input", info.inputs), ("output", info.outputs)):
        for tensor in tensors:
            labels = f", {len(tensor.labels)} labels" if tensor.labels else ""
            optional = ", may be left out" if tensor.optional else ""
            yield (
                label,
                f"{tensor.name}  {tensor.datatype} {_shape(tensor.shape)}{labels}{optional}",
            )
    for state in info.states:
        yield "state", f"{state.input} <- {state.output}  {state.datatype} {_shape(state.shape)}"
    if info.sequences == "server":
        yield "state", "kept by its server"
    yield "batches", _batches(info)
    if graph is not None:
        operators = ", ".join(f"{name} {count}" for name, count in graph.operators.items())
        writer = f", written by {graph.producer}" if graph.producer else ""
        yield "made of", f"{operators} (opset {graph.opset}{writer})"
    elif inspection.file:
        yield "made of", "not known; run `pip install 'gapless[quantize]'`"
    if inspection.memory_bytes:
        yield "memory", size_text(inspection.memory_bytes)
    if inspection.timings is not None:
        yield from _times(inspection.timings)
    if inspection.eight_bits is not None:
        used = "used" if inspection.eight_bits.used else "not used"
        yield "8 bits", f"{used}: {inspection.eight_bits.why}"
    elif inspection.file:
        yield "8 bits", "not tried; see `gapless models quantize --help`"


def _batches(info: ModelInfo) -> str:
    if not info.batched:
        return "no; one row a call"
    return f"of {', '.join(str(size) for size in info.limits.buckets)} rows"


def _times(timings: LoadTimings) -> Iterable[tuple[str, str]]:
    steps = (
        ("opened in", timings.create_ms),
        ("warmed up in", timings.warm_up_ms),
        ("first call", timings.first_call_ms),
    )
    yield "loading", ", ".join(f"{step} {_ms(ms)}" for step, ms in steps)
    calls = ", ".join(f"{rows}: {_ms(ms)}" for rows, ms in timings.steady_ms.items())
    yield "a call", f"by rows: {calls}"


def _ms(ms: float) -> str:
    return duration(ms * 1000)


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join('any' if length < 0 else str(length) for length in shape)}]"
