from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
from onnx import TensorProto, helper

from gapless.errors import ConfigError, ModelError
from gapless.infer.contract import Array
from gapless.infer.onnx.model import OnnxLoader, OnnxModel
from gapless.infer.repository.manifest import Manifest, StateEntry, TensorEntry
from gapless.testing.onnx_models import write_double, write_graph, write_gru, write_mlp

STATE = Manifest(states=(StateEntry(input="h", output="h_next", axis=1),))


def load(path: Path, manifest: Manifest | None = None) -> OnnxModel:
    return OnnxLoader()("tried", "1", manifest or Manifest(), path)


def rows(count: int, values: int = 4, seed: int = 0) -> dict[str, Array]:
    return {"x": np.random.default_rng(seed).standard_normal((count, values)).astype(np.float32)}


def test_a_file_without_a_manifest_says_all_by_itself(tmp_path: Path) -> None:
    info = load(write_mlp(tmp_path / "model.onnx", (5, 7, 3))).info
    assert (info.name, info.version, info.platform) == ("tried", "1", "onnxruntime_onnx")
    assert info.batched
    assert info.limits.buckets == (1, 2, 4, 8, 16, 32)
    assert [(t.name, t.datatype, t.shape) for t in (*info.inputs, *info.outputs)] == [
        ("x", "FP32", (5,)),
        ("y", "FP32", (3,)),
    ]


def test_a_model_says_what_loading_took_and_what_it_holds(tmp_path: Path) -> None:
    path = write_mlp(tmp_path / "model.onnx", (256, 1024, 256))
    model = load(path)
    assert model.timings is not None
    assert set(model.timings.steady_ms) == set(model.info.limits.buckets)
    assert all(
        ms > 0
        for ms in (
            model.timings.create_ms,
            model.timings.warm_up_ms,
            model.timings.first_call_ms,
            *model.timings.steady_ms.values(),
        )
    )
    assert path.stat().st_size <= model.memory_bytes <= 3 * path.stat().st_size + 16 * 2**20
    assert model.provider.endswith(".")
    assert model.trouble == ""


def test_what_a_model_says_is_what_its_weights_say(tmp_path: Path) -> None:
    model = load(write_gru(tmp_path / "model.onnx"), STATE)
    x, h = rows(3, 8)["x"], np.zeros((1, 3, 16), np.float32)
    result = model.run({"x": x, "h": h})
    assert set(result) == {"y", "h_next"}
    np.testing.assert_array_equal(result["y"], result["h_next"][0])
    again = model.run({"x": x, "h": result["h_next"]})
    assert not np.allclose(again["y"], result["y"]), "the state matters"


def test_a_batch_axis_that_is_not_in_front_in_the_file_is_in_front_for_who_asks(
    tmp_path: Path,
) -> None:
    path = write_gru(tmp_path / "model.onnx")
    plain = Manifest(
        max_batch=4,
        inputs=(TensorEntry(name="h", axis=1),),
        outputs=(TensorEntry(name="h_next", axis=1),),
    )
    x, h = rows(3, 8)["x"], np.random.default_rng(1).standard_normal((3, 1, 16), np.float32)

    given = load(path, plain).run({"x": x, "h": h})

    kept = load(path, STATE).run({"x": x, "h": h.transpose(1, 0, 2)})
    np.testing.assert_array_equal(given["h_next"], kept["h_next"].transpose(1, 0, 2))
    np.testing.assert_array_equal(given["y"], kept["y"])


def test_many_threads_get_the_results_of_one(tmp_path: Path) -> None:
    model = load(write_mlp(tmp_path / "model.onnx", (4, 64, 4)))
    inputs = [rows(1 + seed % 8, seed=seed) for seed in range(64)]
    alone = [model.run(each)["y"].tobytes() for each in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: model.run(each)["y"].tobytes(), inputs))
    assert together == alone
    assert len(set(alone)) == len(alone)


@pytest.mark.parametrize(
    "dtype", ["float16", "float64", "int8", "uint16", "int32", "int64", "uint64"]
)
def test_numbers_of_every_type_go_through(tmp_path: Path, dtype: str) -> None:
    if dtype in {"int8", "uint16"}:  # ONNX Runtime does not add these.
        node = helper.make_node("Identity", ["x"], ["y"])
        shape = (dtype, ("batch", 4))
        path = write_graph(tmp_path / "model.onnx", [node], {"x": shape}, {"y": shape})
        factor = 1
    else:
        path, factor = write_double(tmp_path / "model.onnx", dtype), 2
    model = load(path)
    x = np.array([[0, 1, 2, 100]], dtype)
    (y,) = model.run({"x": x}).values()
    assert y.dtype == np.dtype(dtype)
    assert y.tolist() == [[0, factor, 2 * factor, 100 * factor]]


def test_truth_values_go_through(tmp_path: Path) -> None:
    node = helper.make_node("Not", ["x"], ["y"])
    shape = (np.bool_, ("batch", 2))
    path = write_graph(tmp_path / "model.onnx", [node], {"x": shape}, {"y": shape})
    assert load(path).run({"x": np.array([[True, False]])})["y"].tolist() == [[False, True]]


def texts_through(tmp_path: Path) -> OnnxModel:
    node = helper.make_node("Identity", ["x"], ["y"])
    shape = (np.object_, ("batch", None))
    return load(write_graph(tmp_path / "model.onnx", [node], {"x": shape}, {"y": shape}))


def test_texts_go_in_and_come_out_as_the_same_bytes(tmp_path: Path) -> None:
    model = texts_through(tmp_path)
    assert model.info.inputs[0].datatype == "BYTES"
    texts = [
        b"",
        b"plain",
        "Zürich ☕".encode(),
        b"zero\x00inside",
        b"zero at the end\x00",
        b"b'x'",
    ]
    x = np.empty((2, 3), np.object_)
    x.ravel()[:] = texts
    y = model.run({"x": x})["y"]
    assert y.dtype == np.object_
    assert y.tolist() == x.tolist()


def test_bytes_that_are_no_text_are_an_error_that_names_the_input(tmp_path: Path) -> None:
    model = texts_through(tmp_path)
    with pytest.raises(ModelError, match="send UTF-8") as raised:
        model.run({"x": np.array([[b"\xff\xfe"]], np.object_)})
    assert raised.value.param == "x"


def test_an_axis_of_any_length_is_one(tmp_path: Path) -> None:
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=0)
    path = write_graph(
        tmp_path / "model.onnx",
        [node],
        {"x": (np.float32, ("batch", "time"))},
        {"y": (np.float32, ("batch",))},
    )
    model = load(path)
    assert model.info.inputs[0].shape == (-1,)
    assert model.info.outputs[0].shape == ()
    for length in (1, 7, 1000):
        assert model.run({"x": np.full((2, length), 3, np.float32)})["y"].tolist() == [3, 3]


def test_a_model_is_warmed_up_with_a_length_that_it_takes(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"])  # 25 samples at least
    path = write_graph(
        tmp_path / "model.onnx",
        [node],
        {"x": (np.float32, ("batch", 1, "time"))},
        {"y": (np.float32, ("batch", 1, "frames"))},
        {"w": np.ones((1, 1, 25), np.float32)},
    )
    model = load(path)
    assert model.info.batched
    assert model.free_length == 160
    assert model.timings is not None


def test_fixed_shapes_are_one_bucket_or_no_batch_at_all(tmp_path: Path) -> None:
    path = write_double(tmp_path / "model.onnx", batch=3)
    plain = load(path)
    assert not plain.info.batched
    assert plain.info.inputs[0].shape == (3, 4)
    assert plain.run(rows(3))["y"].shape == (3, 4)


def accumulate(path: Path, batch: str = "n") -> Path:
    """Sums along the first axis: that is time, whatever it looks like."""
    shape = (np.float32, (batch, 4))
    node = helper.make_node("CumSum", ["x", "axis"], ["y"])
    return write_graph(path, [node], {"x": shape}, {"y": shape}, {"axis": np.array(0)})


def test_what_only_looks_like_a_batch_axis_is_none(tmp_path: Path) -> None:
    model = load(accumulate(tmp_path / "model.onnx"))
    assert not model.info.batched
    assert model.info.inputs[0].shape == (-1, 4)
    assert model.run({"x": np.ones((3, 4), np.float32)})["y"][:, 0].tolist() == [1, 2, 3]


def test_a_file_that_claims_more_rows_than_it_takes_runs_them_one_by_one(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["x", "zero"], ["nothing"]),
        helper.make_node("ReduceMax", ["nothing"], ["none"], keepdims=0),
        helper.make_node("Add", ["none", "two_by_two"], ["numbers"]),
        helper.make_node("Cast", ["numbers"], ["shape"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
    ]
    path = write_graph(
        tmp_path / "model.onnx",
        nodes,
        {"x": (np.float32, ("n", 4))},
        {"y": (np.float32, ("n", 2, 2))},
        {"zero": np.array(0, np.float32), "two_by_two": np.array([1, 2, 2], np.float32)},
    )
    assert not load(path).info.batched
    with pytest.raises(ModelError, match=r"cannot run zeros of its own shapes, \[1, 2, 4\] rows"):
        load(path, Manifest(max_batch=4))


def test_a_model_that_draws_random_numbers_batches(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["noise"]),
        helper.make_node("Add", ["x", "noise"], ["y"]),
    ]
    shape = (np.float32, ("n", 4))
    path = write_graph(tmp_path / "model.onnx", nodes, {"x": shape}, {"y": shape})
    assert load(path).info.batched


def test_a_type_that_cannot_travel_is_an_error_that_names_the_tensor(tmp_path: Path) -> None:
    path = write_double(tmp_path / "model.onnx")
    import onnx

    model = onnx.load(path)
    model.graph.node[0].CopyFrom(helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.BFLOAT16
    onnx.save(model, path)
    with pytest.raises(ModelError, match="bfloat16") as raised:
        load(path)
    assert raised.value.param == "y"


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04zip"])
def test_a_damaged_file_is_a_model_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.onnx cannot be loaded"):
        load(path)


def test_a_truncated_model_is_a_model_error(tmp_path: Path) -> None:
    path = write_mlp(tmp_path / "model.onnx", (64, 64))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(path)


def test_a_missing_file_is_a_model_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx cannot be loaded"):
        load(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match="has no file"):
        OnnxLoader()("tried", "1", Manifest(), None)


def test_a_provider_that_is_not_built_in_is_an_error_that_says_how_to_get_it(
    tmp_path: Path,
) -> None:
    path = write_double(tmp_path / "model.onnx")
    with pytest.raises(ConfigError, match="only cpu; for TensorRT install TensorRT"):
        OnnxLoader(provider="tensorrt")("tried", "1", Manifest(), path)
    with pytest.raises(ConfigError, match="provider is cuda"):
        load(path, Manifest(provider="cuda"))
    assert (
        load(path, Manifest(provider="cpu")).provider == "The processor computes it, as asked for."
    )


def without(inputs: Mapping[str, Array], name: str) -> dict[str, Array]:
    return {key: array for key, array in inputs.items() if key != name}


def test_tensors_that_do_not_fit_are_an_error_and_leave_the_model_usable(tmp_path: Path) -> None:
    model = load(write_gru(tmp_path / "model.onnx"), STATE)
    fitting = {"x": rows(1, 8)["x"], "h": np.zeros((1, 1, 16), np.float32)}
    for wrong in (
        without(fitting, "h"),
        {},
        fitting | {"stranger": fitting["x"]},
        fitting | {"x": np.zeros((1, 9), np.float32)},
        fitting | {"x": np.zeros((1, 8), np.float64)},
        fitting | {"x": np.zeros(8, np.float32)},
        fitting | {"x": np.array([["text"] * 8], np.object_)},
    ):
        with pytest.raises(ModelError, match="the model tried failed"):
            model.run(wrong)
    assert model.run(fitting)["y"].shape == (1, 16)


@pytest.mark.long
def test_a_closed_model_frees_its_session_and_says_that_it_is_closed(tmp_path: Path) -> None:
    model = load(write_double(tmp_path / "model.onnx"))
    session = ref(model._session)
    model.close()
    model.close()
    gc.collect()
    assert session() is None
    with pytest.raises(ModelError, match="is closed"):
        model.run(rows(1))


@pytest.mark.long
def test_errors_are_raised_and_not_written_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    code = (
        "import sys; from pathlib import Path; from gapless.errors import ModelError;"
        "from gapless.infer.repository.manifest import Manifest; from gapless.infer.onnx.model import OnnxLoader;"
        "assert 'onnxruntime' not in sys.modules\n"
        "try: OnnxLoader()('tried', '1', Manifest(), Path(sys.argv[1]))\n"
        "except ModelError: print('raised')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("raised", "")
