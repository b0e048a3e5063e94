"""What a model on a Triton server takes and gives.

In: the server's metadata and configuration of the model, and the manifest here. Out: a ``ModelInfo``. Invariants: as
for a model in a file, what the server tells need not be said, and what is said and is not so is an error.
Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gapless.errors import ModelError
from gapless.infer.contract import DYNAMIC, ModelInfo
from gapless.infer.onnx.description import OnnxDescription, OnnxTensor
from gapless.infer.repository.manifest import Manifest, resolve_info
from gapless.infer.triton.connection import Message
from gapless.infer.wire.tensors import DATATYPES


def read_info(
    name: str, version: str, manifest: Manifest, metadata: Message, config: Message
) -> ModelInfo:
    """Put together what is known.

    Args:
        name: what the model is called here.
        version: and its version.
        manifest: what its folder says.
        metadata: the server's ModelMetadataResponse.
        config: the server's ModelConfig.

    Raises:
        ModelError: it cannot be used, or the manifest and the server do not agree.
    """
    if config.model_transaction_policy.decoupled:
        raise ModelError(
            f"the model {name!r} sends its answers as a stream of its own (decoupled); serve one that answers each "
            "request once"
        )
    stateful = config.WhichOneof("scheduling_choice") == "sequence_batching"
    if stateful and manifest.states:
        raise ModelError(
            f"the manifest of {name!r} names states, but its Triton server keeps them; leave [[state]] out",
            param="state",
        )
    batched = config.max_batch_size > 0
    # Triton takes one row at a time for each stream.
    largest = _largest_batch(
        manifest, min(config.max_batch_size, 1) if stateful else config.max_batch_size
    )
    optional = {tensor.name for tensor in config.input if tensor.optional}
    info = resolve_info(
        name,
        version,
        msgspec.structs.replace(manifest, max_batch=largest),
        OnnxDescription(
            _tensors(metadata.inputs, batched=batched), _tensors(metadata.outputs, batched=batched)
        ),
    )
    return msgspec.structs.replace(
        info,
        platform="triton",
        sequences="server" if stateful else info.sequences,
        inputs=tuple(
            msgspec.structs.replace(tensor, optional=tensor.name in optional)
            for tensor in info.inputs
        ),
    )


def _largest_batch(manifest: Manifest, allowed: int) -> int:
    """The largest batch: the server's, or less if the manifest says so; 0: tensors have no batch axis.

    Raises:
        ModelError: the manifest says more.
    """
    buckets = manifest.limits.buckets
    said = manifest.max_batch if manifest.max_batch is not None else max(buckets, default=allowed)
    if said > allowed or (said == 0) != (allowed == 0):
        raise ModelError(
            f"the largest batch is {said} in the manifest, but {allowed} on the Triton server; correct the manifest, "
            "or leave it out",
            param="max_batch",
        )
    return said


def _tensors(tensors: Iterable[Message], *, batched: bool) -> tuple[OnnxTensor, ...]:
    return tuple(_tensor(tensor, batched=batched) for tensor in tensors)


def _tensor(tensor: Message, *, batched: bool) -> OnnxTensor:
    if tensor.datatype not in DATATYPES:
        raise ModelError(
            f"tensor {tensor.name!r} is {tensor.datatype} on the Triton server; use one of {', '.join(DATATYPES)}"
        )
    lengths: tuple[int | str, ...] = tuple(
        "" if length == DYNAMIC else length for length in tensor.shape
    )
    return OnnxTensor(tensor.name, tensor.datatype, ("batch", *lengths[1:]) if batched else lengths)
