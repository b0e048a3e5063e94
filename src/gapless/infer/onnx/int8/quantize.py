"""Writing a model's 8-bit version, and finding out whether it is worth using.

In: a model's file. Out: ``model.int8.onnx`` and its report ``model.int8.toml`` beside it. Invariants: it is used only
if it is faster at every batch size, errs within the tolerance, and no row's results depend on the rows beside it; the
two files appear whole, the report last. Thread: the caller's; takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from gapless.errors import ModelError, StoreError
from gapless.infer.contract import ModelInfo
from gapless.infer.onnx.int8.report import (
    Report,
    Trial,
    fingerprint,
    int8_file,
    report_file,
    this_cpu,
    write_report,
)
from gapless.infer.onnx.int8.rewrite import Scheme, rewrite
from gapless.infer.onnx.int8.samples import Samples, random_samples, read_samples
from gapless.infer.onnx.int8.trial import answers, compare, neighbour_influence, time_in_turn
from gapless.infer.onnx.model import OnnxModel, load_file
from gapless.infer.onnx.session import SessionOptions, model_files
from gapless.infer.repository.manifest import Manifest

SCHEMES: Final[tuple[Scheme, ...]] = ("row", "batch")

NEIGHBOUR_TOLERANCE: Final = 1e-6
"""What a neighbour may change: nothing but rounding."""


class QuantizeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of an 8-bit version."""

    tolerance: float = 0.05
    """The largest relative error (RMS), and the largest share of other labels."""
    min_speedup: float = 1.1
    """How many times as fast it must be, at every batch size."""
    force: bool = False
    """Use it whatever was measured."""
    samples: Path | None = None
    """An ``.npz`` file of inputs; None: random numbers."""
    threads: int = 1
    """That one call uses."""


class _Candidate(msgspec.Struct, frozen=True):
    """One 8-bit version."""

    scheme: Scheme
    file: Path
    nodes: int
    model: OnnxModel


def quantize(
    name: str,
    manifest: Manifest,
    path: Path,
    options: QuantizeOptions,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Write, measure, and keep the better of the ways to compute with 8 bits.

    Args:
        name: of the model.
        manifest: what its folder says.
        path: its file.
        options: what is asked.
        progress: told what is being done.

    Raises:
        MissingDependencyError: the package onnx is not installed.
        ConfigError: the samples do not fit the model.
        ModelError: the model cannot be loaded, or nothing in it can be computed with 8 bits.
        StoreError: nothing can be written beside the model.
    """
    session = SessionOptions(threads=options.threads, provider="cpu")
    progress(f"loading {path.name}")
    source = load_file(name, "1", manifest, path, session)
    samples = _samples(source, options.samples)
    try:
        # Hidden, so that no library takes it for a part of the model; beside it, so that files are moved whole.
        with TemporaryDirectory(prefix=".int8-", dir=path.parent) as folder:
            candidates: list[_Candidate] = []
            refusals: list[str] = []
            for scheme in SCHEMES:
                progress(f"writing it with 8 bits by {scheme}")
                try:
                    file = Path(folder, f"{scheme}.onnx")
                    nodes = rewrite(path, file, scheme)
                    model = _load_same(source.info, manifest, file, session)
                    candidates.append(_Candidate(scheme, file, nodes, model))
                except ModelError as error:
                    refusals.append(str(error))
            if not candidates:
                raise ModelError(f"no 8-bit version: {'; '.join(refusals)}")
            source_ms, trials = _measure(source, candidates, samples, progress)
            report = _judge(path, trials, source_ms, samples, options)
            # Without a report nothing is used: if a step of these fails, the model itself is.
            report_file(path).unlink(missing_ok=True)
            Path(folder, f"{report.scheme}.onnx").replace(int8_file(path))
            write_report(path, report)
            return report
    except OSError as error:
        raise StoreError(
            f"nothing can be written beside {path} ({error.strerror}); copy the model to a folder of yours"
        ) from error


def objection(trial: Trial, source_ms: Mapping[int, float], options: QuantizeOptions) -> str:
    """Why a trial is not good enough; empty if it is."""
    if trial.neighbour_rms == inf:
        return "the samples do not tell whether a row depends on the rows beside it; give several that differ"
    if _leaks(trial):
        return (
            f"a row's results change by {trial.neighbour_rms:.1%} when a row of large values stands beside it, and "
            "nothing may depend on that"
        )
    if trial.relative_rms > options.tolerance:
        return (
            f"its error is {trial.relative_rms:.2%}, over the tolerance of {options.tolerance:.2%}"
        )
    if trial.agreement is not None and trial.agreement < 1 - options.tolerance:
        return f"it gives other labels to {1 - trial.agreement:.1%} of the rows"
    if trial.speedup(source_ms) < options.min_speedup:
        return (
            f"it is only {trial.speedup(source_ms):.2f} times as fast, not {options.min_speedup:g}"
        )
    return ""


def _leaks(trial: Trial) -> bool:
    """Whether a row's results depend on the rows beside it."""
    return trial.neighbour_rms is not None and trial.neighbour_rms > NEIGHBOUR_TOLERANCE


def _samples(source: OnnxModel, file: Path | None) -> Samples:
    if file is not None:
        return read_samples(file, source.info)
    if source.free_length is None:
        raise ModelError(
            f"the model {source.info.name} takes axes of any length and refuses all that were tried; give it "
            "inputs of your own with --samples"
        )
    return random_samples(source.info, source.free_length)


def _load_same(
    info: ModelInfo, manifest: Manifest, target: Path, session: SessionOptions
) -> OnnxModel:
    model = load_file(info.name, info.version, manifest, target, session)
    if model.info != info:
        raise ModelError(f"{target.name} takes or gives something else than its source; report it")
    return model


def _measure(
    source: OnnxModel,
    candidates: Sequence[_Candidate],
    samples: Samples,
    progress: Callable[[str], None],
) -> tuple[dict[int, float], list[Trial]]:
    """The times of the source, and a trial of each candidate."""
    progress("timing them in turn")
    source_ms, *all_ms = time_in_turn([source, *(each.model for each in candidates)], samples)
    progress("comparing what they say")
    expected = answers(source, samples)
    trials = []
    for candidate, ms in zip(candidates, all_ms, strict=True):
        errors = compare(source.info, expected, answers(candidate.model, samples))
        trials.append(
            Trial(
                scheme=candidate.scheme,
                nodes=candidate.nodes,
                bytes=candidate.file.stat().st_size,
                relative_rms=errors.relative_rms,
                relative_max=errors.relative_max,
                agreement=errors.agreement,
                neighbour_rms=neighbour_influence(candidate.model, samples),
                ms=ms,
            )
        )
    return source_ms, trials


def _judge(
    path: Path,
    trials: Sequence[Trial],
    source_ms: Mapping[int, float],
    samples: Samples,
    options: QuantizeOptions,
) -> Report:
    objections = {trial.scheme: objection(trial, source_ms, options) for trial in trials}
    good = [trial for trial in trials if not objections[trial.scheme]]
    kept = max(good or trials, key=lambda trial: (not _leaks(trial), trial.speedup(source_ms)))
    if good:
        speedup = kept.speedup(source_ms)
        why = f"{speedup:.2f} times as fast or more, its error {kept.relative_rms:.2%}"
    else:
        why = "; ".join(f"by {scheme}: {reason}" for scheme, reason in objections.items())
    return Report(
        use=bool(good) or options.force,
        why=f"forced, although {why}" if options.force and not good else why,
        source_sha256=fingerprint(path),
        cpu=this_cpu(),
        runtime=version("onnxruntime"),
        threads=options.threads,
        samples=samples.source,
        rows=len(samples.rows),
        tolerance=options.tolerance,
        min_speedup=options.min_speedup,
        source_bytes=sum(part.stat().st_size for part in model_files(path)),
        source_ms=dict(source_ms),
        scheme=kept.scheme,
        trials=tuple(trials),
    )
