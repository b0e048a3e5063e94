from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import main
from gapless.infer.onnx.int8.report import int8_file, report_file
from gapless.testing.onnx_models import write_double, write_mlp


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a perceptron and a model that is broken."""
    write_mlp(tmp_path / "small" / "2" / "model.onnx", (64, 256, 8))
    (tmp_path / "small" / "manifest.toml").write_text(
        'description = "A perceptron."\nlicence = "MIT"\nmax_batch = 4\n'
    )
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "manifest.toml").write_text("max_bitch = 4\n")
    return tmp_path


def models(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        main,
        ["models", *arguments, "--models-dir", str(folder)],
        env={"GAPLESS_CONFIG": ""},
    )


def test_the_list_has_models_of_tensors_and_what_is_wrong_with_them(folder: Path) -> None:
    listed = {
        model["name"]: model
        for model in json.loads(models(folder, "list", "--json").stdout)["tensors"]
    }
    assert set(listed) == {"broken", "silero_vad", "small"}
    assert listed["small"]["versions"] == ["2"]
    assert listed["small"]["description"] == "A perceptron."
    assert "did you mean max_batch?" in listed["broken"]["trouble"]
    shown = models(folder, "list").stdout
    assert "small 2  tensors, onnxruntime_onnx, MIT" in shown
    assert "did you mean max_batch?" in shown


def test_inspect_tells_all_of_a_model(folder: Path) -> None:
    told = json.loads(models(folder, "inspect", "small", "--json").stdout)
    assert told["info"]["name"] == "small"
    assert told["info"]["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [64], "labels": [], "optional": False}
    ]
    assert told["info"]["limits"]["buckets"] == [1, 2, 4]
    assert told["file"] == str(folder / "small" / "2" / "model.onnx")
    assert told["file_bytes"] > 64 * 256 * 4
    assert told["graph"]["operators"] == {"Gemm": 2, "Relu": 1}
    assert set(told["timings"]["steady_ms"]) == {"1", "2", "4"}
    assert told["eight_bits"] is None
    shown = models(folder, "inspect", "small").stdout
    for text in ("A perceptron.", "x  FP32 [64]", "of 1, 2, 4 rows", "Gemm 2, Relu 1 (opset 17"):
        assert text in shown
    assert "The processor computes it" in shown


def test_inspect_tells_of_states_and_of_the_model_inside_the_package(tmp_path: Path) -> None:
    shown = models(tmp_path, "inspect", "silero_vad").stdout
    assert "h <- hn  FP32 [1, 128]" in shown
    assert "MIT" in shown


def test_a_model_may_be_a_file_anywhere(tmp_path: Path) -> None:
    path = write_double(tmp_path / "elsewhere" / "doubler.onnx")
    told = json.loads(models(tmp_path, "inspect", str(path), "--json").stdout)
    assert (told["info"]["name"], told["info"]["version"]) == ("doubler", "1")


def test_a_file_in_a_folder_of_models_is_what_that_folder_says(folder: Path) -> None:
    path = folder / "small" / "2" / "model.onnx"
    told = json.loads(models(folder, "inspect", str(path), "--json").stdout)
    assert (told["info"]["name"], told["info"]["version"]) == ("small", "2")
    assert told["info"]["description"] == "A perceptron."


@pytest.mark.parametrize("command", ["inspect", "quantize", "bench"])
def test_what_is_not_there_is_an_error_that_says_what_is(folder: Path, command: str) -> None:
    absent = models(folder, command, "absent")
    assert absent.exit_code == 1
    assert "here are: broken, silero_vad, small" in absent.stderr
    broken = models(folder, command, "broken")
    assert broken.exit_code == 1
    assert "did you mean max_batch?" in broken.stderr
    no_file = models(folder, command, "./absent.onnx")
    assert no_file.exit_code == 1
    assert "there is no file" in no_file.stderr


def test_a_broken_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    for command in ("inspect", "quantize", "bench"):
        failed = models(tmp_path, command, str(path))
        assert failed.exit_code == 1
        assert failed.stderr.startswith("gapless: the model ")
        assert failed.stderr.count("\n") == 1


@pytest.mark.long
def test_quantize_writes_a_version_that_the_next_command_uses(folder: Path) -> None:
    path = folder / "small" / "2" / "model.onnx"
    done = models(folder, "quantize", "small", "--min-speedup", "0.01")
    assert done.exit_code == 0
    assert "8 bits by row (kept)" in done.stdout
    assert "from neighbours" in done.stdout
    assert "random numbers, which say little" in done.stdout
    assert "\nused: " in done.stdout
    assert int8_file(path).exists()
    assert report_file(path).exists()
    told = json.loads(models(folder, "inspect", "small", "--json").stdout)
    assert told["eight_bits"]["used"]
    assert "It is the 8-bit version" in told["provider"]


@pytest.mark.long
def test_quantize_says_why_a_version_is_not_used(folder: Path) -> None:
    samples = folder / "samples.npz"
    np.savez(samples, x=np.random.default_rng(1).standard_normal((5, 64)))
    done = models(
        folder, "quantize", "small", "--tolerance", "0", "--samples", str(samples), "--json"
    )
    report = json.loads(done.stdout)
    assert not report["use"]
    assert "over the tolerance of 0.00%" in report["why"]
    assert (report["samples"], report["rows"]) == ("samples.npz", 5)
    told = json.loads(models(folder, "inspect", "small", "--json").stdout)
    assert not told["eight_bits"]["used"]
    forced = models(folder, "quantize", "small", "--tolerance", "0", "--force")
    assert "used: forced, although" in forced.stdout


def test_samples_that_do_not_fit_are_wrong_usage(folder: Path) -> None:
    samples = folder / "samples.npz"
    np.savez(samples, z=np.zeros(3))
    failed = models(folder, "quantize", "small", "--samples", str(samples))
    assert failed.exit_code == 2
    assert "has no array 'x'" in failed.stderr


@pytest.mark.long
def test_bench_times_every_bucket(folder: Path) -> None:
    told = json.loads(models(folder, "bench", "small", "--seconds", "0.05", "--json").stdout)
    assert [bucket["rows"] for bucket in told["buckets"]] == [1, 2, 4]
    for bucket in told["buckets"]:
        assert bucket["p50_us"] <= bucket["p95_us"] <= bucket["p99_us"] <= bucket["max_us"]
        assert bucket["rows_per_s"] > 0
    shown = models(folder, "bench", "small", "--seconds", "0.05").stdout
    assert "of one by one" in shown
    assert shown.startswith("small 2: The processor computes it")
