"""A call as KServe's messages: tensors into a request, an answer into tensors.

In: arrays by name. Out: messages, and back. Invariants: tensors travel as raw bytes only; arrays that come out are the
caller's own. Thread: any (pure functions).
"""

from __future__ import annotations

from math import prod

import msgspec

from gapless.errors import ModelError, ProtocolError
from gapless.infer.contract import Array, Tensors
from gapless.infer.triton.connection import Message
from gapless.infer.wire.tensors import datatype_of, decode, encode


class RemoteModel(msgspec.Struct, frozen=True):
    """What the servers call a model."""

    name: str
    version: str
    """Empty: the server chooses."""
    where: str
    """The model and its servers, for errors."""


def make_request(model: RemoteModel, inputs: Tensors) -> Message:
    """A ModelInferRequest.

    Args:
        model: whom it is for.
        inputs: arrays by name.

    Raises:
        ModelError: an input is of a type that cannot travel.
    """
    from gapless.infer.wire import messages

    request = messages.ModelInferRequest(model_name=model.name, model_version=model.version)
    for name, array in inputs.items():
        try:
            datatype = datatype_of(array)
        except ProtocolError as error:
            raise ModelError(
                f"{model.where} cannot be given {name!r}: {error.message}", param=name
            ) from None
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(encode(array))
    return request


def mark_step(request: Message, sequence: int, *, start: bool, end: bool) -> None:
    """Say in a request which step of which stream it is."""
    request.parameters["sequence_id"].int64_param = sequence
    request.parameters["sequence_start"].bool_param = start
    request.parameters["sequence_end"].bool_param = end


def make_ending(step: Message) -> Message:
    """The request that ends the stream of ``step``. Triton wants inputs with END too: zeros, or empty texts."""
    from gapless.infer.wire import messages

    ending = messages.ModelInferRequest(
        model_name=step.model_name, model_version=step.model_version, inputs=step.inputs
    )
    for tensor, raw in zip(step.inputs, step.raw_input_contents, strict=True):
        # An empty text is its length, 0 in four bytes.
        size = 4 * prod(tensor.shape) if tensor.datatype == "BYTES" else len(raw)
        ending.raw_input_contents.append(bytes(size))
    mark_step(ending, step.parameters["sequence_id"].int64_param, start=False, end=True)
    return ending


def read_outputs(answer: Message, where: str) -> dict[str, Array]:
    """The arrays in a ModelInferResponse.

    Args:
        answer: the message.
        where: the model and its server, for the error.

    Raises:
        ModelError: they are not what the answer says of them.
    """
    try:
        return {
            tensor.name: _own(decode(raw, tensor.datatype, tuple(tensor.shape), tensor.name))
            for tensor, raw in zip(answer.outputs, answer.raw_output_contents, strict=True)
        }
    except ValueError as error:  # ProtocolError is one
        raise ModelError(
            f"{where} sent an answer that cannot be read: {error}; look at the server's log"
        ) from error


def _own(array: Array) -> Array:
    """An array that can be written to; others are views of the message."""
    return array if array.flags.writeable else array.copy()
