"""What computes a model: which of ONNX Runtime's execution providers to try, in which order, and why.

In: what was asked for, and what this ONNX Runtime was built with. Out: plans, the best first. Invariants: the
processor is the last plan of ``auto``; what was asked for by name is the only plan. Thread: any (pure).

That a provider is built in says little: its libraries or its device may be missing, and then ONNX Runtime takes the
processor without a word. So a plan counts only once a session names its provider; see ``onnx_session.py``.

Source of the options: onnxruntime.ai/docs/execution-providers. Only the processor was run by this project's tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from gapless.errors import ConfigError

ProviderName: TypeAlias = Literal["cpu", "cuda", "tensorrt", "coreml", "directml"]

Wanted: TypeAlias = ProviderName | Literal["auto"]

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"


class Provider(msgspec.Struct, frozen=True):
    """What is known of a provider."""

    onnx_name: str
    title: str
    """As people call it."""
    install: str
    """How to get it."""
    options: Mapping[str, str] = {}
    """What a session is told."""
    behind: tuple[ProviderName, ...] = ()
    """Providers that take what this one cannot, before the processor does."""
    serial: bool = False
    """Whether a session takes only one call at a time."""


PROVIDERS: Final[dict[ProviderName, Provider]] = {
    "tensorrt": Provider(
        "TensorrtExecutionProvider",
        "TensorRT",
        "install TensorRT and `pip install 'onnxruntime-gpu[cuda,cudnn]'` in place of onnxruntime",
        behind=("cuda",),
    ),
    "cuda": Provider(
        CUDA,
        "CUDA",
        "`pip install 'onnxruntime-gpu[cuda,cudnn]'` in place of onnxruntime",
        # Grow by what is needed instead of doubling; and choose convolutions by rule, for trying them all is done again
        # for every new shape, in the middle of a call.
        {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"},
    ),
    "coreml": Provider(
        "CoreMLExecutionProvider",
        "CoreML",
        "use macOS, where the package onnxruntime has it",
        {"ModelFormat": "MLProgram"},
    ),
    "directml": Provider(
        "DmlExecutionProvider",
        "DirectML",
        "use Windows and `pip install onnxruntime-directml` in place of onnxruntime",
        # It also wants no memory patterns and sequential execution, which all our sessions have.
        serial=True,
    ),
    "cpu": Provider(CPU, "the processor", "`pip install onnxruntime`"),
}
"""Every provider that can be asked for, the fastest first."""


class Plan(msgspec.Struct, frozen=True):
    """One way to open a session."""

    name: ProviderName
    providers: tuple[tuple[str, dict[str, str]], ...]
    """As ONNX Runtime takes them: names with options, the first one first."""

    @property
    def provider(self) -> Provider:
        """What is known of the first one."""
        return PROVIDERS[self.name]


def plan_providers(
    wanted: Wanted, available: Sequence[str], device_memory_bytes: int | None = None
) -> list[Plan]:
    """What to try, in order.

    Args:
        wanted: a provider, or auto for the first that works.
        available: ONNX Runtime's names of what it was built with.
        device_memory_bytes: what a session may take of a CUDA device's memory; None: all.

    Raises:
        ConfigError: what is wanted is not available; says how to get it.
    """
    here: list[ProviderName] = [
        name for name, provider in PROVIDERS.items() if provider.onnx_name in available
    ]
    if wanted == "auto":
        return [_plan(name, here, device_memory_bytes) for name in here]
    if wanted not in here:
        raise ConfigError(
            f"provider is {wanted}, but this ONNX Runtime has only {', '.join(here)}; for "
            f"{PROVIDERS[wanted].title} {PROVIDERS[wanted].install}, or set provider to auto",
            param="provider",
        )
    return [_plan(wanted, here, device_memory_bytes)]


def explain(wanted: Wanted, chosen: Plan, refused: Mapping[ProviderName, str]) -> str:
    """Why this plan was chosen, as a sentence.

    Args:
        wanted: what was asked for.
        chosen: the plan that worked.
        refused: why those tried before it did not.
    """
    title = chosen.provider.title
    subject = title[:1].upper() + title[1:]
    if wanted != "auto":
        return f"{subject} computes it, as asked for."
    if refused:
        failures = "; ".join(f"{PROVIDERS[name].title} {why}" for name, why in refused.items())
        return f"{subject} computes it, because {failures}."
    if chosen.name == "cpu":
        return f"{subject} computes it, because this ONNX Runtime has nothing else."
    return f"{subject} computes it, the fastest that works here."


def _plan(
    name: ProviderName, here: Sequence[ProviderName], device_memory_bytes: int | None
) -> Plan:
    names = dict.fromkeys((name, *(n for n in PROVIDERS[name].behind if n in here), "cpu"))
    return Plan(name, tuple(_with_options(PROVIDERS[each], device_memory_bytes) for each in names))


def _with_options(
    provider: Provider, device_memory_bytes: int | None
) -> tuple[str, dict[str, str]]:
    options = dict(provider.options)
    if provider.onnx_name == CUDA and device_memory_bytes is not None:
        options["gpu_mem_limit"] = str(device_memory_bytes)
    return provider.onnx_name, options
