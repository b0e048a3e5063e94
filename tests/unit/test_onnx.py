from __future__ import annotations

import gc
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import ref

import numpy as np
import pytest

from gapless.errors import ModelError
from gapless.infer.carried import find_carried
from gapless.infer.onnx import OnnxModel, Tensor, open_model

OUTPUTS = ("speech_probs", "hn", "cn")


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    """A copy that no other test holds open."""
    original = find_carried("faster_whisper", "assets/silero_vad_v6.onnx", install="faster-whisper")
    path = tmp_path / "model.onnx"
    path.write_bytes(original.read_bytes())
    return path


def silence() -> dict[str, Tensor]:
    state = np.zeros((1, 1, 128), np.float32)
    return {"input": np.zeros((1, 576), np.float32), "h": state, "c": state}


def test_everyone_who_opens_a_file_gets_the_same_model(model_path: Path) -> None:
    at_once = threading.Barrier(8)

    def open_it(_: int) -> OnnxModel:
        at_once.wait(10)
        return open_model(model_path)

    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(open_it, range(8)))
    assert len({id(model) for model in models}) == 1


def test_two_names_of_one_file_are_one_model(model_path: Path) -> None:
    other_name = model_path.with_name("link.onnx")
    other_name.symlink_to(model_path)
    assert open_model(other_name) is open_model(model_path)


def test_a_model_is_freed_with_its_last_holder(model_path: Path) -> None:
    model = open_model(model_path)
    gone = ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_many_threads_get_the_results_of_one(model_path: Path) -> None:
    model = open_model(model_path)
    inputs = [silence() for _ in range(64)]
    for number, tensors in enumerate(inputs):
        tensors["input"] += np.float32(np.sin(np.arange(576) * number / 50))

    def run(tensors: dict[str, Tensor]) -> bytes:
        return b"".join(output.tobytes() for output in model.run(OUTPUTS, tensors))

    alone = [run(tensors) for tensors in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, inputs))
    assert together == alone
    assert len(set(alone)) == len(alone)


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04zip"])
def test_a_damaged_file_is_a_model_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.onnx cannot be loaded"):
        open_model(path)


def test_a_truncated_model_is_a_model_error(model_path: Path) -> None:
    model_path.write_bytes(model_path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_model(model_path)


def test_a_missing_file_is_a_model_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx cannot be loaded"):
        open_model(tmp_path / "absent.onnx")


def test_tensors_that_do_not_fit_are_a_model_error(model_path: Path) -> None:
    model = open_model(model_path)
    narrow = silence() | {"input": np.zeros((1, 512), np.float32)}
    with pytest.raises(ModelError, match=r"model\.onnx failed"):
        model.run(OUTPUTS, narrow)
    incomplete = silence()
    del incomplete["h"]
    with pytest.raises(ModelError, match=r"model\.onnx failed"):
        model.run(OUTPUTS, incomplete)
    assert len(model.run(OUTPUTS, silence())) == 3, "a bad call leaves the model usable"


def test_errors_are_raised_and_not_written_to_standard_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    code = (
        "import sys; from pathlib import Path; from gapless.errors import ModelError;"
        "from gapless.infer.onnx import open_model; assert 'onnxruntime' not in sys.modules\n"
        "try: open_model(Path(sys.argv[1]))\n"
        "except ModelError: print('raised')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout.strip(), done.stderr) == ("raised", "")
