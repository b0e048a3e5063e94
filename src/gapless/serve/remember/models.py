"""Models that are asked once for each question.

In: requests as for the engine. Out: its results, computed or remembered. Invariants: only what a model answers to a
question alone is remembered: no step of a sequence, nothing of a model whose info has no digest; what is remembered has
the bits that were computed; equal questions that come at the same time are one. Thread: the event loop's.
"""

from __future__ import annotations

from typing import Final, final

import msgspec

from gapless.cache.contract import Cache, Namespace
from gapless.cache.key import digest, tensor_parts
from gapless.infer.contract import Array, ModelInfo
from gapless.infer.inference import Inference, Request, Result
from gapless.infer.wire.tensors import datatype_of, decode, encode
from gapless.serve.offload import in_proportion
from gapless.serve.services import Services


class KeptTensor(msgspec.Struct, array_like=True, frozen=True):
    """An output as bytes."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    content: bytes


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[KeptTensor])


@final
class RememberedModels:
    """The engine behind the cache.

    Args:
        services: both.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._inference: Final[Inference] = services.inference
        self._cache: Final[Cache] = services.cache

    async def infer(self, info: ModelInfo, request: Request) -> Result:
        """Ask for an answer that may be an earlier one.

        Args:
            info: of the model that the request goes to.
            request: as for the engine, without a sequence.

        Raises:
            GaplessError: as ``Inference.infer``.
        """
        size = sum(array.nbytes for array in request.inputs.values())
        key = await in_proportion(self._services, lambda: key_of(info, request), size)
        namespace = namespace_of(info)
        kept = self._cache.peek(namespace, key)
        if kept is not None:
            return remembered(info, kept)
        computed: list[Result] = []

        async def compute() -> bytes:
            computed.append(await self._inference.infer_async(request))
            return to_bytes(computed[0])

        answer = await self._cache.get(
            namespace, key, compute, version=f"{info.name}/{info.version}"
        )
        if computed and not answer.cached:
            return computed[0]
        return remembered(info, answer.value)


def namespace_of(info: ModelInfo) -> Namespace:
    """Vectors that stand for texts or sounds are asked for again more often than other answers."""
    return "embedding" if info.kind == "embedding" else "inference"


def key_of(info: ModelInfo, request: Request) -> bytes:
    """A digest of all that the answer depends on."""
    wanted = sorted(request.outputs or ())
    return digest(
        info.digest.encode(),
        info.name.encode(),
        msgspec.msgpack.encode(wanted),
        *tensor_parts(request.inputs),
    )


def to_bytes(result: Result) -> bytes:
    """The outputs, to be kept."""
    return _ENCODER.encode(
        [
            KeptTensor(name, datatype_of(array), array.shape, bytes(encode(array)))
            for name, array in result.outputs.items()
        ]
    )


def remembered(info: ModelInfo, kept: bytes) -> Result:
    """A result that was kept; its arrays can be read only."""
    outputs: dict[str, Array] = {
        tensor.name: decode(tensor.content, tensor.datatype, tensor.shape, tensor.name)
        for tensor in _DECODER.decode(kept)
    }
    return Result(
        model=info.name,
        version=info.version,
        outputs=outputs,
        queue_ns=0,
        compute_ns=0,
        rows=0,
        cached=True,
    )
