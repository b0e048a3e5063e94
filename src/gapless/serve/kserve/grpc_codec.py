"""Questions and answers as gRPC messages.

In: the bytes of a ``ModelInferRequest``, or a ``Result``. Out: a ``Question``, or a ``ModelInferResponse``.
Invariants: tensors come as raw or as typed contents, never both; they go out as raw contents, in the order of the
outputs, for tritonclient reads nothing else. Thread: any (pure functions).

Source: Open Inference Protocol, ``open_inference_grpc.proto``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from google.protobuf.message import DecodeError

from gapless.errors import ProtocolError
from gapless.infer.contract import Array
from gapless.infer.inference import Result
from gapless.infer.wire import messages
from gapless.infer.wire.tensors import checked_size, datatype_of, decode, dtype_of, encode
from gapless.serve.kserve.codec import Question
from gapless.serve.kserve.grpc_bounds import check_request_bytes, no_message
from gapless.serve.kserve.messages import CallParameters

EMPTY_FINAL_RESPONSE: Final = "triton_enable_empty_final_response"
"""With this parameter a client asks to be told which response of a stream is the last to its request."""

FINAL_RESPONSE: Final = "triton_final_response"

_CONTENTS: Final = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where typed elements stand; FP16 has no such place."""


def read_request(data: bytes) -> Any:
    """The ``ModelInferRequest`` that was sent.

    Raises:
        ProtocolError: it is none, or one that would take too much to read.
    """
    check_request_bytes(data)
    try:
        return messages.ModelInferRequest.FromString(data)
    except DecodeError as error:
        raise no_message() from error


def read_question(request: Any) -> Question:
    """What a ``ModelInferRequest`` asks.

    Raises:
        ProtocolError: it is not what the protocol says.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise ProtocolError(
            f"the request has {len(request.inputs)} inputs and {len(raw)} raw_input_contents; send one for each"
        )
    inputs: dict[str, Array] = {}
    for index, tensor in enumerate(request.inputs):
        name = tensor.name
        if name in inputs:
            raise ProtocolError(f"input {name!r} is given twice; give it once", param=name)
        _refuse_shared_memory(tensor)
        if raw and tensor.HasField("contents"):
            raise ProtocolError(
                f"input {name!r} has contents beside raw_input_contents; send one of them",
                param=name,
            )
        shape = tuple(tensor.shape)
        if raw:
            inputs[name] = decode(raw[index], tensor.datatype, shape, name)
        else:
            inputs[name] = _read_contents(tensor, shape)
    return Question(
        id=request.id,
        inputs=inputs,
        outputs=_outputs(request),
        parameters=_parameters(request),
    )


def fill_answer(response: Any, result: Result, question: Question) -> None:
    """Make ``response``, an empty ``ModelInferResponse``, the answer."""
    response.model_name = result.model
    response.model_version = result.version
    response.id = question.id
    for name in question.outputs or result.outputs:
        array = result.outputs[name]
        response.outputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        response.raw_output_contents.append(encode(array))


def size_of(result: Result) -> int:
    """Bytes of its arrays: what filling in an answer takes grows with them."""
    return sum(array.nbytes for array in result.outputs.values())


def wants_final_mark(request: Any) -> bool:
    """Whether a request of a stream asks to be told which response is the last to it."""
    if EMPTY_FINAL_RESPONSE not in request.parameters:
        return False
    return bool(request.parameters[EMPTY_FINAL_RESPONSE].bool_param)


def mark_final(response: Any) -> None:
    """Say in a ``ModelInferResponse`` that no other follows to the same request."""
    response.parameters[FINAL_RESPONSE].bool_param = True


def _read_contents(tensor: Any, shape: tuple[int, ...]) -> Array:
    name, datatype = tensor.name, tensor.datatype
    count = checked_size(shape, name)
    dtype = dtype_of(datatype)
    if datatype not in _CONTENTS:
        raise ProtocolError(
            f"input {name!r} is {datatype}, which has no typed contents; send it in raw_input_contents",
            param=name,
        )
    field = _CONTENTS[datatype]
    elements = getattr(tensor.contents, field)
    if len(elements) != count:
        raise ProtocolError(
            f"input {name!r} has {len(elements)} elements in {field}, but {datatype} of shape {list(shape)} "
            f"needs {count}; send exactly that, or raw_input_contents",
            param=name,
        )
    array: Array = np.empty(count, dtype)
    try:
        array[:] = elements[:]
    except OverflowError as error:
        raise ProtocolError(
            f"input {name!r} has an element that is no {datatype} ({error}); send what fits",
            param=name,
        ) from error
    return array.reshape(shape)


def _outputs(request: Any) -> dict[str, bool]:
    outputs: dict[str, bool] = {}
    for output in request.outputs:
        if output.name in outputs:
            raise ProtocolError(
                f"output {output.name!r} is asked for twice; ask once", param=output.name
            )
        _refuse_shared_memory(output)
        if "classification" in output.parameters:
            raise ProtocolError(
                f"output {output.name!r} is asked for as a classification, which is not done here; ask for it as "
                "it is, and sort it yourself",
                param=output.name,
            )
        outputs[output.name] = True
    return outputs


def _parameters(request: Any) -> CallParameters:
    if not request.parameters:
        return CallParameters()
    given = {
        name: getattr(parameter, parameter.WhichOneof("parameter_choice") or "bool_param")
        for name, parameter in request.parameters.items()
    }
    try:
        return msgspec.convert(given, CallParameters)
    except msgspec.ValidationError as error:
        raise ProtocolError(
            f"the parameters cannot be used: {error}; see the KServe v2 protocol",
            param="parameters",
        ) from error


def _refuse_shared_memory(tensor: Any) -> None:
    if "shared_memory_region" in tensor.parameters:
        raise ProtocolError(
            f"tensor {tensor.name!r} names a shared memory region, and there is no shared memory here; send or ask "
            "for its bytes",
            param=tensor.name,
        )
