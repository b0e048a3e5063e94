"""One gRPC channel to one server, with a connection of its own.

In: messages. Out: messages, or a ``Failure``. Invariants: no other channel shares its connection; nothing is sent after
``close``. Thread: any, many at a time.

gRPC gives all channels to one address the same connection, and a pool of them is none, unless each has a subchannel
pool of its own or an argument that differs. They have both.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias, final

from gapless.errors import ConfigError, ConnectionLostError, MissingDependencyError
from gapless.infer.triton.failure import Failure, read_failure
from gapless.infer.triton.options import TritonOptions

Message: TypeAlias = Any
"""A message of ``wire.messages``."""

Outcome: TypeAlias = Message | Failure
"""What comes of a call."""

Connect: TypeAlias = Callable[[int], "Connection"]
"""Opens a channel under a number that no other has; connects when it is first used."""


@final
class Connection:
    """See the module's head.

    Args:
        channel: gRPC's channel; owned from here on.
        where: the model and the server, for messages.
        full_ms: what a call may take that is not in a hurry.
    """

    def __init__(self, channel: Any, where: str, full_ms: int) -> None:
        import grpc

        from gapless.infer.wire import messages

        # gRPC raises a ValueError where the channel was closed meanwhile.
        self._errors: Final = (grpc.RpcError, ValueError)
        self._channel = channel
        self._where: Final = where
        self._full_ms: Final = full_ms
        self._calls = {
            name: channel.unary_unary(
                f"/{messages.SERVICE}/{name}",
                request_serializer=getattr(messages, f"{name}Request").SerializeToString,
                response_deserializer=getattr(messages, f"{name}Response").FromString,
            )
            for name in (
                "ServerMetadata",
                "ModelReady",
                "ModelMetadata",
                "ModelConfig",
                "ModelInfer",
            )
        }
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def call(self, method: str, request: Message, timeout_ms: int) -> Outcome:
        """Ask and wait."""
        try:
            return self._calls[method](request, timeout=timeout_ms / 1000)
        except self._errors as error:
            return self._failure(error, timeout_ms)

    def send(self, method: str, request: Message, timeout_ms: int) -> Callable[[], Outcome]:
        """Ask; what is returned waits for the answer."""
        try:
            future = self._calls[method].future(request, timeout=timeout_ms / 1000)
        except self._errors as error:
            failure = self._failure(error, timeout_ms)
            return lambda: failure

        def wait() -> Outcome:
            try:
                return future.result()
            except self._errors as error:
                return self._failure(error, timeout_ms)

        return wait

    def close(self) -> None:
        """Cancel what is under way, and disconnect. Idempotent."""
        self._closed = True
        self._channel.close()

    def _failure(self, error: Exception, timeout_ms: int) -> Failure:
        """What gRPC's error means; any other error is passed on."""
        if isinstance(error, self._errors[0]):
            in_full = timeout_ms >= self._full_ms
            return read_failure(
                error.code().name, error.details() or "", self._where, in_full=in_full
            )
        if self._closed:
            lost = ConnectionLostError(f"the connection to {self._where} was lost; try again")
            return Failure(lost, repeat="anywhere", stream_lost=True)
        raise error


def connector(url: str, options: TritonOptions, where: str) -> Connect:
    """What opens channels to the server at ``url``.

    Raises:
        MissingDependencyError: gRPC is not installed.
        ConfigError: the file of root certificates cannot be read.
    """
    try:
        import google.protobuf  # noqa: F401
        import grpc
    except ImportError as error:
        raise MissingDependencyError(
            "models on Triton servers need gRPC; run `pip install 'gapless[grpc]'`"
        ) from error

    credentials = None
    if options.tls:
        credentials = grpc.ssl_channel_credentials(_read_certificates(options.root_certificates))

    def connect(number: int) -> Connection:
        arguments = [
            ("gapless.channel", number),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_send_message_length", options.max_message_bytes),
            ("grpc.max_receive_message_length", options.max_message_bytes),
        ]
        channel = (
            grpc.insecure_channel(url, arguments)
            if credentials is None
            else grpc.secure_channel(url, credentials, arguments)
        )
        return Connection(channel, where, options.call_timeout_ms)

    return connect


def _read_certificates(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the root certificates in {path} cannot be read: {error.strerror}; correct root_certificates",
            param="root_certificates",
        ) from error
