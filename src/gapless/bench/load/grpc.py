"""Connections that ask a model over gRPC, in the way of KServe, Triton and Gapless.

In: a task with a ``GrpcQuestion``. Out: connections for a desk. Invariants: each has a channel and a TCP connection of
its own, and one call at a time; the message is made once, and only its first numbers are written anew.
Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from gapless.bench.load.desk import Connect, Desk
from gapless.bench.load.infer import FRACTIONS, Described, Takes, example
from gapless.bench.load.task import GrpcQuestion, Task
from gapless.errors import ConfigError, ConnectionLostError, MissingDependencyError
from gapless.infer.wire.tensors import datatype_of, dtype_of, encode

if TYPE_CHECKING:
    import grpc.aio

CONNECT_TIMEOUT_S: Final = 10.0
METHOD: Final = "/inference.GRPCInferenceService/"
NUMBERS_PER_STEP: Final = 1e9

OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    # Otherwise all channels to one address share a connection.
    ("grpc.use_local_subchannel_pool", 1),
)


def need_grpc() -> None:
    """See that the library is there.

    Raises:
        MissingDependencyError: it is not.
    """
    try:
        import grpc.aio  # noqa: F401 - looked for, not used
    except ImportError as error:
        raise MissingDependencyError(
            "asking over gRPC needs grpcio, which is not installed; run `pip install 'gapless[grpc]'`"
        ) from error


def describe(address: str, model: str, api_key: str) -> Described:
    """What a model takes, by ModelMetadata.

    Raises:
        ConnectionLostError: the server does not answer, or does not know the model.
    """
    need_grpc()
    import grpc

    from gapless.infer.wire import messages

    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(
            f"{METHOD}ModelMetadata",
            request_serializer=messages.ModelMetadataRequest.SerializeToString,
            response_deserializer=messages.ModelMetadataResponse.FromString,
        )
        try:
            answer = ask(
                messages.ModelMetadataRequest(name=model),
                timeout=CONNECT_TIMEOUT_S,
                metadata=metadata(api_key),
            )
        except grpc.RpcError as error:
            raise ConnectionLostError(
                f"{address} says nothing of the model {model!r} ({_said(error)}); "
                "check the address, the key and the name"
            ) from error
    inputs = tuple(
        Takes(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in answer.inputs
    )
    return Described(inputs, name=answer.name)


def infer_request(described: Described) -> bytes:
    """A ModelInferRequest with one row, whose fractions come first, so that they can be made to differ.

    Raises:
        ConfigError: the model takes none.
    """
    from gapless.infer.wire import messages

    kinds = {tensor.name: tensor.datatype for tensor in described.inputs}
    # The order is stable: the rest stays as the model has it.
    ordered = sorted(example(described).items(), key=lambda item: kinds[item[0]] not in FRACTIONS)
    if not ordered or kinds[ordered[0][0]] not in FRACTIONS:
        raise ConfigError(
            f"{described.name} takes no fractions, so that questions to it cannot be made to differ; choose another "
            "model",
            param="model",
        )
    request = messages.ModelInferRequest(model_name=described.name)
    for name, array in ordered:
        request.inputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        request.raw_input_contents.append(encode(array))
    content: bytes = request.SerializeToString()
    return content


def metadata(api_key: str) -> tuple[tuple[str, str], ...]:
    """What goes with each call."""
    return (("authorization", f"Bearer {api_key}"),) if api_key else ()


def grpc_connect(task: Task, question: GrpcQuestion) -> Connect:
    """What makes connections for a task.

    Raises:
        MissingDependencyError: gRPC is not installed.
    """
    need_grpc()
    import grpc.aio

    requests = Requests(question.request, bodies=task.bodies, run=task.run)

    async def connect(desk: Desk) -> GrpcCaller:
        channel = grpc.aio.insecure_channel(question.address, options=OPTIONS)
        try:
            await channel.channel_ready()
        except BaseException:
            await channel.close()
            raise
        return GrpcCaller(desk, channel, requests, metadata(question.api_key))

    return connect


@final
class Requests:
    """Messages that differ in the first two elements of their first input.

    Args:
        request: a ModelInferRequest.
        bodies: how many there are; 0: a new one each time.
        run: what the second element is made of.
    """

    def __init__(self, request: bytes, *, bodies: int, run: int) -> None:
        from gapless.infer.wire import messages

        self._message = messages.ModelInferRequest.FromString(request)
        raw = bytearray(self._message.raw_input_contents[0])
        self._raw = raw
        self._elements = np.frombuffer(raw, dtype_of(self._message.inputs[0].datatype))
        self._bodies = bodies
        if len(self._elements) > 1:
            self._elements[1] = run % NUMBERS_PER_STEP / NUMBERS_PER_STEP

    def make(self, number: int) -> bytes:
        """The message of a request."""
        if self._bodies:
            number %= self._bodies
        self._elements[0] = number / NUMBERS_PER_STEP
        self._message.raw_input_contents[0] = bytes(self._raw)
        content: bytes = self._message.SerializeToString()
        return content


@final
class GrpcCaller:
    """One channel.

    Args:
        desk: that it reports to.
        channel: connected.
        requests: what is asked.
        headers: that go with each call.
    """

    def __init__(
        self,
        desk: Desk,
        channel: grpc.aio.Channel,
        requests: Requests,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        self._desk = desk
        self._channel = channel
        self._requests = requests
        self._headers = headers
        # Bytes go out as they are, and come in so.
        self._method = channel.unary_unary(f"{METHOD}ModelInfer")
        self._is_closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.due_s = 0.0
        self.sent_s = 0.0
        self.is_asking = False

    def ask(self, number: int) -> None:
        """Send a request."""
        task = asyncio.create_task(self._ask(self._requests.make(number)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Hang up."""
        self._is_closed = True
        task = asyncio.create_task(self._channel.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, request: bytes) -> None:
        import grpc

        error = ""
        try:
            answer = await self._method(request, metadata=self._headers)
            self._desk.received_bytes += len(answer)
        except grpc.RpcError as failure:
            error = _said(failure)
        except asyncio.CancelledError:
            # The channel was closed under it.
            return
        if not self._is_closed:
            self._desk.answered(self, error)


def _said(error: Any) -> str:
    code = error.code() if hasattr(error, "code") else None
    return "gRPC failed" if code is None else f"gRPC {code.name.lower()}"
