from __future__ import annotations

import pytest

from gapless.errors import ConfigError
from gapless.infer.onnx.providers import PROVIDERS, Wanted, explain, plan_providers

CUDA_BUILD = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
CPU_BUILD = ("AzureExecutionProvider", "CPUExecutionProvider")


def names(wanted: Wanted, available: tuple[str, ...]) -> list[list[str]]:
    return [[name for name, _ in plan.providers] for plan in plan_providers(wanted, available)]


def test_auto_tries_what_is_built_in_from_the_fastest_to_the_processor() -> None:
    assert names("auto", CUDA_BUILD) == [
        ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
        ["CUDAExecutionProvider", "CPUExecutionProvider"],
        ["CPUExecutionProvider"],
    ]
    assert names("auto", CPU_BUILD) == [["CPUExecutionProvider"]]
    assert names("auto", ("CoreMLExecutionProvider", "CPUExecutionProvider"))[0][0].startswith(
        "CoreML"
    )


def test_what_is_asked_for_by_name_is_the_only_plan() -> None:
    assert names("cuda", CUDA_BUILD) == [["CUDAExecutionProvider", "CPUExecutionProvider"]]
    assert names("cpu", CUDA_BUILD) == [["CPUExecutionProvider"]]
    assert names("directml", ("DmlExecutionProvider", "CPUExecutionProvider")) == [
        ["DmlExecutionProvider", "CPUExecutionProvider"]
    ]


@pytest.mark.parametrize("wanted", ["cuda", "tensorrt", "coreml", "directml"])
def test_what_is_not_built_in_is_an_error_that_says_how_to_get_it(wanted: Wanted) -> None:
    with pytest.raises(ConfigError) as raised:
        plan_providers(wanted, CPU_BUILD)
    assert raised.value.param == "provider"
    assert raised.value.message.startswith(f"provider is {wanted}, but")
    assert wanted != "auto"
    assert PROVIDERS[wanted].install in raised.value.message


def test_a_cuda_device_is_taken_as_needed_and_up_to_its_limit() -> None:
    for wanted in ("cuda", "tensorrt"):
        (plan,) = plan_providers(wanted, CUDA_BUILD, device_memory_bytes=1 << 30)
        options = dict(plan.providers)["CUDAExecutionProvider"]
        assert options["gpu_mem_limit"] == str(1 << 30)
        assert options["arena_extend_strategy"] == "kSameAsRequested"
    (plan,) = plan_providers("cuda", CUDA_BUILD)
    assert "gpu_mem_limit" not in dict(plan.providers)["CUDAExecutionProvider"]


def test_directml_takes_one_call_at_a_time() -> None:
    assert [name for name, provider in PROVIDERS.items() if provider.serial] == ["directml"]


def test_the_choice_is_explained_in_a_sentence() -> None:
    tensorrt, cuda, cpu = plan_providers("auto", CUDA_BUILD)
    assert explain("auto", tensorrt, {}) == "TensorRT computes it, the fastest that works here."
    assert (
        explain("auto", cuda, {"tensorrt": "did not start"})
        == "CUDA computes it, because TensorRT did not start."
    )
    assert (
        explain("auto", cpu, {"tensorrt": "did not start", "cuda": "failed (no device)"})
        == "The processor computes it, because TensorRT did not start; CUDA failed (no device)."
    )
    assert explain("auto", cpu, {}).endswith("because this ONNX Runtime has nothing else.")
    assert explain("cuda", cuda, {}) == "CUDA computes it, as asked for."
