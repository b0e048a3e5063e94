from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from msgspec.structs import replace
from onnx import helper, numpy_helper

from gapless.errors import ConfigError, ModelError
from gapless.infer.onnx.int8.quantize import QuantizeOptions, objection, quantize
from gapless.infer.onnx.int8.report import (
    Report,
    Trial,
    int8_file,
    preferred_file,
    read_report,
    report_file,
    write_report,
)
from gapless.infer.onnx.int8.rewrite import quantize_blocks, rewrite
from gapless.infer.onnx.int8.samples import random_samples, read_samples
from gapless.infer.onnx.model import OnnxLoader, OnnxModel
from gapless.infer.repository.manifest import Manifest, StateEntry, TensorEntry
from gapless.testing.onnx_models import write_double, write_graph, write_gru, write_mlp

pytestmark = pytest.mark.long

WIDTHS = (256, 1024, 1024, 64)
"""Six megabytes of weights: enough for 8 bits to pay."""

LENIENT = QuantizeOptions(min_speedup=0.01)
"""How fast a busy machine is may not decide a test."""

ONE_BY_ONE = Manifest(max_batch=1)


def load(path: Path, manifest: Manifest | None = None) -> OnnxModel:
    return OnnxLoader()("tried", "1", manifest or Manifest(), path)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """A perceptron with its 8-bit version; tests copy what they change."""
    path = write_mlp(tmp_path_factory.mktemp("int8") / "model.onnx", WIDTHS)
    return path, quantize("tried", Manifest(), path, LENIENT)


@pytest.fixture
def copied(measured: tuple[Path, Report], tmp_path: Path) -> Path:
    path, _ = measured
    for file in (path, int8_file(path), report_file(path)):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / path.name


def test_the_8_bit_version_is_measured_written_and_used(measured: tuple[Path, Report]) -> None:
    path, report = measured
    assert report.use
    assert report.samples == "random numbers"
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "model.int8.onnx",
        "model.int8.toml",
        "model.onnx",
    ]
    assert read_report(path) == (report, "")
    assert preferred_file(path) == int8_file(path)
    assert int8_file(path).stat().st_size < path.stat().st_size / 3
    assert "It is the 8-bit version" in load(path).provider
    assert set(report.source_ms) == set(report.trial().ms) == {1, 2, 4, 8, 16, 32}


def test_the_errors_of_the_report_are_those_of_the_file(measured: tuple[Path, Report]) -> None:
    path, report = measured
    source, eight = plain(path), load(int8_file(path))
    # All but what tells their answers apart.
    assert source.info.digest != eight.info.digest
    assert source.info == replace(eight.info, digest=source.info.digest)
    x = np.concatenate([row["x"] for row in random_samples(eight.info, 1).rows])
    expected, found = source.run({"x": x})["y"], eight.run({"x": x})["y"]
    rms = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
    assert 0.001 < report.trial().relative_rms < 0.05
    assert rms == pytest.approx(report.trial().relative_rms, rel=0.1)


def plain(path: Path) -> OnnxModel:
    """The model itself, whatever its report says."""
    copy = path.with_name("plain.onnx")
    copy.write_bytes(path.read_bytes())
    model = load(copy)
    copy.unlink()
    return model


def test_rows_of_the_version_in_use_do_not_depend_on_their_neighbours(
    measured: tuple[Path, Report],
) -> None:
    path, report = measured
    assert report.scheme == "row"
    assert report.trial().neighbour_rms == 0
    rng = np.random.default_rng(7)
    row, quiet = rng.standard_normal((2, 1, WIDTHS[0])).astype(np.float32)
    model = load(int8_file(path))
    for size in (2, 8, 32):
        beside = [
            model.run({"x": np.concatenate([row, *[other] * (size - 1)])})["y"][0].tobytes()
            for other in (quiet, quiet * 1000, np.zeros_like(quiet))
        ]
        assert len(set(beside)) == 1, f"batches of {size}"


def test_a_scale_for_the_whole_batch_is_refused_where_rows_share_calls(
    measured: tuple[Path, Report],
) -> None:
    _, report = measured
    by_batch = next(trial for trial in report.trials if trial.scheme == "batch")
    assert by_batch.neighbour_rms is not None
    assert by_batch.neighbour_rms > 0.1
    assert "when a row of large values stands beside it" in objection(
        by_batch, report.source_ms, LENIENT
    )


def write_classifier(path: Path) -> Path:
    """A model of whole numbers: each picks a row of a table, and their sum goes through a perceptron."""
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("Gather", ["table", "words"], ["picked"]),
        helper.make_node("ReduceMean", ["picked"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["y"]),
    ]
    return write_graph(
        path,
        nodes,
        {"words": (np.int64, ("n", 4))},
        {"y": (np.float32, ("n", 8))},
        {
            "table": rng.standard_normal((2, 64)).astype(np.float32),
            "w": rng.standard_normal((64, 8)).astype(np.float32),
        },
    )


def test_neighbours_of_whole_numbers_are_other_rows(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "model.onnx")
    report = quantize("tried", Manifest(max_batch=8), path, LENIENT)
    influence = {trial.scheme: trial.neighbour_rms for trial in report.trials}
    assert influence["row"] == 0
    assert influence["batch"] is not None
    assert 0 < influence["batch"] < 1


def test_one_row_of_whole_numbers_tells_nothing_of_neighbours(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "model.onnx")
    samples = tmp_path / "samples.npz"
    np.savez(samples, words=np.zeros((1, 4), np.int64))
    options = msgspec.structs.replace(LENIENT, samples=samples)
    report = quantize("tried", Manifest(max_batch=8), path, options)
    assert not report.use
    assert "the samples do not tell" in report.why
    assert read_report(path) == (report, report.why)


def test_it_is_allowed_where_rows_are_run_alone(tmp_path: Path) -> None:
    path = write_mlp(tmp_path / "model.onnx", (64, 256, 64))
    # A processor without instructions for 8 bits adds them up less exactly; that is not the question here.
    options = msgspec.structs.replace(LENIENT, tolerance=1.0)
    report = quantize("tried", ONE_BY_ONE, path, options)
    assert {trial.neighbour_rms for trial in report.trials} == {None}
    assert all(objection(trial, report.source_ms, options) == "" for trial in report.trials)


def test_without_tolerance_nothing_is_used(tmp_path: Path) -> None:
    path = write_mlp(tmp_path / "model.onnx", (64, 64))
    hopeless = QuantizeOptions(tolerance=0, min_speedup=0.01)
    report = quantize("tried", ONE_BY_ONE, path, hopeless)
    assert not report.use
    assert "over the tolerance of 0.00%" in report.why
    assert preferred_file(path) == path
    assert read_report(path) == (report, report.why)
    forced = quantize("tried", ONE_BY_ONE, path, msgspec.structs.replace(hopeless, force=True))
    assert forced.use
    assert forced.why.startswith("forced, although")
    assert preferred_file(path) == int8_file(path)


def test_a_version_that_is_not_faster_is_not_used(tmp_path: Path) -> None:
    path = write_mlp(tmp_path / "model.onnx", (64, 64))
    report = quantize("tried", ONE_BY_ONE, path, QuantizeOptions(min_speedup=1000))
    assert not report.use
    assert "times as fast, not 1000" in report.why


@pytest.mark.parametrize(
    ("change", "objected"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "has changed"),
        (lambda path: path.with_name("model.onnx.data").touch(), ""),
        (lambda path: path.with_name("model.onnx.data").write_text("new weights"), "has changed"),
        (lambda path: int8_file(path).unlink(), "is missing"),
        (lambda path: report_file(path).unlink(), "it has none"),
        (lambda path: report_file(path).write_text("use = maybe"), "cannot be read"),
        (lambda path: rewrite_report(path, cpu="a faster one"), "on another machine"),
        (lambda path: rewrite_report(path, runtime="0.1"), "with ONNX Runtime 0.1"),
        (lambda path: rewrite_report(path, use=False), "times as fast"),
    ],
)
def test_what_the_report_is_not_about_is_not_used(
    copied: Path, change: Callable[[Path], object], objected: str
) -> None:
    change(copied)
    _, objection = read_report(copied)
    assert (objected in objection) if objected else not objection
    assert preferred_file(copied) == (copied if objected else int8_file(copied))


def rewrite_report(path: Path, **changes: str | bool) -> None:
    report, _ = read_report(path)
    assert report is not None
    write_report(path, msgspec.structs.replace(report, **changes))


def test_a_report_survives_its_file(tmp_path: Path) -> None:
    trial = Trial(
        scheme="row",
        nodes=3,
        bytes=10,
        relative_rms=float("inf"),
        relative_max=1e-9,
        agreement=0.5,
        ms={1: 0.25, 32: 4.0},
    )
    report = Report(
        use=True,
        why='a "quoted" reason, with \\ and ü',
        source_sha256="0" * 64,
        cpu="a processor",
        runtime="1.0",
        threads=1,
        samples="some.npz",
        rows=4,
        tolerance=0.05,
        min_speedup=1.1,
        source_bytes=40,
        source_ms={1: 1.0, 32: 8.0},
        scheme="row",
        trials=(trial, msgspec.structs.replace(trial, scheme="batch", agreement=None)),
    )
    path = tmp_path / "model.onnx"
    write_report(path, report)
    assert read_report(path)[0] == report


def test_labels_are_compared_and_decide(tmp_path: Path) -> None:
    path = write_mlp(tmp_path / "model.onnx", (64, 256, 3))
    manifest = Manifest(
        max_batch=1, outputs=(TensorEntry(name="y", labels=("one", "two", "three")),)
    )
    agreement = quantize("tried", manifest, path, LENIENT).trial().agreement
    assert agreement is not None
    assert agreement > 0.8
    trial = Trial(
        scheme="row", nodes=1, bytes=1, relative_rms=0, relative_max=0, agreement=0.9, ms={1: 1.0}
    )
    assert objection(trial, {1: 2.0}, QuantizeOptions()) == (
        "it gives other labels to 10.0% of the rows"
    )
    assert objection(trial, {1: 2.0}, QuantizeOptions(tolerance=0.2)) == ""


def test_what_has_no_products_has_no_8_bit_version_and_keeps_none(tmp_path: Path) -> None:
    path = write_double(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="nothing that can be computed with 8 bits by row"):
        quantize("tried", Manifest(), path, LENIENT)
    gru = write_gru(tmp_path / "gru.onnx")
    states = (StateEntry(input="h", output="h_next", axis=1),)
    with pytest.raises(ModelError, match="nothing that can be computed with 8 bits"):
        quantize("tried", Manifest(states=states), gru, LENIENT)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["gru.onnx", "model.onnx"]


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx cannot be loaded"):
        quantize("tried", Manifest(), tmp_path / "absent.onnx", LENIENT)


def test_samples_come_from_a_file(tmp_path: Path) -> None:
    path = write_mlp(tmp_path / "model.onnx", (4, 64, 4))
    samples = tmp_path / "samples.npz"
    np.savez(samples, x=np.random.default_rng(3).standard_normal((10, 4)))
    options = msgspec.structs.replace(LENIENT, samples=samples)
    report = quantize("tried", ONE_BY_ONE, path, options)
    assert (report.samples, report.rows) == ("samples.npz", 10)
    (first, *_) = read_samples(samples, load(path).info).rows
    assert first["x"].shape == (1, 4)
    assert first["x"].dtype == np.float32


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "has no array 'x'"),
        ({"x": np.zeros((3, 5))}, r"of shape \[3, 5\], not rows of \[4\]"),
        ({"x": np.zeros((0, 4))}, "at least 1"),
        ({"x": np.zeros(4)}, r"of shape \[4\]"),
    ],
)
def test_samples_that_do_not_fit_are_an_error(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    info = load(write_mlp(tmp_path / "model.onnx", (4, 4))).info
    samples = tmp_path / "samples.npz"
    np.savez(samples, allow_pickle=False, **arrays)
    with pytest.raises(ConfigError, match=message) as raised:
        read_samples(samples, info)
    assert raised.value.param == "samples"


def test_a_file_that_is_no_npz_is_an_error(tmp_path: Path) -> None:
    info = load(write_mlp(tmp_path / "model.onnx", (4, 4))).info
    samples = tmp_path / "samples.npz"
    samples.write_text("numbers")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_samples(samples, info)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_samples(tmp_path / "absent.npz", info)


@pytest.mark.parametrize("block", [16, 128])
@pytest.mark.parametrize("values", [5, 128, 300])
def test_blocks_hold_the_matrix_to_half_a_step(values: int, block: int) -> None:
    rng = np.random.default_rng(values)
    matrix = rng.standard_normal((values, 7)).astype(np.float32)
    matrix[:, 3] = 0
    numbers, scales = quantize_blocks(matrix, block)
    assert numbers.shape == (7, -(-values // block), block)
    assert scales.shape == numbers.shape[:2]
    restored = ((numbers.astype(np.float32) - 128) * scales[:, :, None]).reshape(7, -1).T[:values]
    assert (np.abs(restored - matrix) <= scales.max() * 0.5001).all()
    assert (restored[:, 3] == 0).all()


def products_of(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("biased", [True, False])
def test_gemm_and_constants_are_rewritten_as_they_are_read(
    tmp_path: Path, transposed: int, *, biased: bool
) -> None:
    matrix = np.random.default_rng(1).standard_normal((8, 3)).astype(np.float32)
    weights = {"bias": np.array([[5, 6, 7]], np.float32)} if biased else {}
    stored = matrix.T.copy() if transposed else matrix
    nodes = [
        helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(stored)),
        helper.make_node("Gemm", ["x", "w", *weights], ["y"], transB=transposed),
    ]
    path = write_graph(
        tmp_path / "model.onnx",
        nodes,
        {"x": (np.float32, ("n", 8))},
        {"y": (np.float32, ("n", 3))},
        weights,
    )
    target = tmp_path / "target.onnx"
    assert rewrite(path, target, "row") == 1
    assert products_of(target) == ["MatMulNBits", *(["Add"] if biased else [])]
    assert {tensor.name for tensor in onnx.load(target).graph.initializer} == {
        "y/int8/weights",
        "y/int8/scales",
        *weights,
    }
    x = np.random.default_rng(2).standard_normal((5, 8)).astype(np.float32)
    expected = x @ matrix + (weights["bias"] if biased else 0)
    np.testing.assert_allclose(load(target).run({"x": x})["y"], expected, atol=0.1)


def test_a_product_that_means_something_else_is_left_alone(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], alpha=0.5)]
    path = write_graph(
        tmp_path / "model.onnx",
        nodes,
        {"x": (np.float32, ("n", 8))},
        {"y": (np.float32, ("n", 3))},
        {"w": np.ones((8, 3), np.float32)},
    )
    with pytest.raises(ModelError, match="nothing that can be computed"):
        rewrite(path, tmp_path / "target.onnx", "row")


def test_weights_in_a_file_of_another_name_are_refused(tmp_path: Path) -> None:
    path = write_mlp(tmp_path / "model.onnx", (64, 64))
    model = onnx.load(path)
    for place, refused in (("model.onnx.data", False), ("weights.bin", True)):
        onnx.save(model, path, save_as_external_data=True, location=place, size_threshold=0)
        if refused:
            with pytest.raises(ModelError, match=r"keeps weights in weights\.bin"):
                rewrite(path, tmp_path / "target.onnx", "row")
        else:
            assert rewrite(path, tmp_path / "target.onnx", "row") == 1
        model = onnx.load(path)
