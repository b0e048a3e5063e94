"""Questions and answers as HTTP bodies: JSON, with binary tensors behind it.

In: a body and the length of its JSON. Out: named tensors and how they are to be run and answered; and the other way.
Invariants: every byte of a body belongs to the JSON or to one tensor; binary tensors that come in are views of the
body; outputs come in the order they were asked for. Thread: any (pure functions).

Source: Open Inference Protocol, ``inference_rest.md``; Triton's binary tensor data extension.
"""

from __future__ import annotations

from math import prod
from typing import Final

import msgspec
from msgspec import UNSET

from gapless.errors import ProtocolError
from gapless.infer.contract import DYNAMIC, Array, ModelInfo, TensorInfo
from gapless.infer.inference import Result
from gapless.infer.wire.tensors import (
    DATATYPES,
    checked_size,
    datatype_of,
    decode,
    encode,
    reshaped,
)
from gapless.serve.kserve.elements import check_json_size, read_elements, write_elements
from gapless.serve.kserve.messages import (
    BinarySize,
    CallParameters,
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
)

HEADER_LENGTH: Final = "Inference-Header-Content-Length"
"""The header that says how long the JSON is, where binary tensors follow."""

_REQUEST: Final = msgspec.json.Decoder(InferRequest)
_ENCODER: Final = msgspec.json.Encoder()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A request, read."""

    id: str = ""
    inputs: dict[str, Array]
    outputs: dict[str, bool] = {}
    """Those that are wanted, in order, and whether each comes as bytes; none: all of them."""
    binary: bool = False
    """Whether outputs that are not named come as bytes."""
    parameters: CallParameters = CallParameters()


def read_header_length(header: str | None) -> int | None:
    """What the header says; None if it is not there.

    Raises:
        ProtocolError: it is no length.
    """
    if header is None:
        return None
    if not (header.isascii() and header.isdecimal() and len(header) <= 18):
        raise ProtocolError(
            f"{HEADER_LENGTH} is {header!r}; send the length of the JSON in bytes",
            param=HEADER_LENGTH.lower(),
        )
    return int(header)


def read_question(body: bytes, json_length: int | None) -> Question:
    """Read a request.

    Args:
        body: without compression.
        json_length: how much of it is JSON; None: all. Not 0, see ``read_raw_question``.

    Raises:
        ProtocolError: it is not what the protocol says.
        TooLargeError: too much of it is JSON.
    """
    end = len(body) if json_length is None else json_length
    if end > len(body):
        raise ProtocolError(
            f"{HEADER_LENGTH} is {end}, but the body has {len(body)} bytes; send all of it",
            param=HEADER_LENGTH.lower(),
        )
    check_json_size(end)
    request = _decode(memoryview(body)[:end])
    return Question(
        id=request.id,
        inputs=_inputs(request, memoryview(body)[end:]),
        outputs=_outputs(request),
        binary=request.parameters.binary_data_output,
        parameters=request.parameters,
    )


def read_raw_question(body: bytes, info: ModelInfo) -> Question:
    """Read a request that is the bytes of its one input and nothing else: one row, answered as binary tensors.

    Raises:
        ProtocolError: the model takes more than one input, or its shape does not follow from the bytes.
    """
    if len(info.inputs) != 1:
        raise ProtocolError(
            f"{info.name} takes {len(info.inputs)} inputs, but a body without JSON is one; "
            f"send JSON with its length in {HEADER_LENGTH}"
        )
    (tensor,) = info.inputs
    if tensor.datatype == "BYTES":
        shape = tuple(1 if length == DYNAMIC else length for length in tensor.shape)
        body = len(body).to_bytes(4, "little") + body  # one text, whose length everybody knows
    else:
        shape = _raw_shape(tensor, len(body))
    front = (1,) if info.batched else ()
    array = decode(body, tensor.datatype, (*front, *shape), tensor.name)
    return Question(inputs={tensor.name: array}, binary=True)


def write_answer(result: Result, question: Question) -> tuple[bytes, int | None]:
    """The body that answers, and how much of it is JSON if not all is.

    Raises:
        ProtocolError: an output cannot be written in JSON.
    """
    names = question.outputs or dict.fromkeys(result.outputs, question.binary)
    described: list[InferOutput] = []
    tails: list[bytes] = []
    for name, binary in names.items():
        array = result.outputs[name]
        datatype = datatype_of(array)
        if binary:
            tails.append(encode(array))
            told = InferOutput(name, datatype, array.shape, BinarySize(len(tails[-1])))
        elif datatype == "FP16":
            raise ProtocolError(
                f"output {name!r} is FP16, which JSON cannot carry here; ask for it as a binary tensor",
                param=name,
            )
        else:
            told = InferOutput(
                name, datatype, array.shape, data=write_elements(array.ravel(), name)
            )
        described.append(told)
    head = _ENCODER.encode(
        InferResponse(
            id=question.id or UNSET,
            model_name=result.model,
            model_version=result.version,
            outputs=tuple(described),
        )
    )
    return (b"".join((head, *tails)), len(head)) if tails else (head, None)


def _decode(head: memoryview) -> InferRequest:
    try:
        return _REQUEST.decode(head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(
            f"the JSON cannot be used: {error}; see the KServe v2 protocol"
        ) from error
    except RecursionError as error:
        raise ProtocolError("the JSON is nested too deeply; send flat lists") from error


def _inputs(request: InferRequest, tail: memoryview) -> dict[str, Array]:
    """The tensors of a request; ``tail`` is what follows its JSON."""
    inputs: dict[str, Array] = {}
    for tensor in request.inputs:
        name = tensor.name
        if name in inputs:
            raise ProtocolError(f"input {name!r} is given twice; give it once", param=name)
        if tensor.data is not UNSET:
            inputs[name] = _read_json(tensor, tensor.data)
            continue
        size = _binary_size(tensor, len(tail))
        inputs[name] = decode(tail[:size], tensor.datatype, tensor.shape, name)
        tail = tail[size:]
    if tail:
        raise ProtocolError(
            f"{len(tail)} bytes behind the last tensor belong to none; say in binary_data_size how long each is"
        )
    return inputs


def _raw_shape(tensor: TensorInfo, size: int) -> tuple[int, ...]:
    """The shape of a row that has this many bytes; one of its lengths may be free."""
    fixed = [length for length in tensor.shape if length != DYNAMIC]
    row_bytes = DATATYPES[tensor.datatype].itemsize * prod(fixed)
    if len(tensor.shape) - len(fixed) > 1 or row_bytes == 0:
        raise ProtocolError(
            f"the shape of {tensor.name!r} does not follow from its bytes; send JSON with its length in "
            f"{HEADER_LENGTH}",
            param=tensor.name,
        )
    return tuple(size // row_bytes if length == DYNAMIC else length for length in tensor.shape)


def _binary_size(tensor: InferInput, left: int) -> int:
    """How many of the bytes behind the JSON are this tensor."""
    name, size = tensor.name, tensor.parameters.binary_data_size
    if tensor.parameters.shared_memory_region is not None:
        raise _no_shared_memory(name)
    if size is None:
        raise ProtocolError(
            f"input {name!r} has neither data nor binary_data_size; send one of them", param=name
        )
    if size > left:
        raise ProtocolError(
            f"input {name!r} should have {size} bytes behind the JSON, but {left} are left; send them all, and the "
            f"length of the JSON in {HEADER_LENGTH}",
            param=name,
        )
    return size


def _read_json(tensor: InferInput, data: msgspec.Raw) -> Array:
    name, shape = tensor.name, tensor.shape
    if tensor.parameters.binary_data_size is not None:
        raise ProtocolError(
            f"input {name!r} has both data and binary_data_size; send one of them", param=name
        )
    if tensor.datatype == "FP16":
        raise ProtocolError(
            f"input {name!r} is FP16, which JSON cannot carry here; send it as a binary tensor",
            param=name,
        )
    array = read_elements(data, tensor.datatype, name)
    is_flat = array.ndim <= 1 and array.size == checked_size(shape, name)
    if not is_flat and array.shape != shape:
        raise ProtocolError(
            f"input {name!r} has data of shape {list(array.shape)}, but says {list(shape)}; "
            "send lists of that shape, or one list of all elements",
            param=name,
        )
    return reshaped(array, shape, name)


def _outputs(request: InferRequest) -> dict[str, bool]:
    outputs: dict[str, bool] = {}
    for output in request.outputs:
        asked = output.parameters
        if output.name in outputs:
            raise ProtocolError(
                f"output {output.name!r} is asked for twice; ask once", param=output.name
            )
        if asked.shared_memory_region is not None:
            raise _no_shared_memory(output.name)
        if asked.classification:
            raise ProtocolError(
                f"output {output.name!r} is asked for as a classification, which is not done here; ask for it as it "
                "is, and sort it yourself",
                param=output.name,
            )
        by_default = request.parameters.binary_data_output
        outputs[output.name] = by_default if asked.binary_data is None else asked.binary_data
    return outputs


def _no_shared_memory(name: str) -> ProtocolError:
    return ProtocolError(
        f"tensor {name!r} names a shared memory region, and there is no shared memory here; send or ask for its bytes",
        param=name,
    )
