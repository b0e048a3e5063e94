"""A library that runs takes up an 8-bit version when it is written, and drops it when it is not to be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gapless.infer.onnx.int8.quantize import QuantizeOptions, quantize
from gapless.infer.onnx.int8.report import int8_file, report_file
from gapless.infer.onnx.model import OnnxLoader, load_file
from gapless.infer.onnx.session import SessionOptions
from gapless.infer.repository.library import Library
from gapless.infer.repository.manifest import Manifest
from gapless.testing.onnx_models import write_mlp

X = np.random.default_rng(5).standard_normal((3, 64)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_mlp(tmp_path / "small" / "1" / "model.onnx", (64, 256, 8))


@pytest.fixture
def library(path: Path) -> Iterator[Library]:
    loaders = {"onnxruntime_onnx": OnnxLoader()}
    library = Library([path.parents[2]], loaders, budget_bytes=1 << 30)
    yield library
    library.close()


def answer(library: Library) -> bytes:
    # A change counts when two looks have seen it the same.
    library.refresh()
    library.refresh()
    held = library.acquire("small")
    try:
        return held.model.run({"x": X})["y"].tobytes()
    finally:
        held.release()


def answer_of(file: Path) -> bytes:
    model = load_file("small", "1", Manifest(), file, SessionOptions())
    return model.run({"x": X})["y"].tobytes()


@pytest.mark.long
def test_what_is_served_is_the_version_that_the_report_prefers(
    library: Library, path: Path
) -> None:
    itself = answer(library)
    assert itself == answer_of(path)
    report = quantize("small", Manifest(), path, QuantizeOptions(min_speedup=0.01))
    assert report.use
    assert answer(library) == answer_of(int8_file(path)) != itself
    report_file(path).write_text(
        report_file(path).read_text("utf-8").replace("use = true", "use = false")
    )
    assert answer(library) == itself
    quantize("small", Manifest(), path, QuantizeOptions(min_speedup=0.01))
    write_mlp(path, (64, 256, 8), seed=2)
    assert answer(library) == answer_of(path) != itself
