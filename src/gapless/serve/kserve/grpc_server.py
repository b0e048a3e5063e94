"""KServe v2 over gRPC: a server beside the one for HTTP, on the same event loop, over the same engine.

In: ``Services``, and what HTTP's side shares: the asker, who may come in, whether the server is ready.
Out: a server that answers until it is stopped. Invariants: a caller without a key is refused before its message is
read; what is not done here is refused with a sentence; no other server listens on the same port, but for workers of
this one.
Thread: the event loop's.

There are no generated stubs: the methods are a table, and the messages come from ``infer/wire``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import grpc
import grpc.aio

from gapless.errors import AccessError, ConfigError
from gapless.infer.wire import messages
from gapless.serve.access import Access, Visit, shown_key
from gapless.serve.kserve.ask import Asker
from gapless.serve.kserve.grpc_call import (
    MAX_MESSAGE_BYTES,
    Context,
    read_small,
    refusal,
    stream,
    unary,
)
from gapless.serve.kserve.grpc_health import Health
from gapless.serve.kserve.grpc_service import KServeService
from gapless.serve.kserve.grpc_status import not_done, status_of
from gapless.serve.kserve.grpc_stream import InferStream
from gapless.serve.metrics.requests import Requests
from gapless.serve.services import Services
from gapless.serve.traces import called_by

MAX_CALLS: Final = 1024
"""Calls at a time, streams among them; gRPC itself refuses one more with RESOURCE_EXHAUSTED."""

KSERVE: Final = f"/{messages.SERVICE}"
HEALTH: Final = f"/{messages.HEALTH_SERVICE}"

OPEN_METHODS: Final = frozenset(
    {f"{KSERVE}/ServerLive", f"{KSERVE}/ServerReady", f"{HEALTH}/Check", f"{HEALTH}/Watch"}
)
"""What needs no key, as over HTTP."""

OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A peer that vanished without a word is noticed, and its streams end.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Clients may ask as often whether we are there; gRPC's own bound of five minutes cuts them off.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class GrpcEdge:
    """The server; ``start`` it on the event loop that it lives on, and ``stop`` it there.

    Args:
        services: the engine.
        asker: puts questions to it, for all dialects.
        access: who may come in.
        is_ready: whether the server welcomes work.
        requests: where calls are counted.
    """

    def __init__(
        self,
        services: Services,
        asker: Asker,
        access: Access,
        is_ready: Callable[[], bool],
        requests: Requests,
    ) -> None:
        self._services = services
        self._requests = requests
        self._asker = asker
        self._stopping = asyncio.Event()
        self._streams: set[InferStream] = set()
        self._service = KServeService(services, asker, is_ready, access.siblings)
        self._health = Health(is_ready, self._stopping)
        self._door = Door(access, self._handlers(), requests)
        self._server: Any = None

    async def start(self, host: str, port: int, *, is_shared: bool = False) -> int:
        """Accept calls; returns the port, which is another where 0 was asked for.

        Args:
            host: an address of this machine.
            port: 0 picks a free one.
            is_shared: whether other processes of this server listen there too.

        Raises:
            ConfigError: the address cannot be had.
        """
        # Two servers that share a port each get some of the calls: that is meant for workers of one server only.
        options = (*OPTIONS, ("grpc.so_reuseport", int(is_shared)))
        server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MAX_CALLS)
        server.add_generic_rpc_handlers((self._door,))
        try:
            bound: int = server.add_insecure_port(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            )
        except RuntimeError as error:
            raise ConfigError(
                f"cannot listen on {host}, port {port}, for gRPC; choose another with --grpc-port (0 picks a free one)",
                param="grpc_port",
            ) from error
        await server.start()
        self._server = server
        return bound

    async def stop(self, grace_s: float) -> None:
        """Accept no more, let what came be answered, and break off what takes longer than ``grace_s``. Idempotent."""
        self._stopping.set()
        for each in self._streams:
            each.shut_down()
        if self._server is not None:
            await self._server.stop(grace_s)

    async def retire(self, grace_s: float) -> None:
        """Accept no more, and send clients elsewhere; calls and streams go on for ``grace_s`` at most."""
        self._stopping.set()
        if self._server is not None:
            await self._server.stop(grace_s)

    def _handlers(self) -> dict[str, Any]:
        """Every method, by its path."""
        service, health = self._service, self._health
        small = {
            "ModelReady": (messages.ModelReadyRequest, service.model_ready),
            "ServerMetadata": (messages.ServerMetadataRequest, service.server_metadata),
            "ModelMetadata": (messages.ModelMetadataRequest, service.model_metadata),
            "ModelConfig": (messages.ModelConfigRequest, service.model_config),
            "ModelStatistics": (messages.ModelStatisticsRequest, service.model_statistics),
            "RepositoryIndex": (messages.RepositoryIndexRequest, service.repository_index),
            "RepositoryModelLoad": (messages.RepositoryModelLoadRequest, service.load_model),
            "RepositoryModelUnload": (messages.RepositoryModelUnloadRequest, service.unload_model),
        }
        unaries = {f"{KSERVE}/{name}": _reading(*method) for name, method in small.items()}
        unaries[f"{KSERVE}/ModelInfer"] = self._infer
        streams = {
            f"{KSERVE}/ModelStreamInfer": self._infer_stream,
            # These need no key, so nothing is read for them that need not be.
            f"{KSERVE}/ServerLive": service.server_live,
            f"{KSERVE}/ServerReady": service.server_ready,
            f"{HEALTH}/Check": health.check,
            f"{HEALTH}/Watch": health.watch,
        }
        requests = self._requests
        return {path: unary(path, answer, requests) for path, answer in unaries.items()} | {
            path: stream(path, answer, requests) for path, answer in streams.items()
        }

    async def _infer(self, data: bytes, context: Context) -> Any:
        with self._called_by(context):
            return await self._service.infer(data, context.time_remaining())

    async def _infer_stream(self, context: Context) -> None:
        call = InferStream(context, self._services, self._asker)
        self._streams.add(call)
        if self._stopping.is_set():
            call.shut_down()
        try:
            with self._called_by(context):
                await call.run()
        finally:
            self._streams.discard(call)

    def _called_by(self, context: Context) -> AbstractContextManager[None]:
        """Whose trace the questions of a call belong to, where there are traces."""
        return called_by(context.invocation_metadata()) if self._asker.traced else nullcontext()


class Door(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds the handler of a call, or the one that refuses it.

    Args:
        access: who may come in.
        handlers: by the path of their method.
        requests: where refusals are counted.
    """

    def __init__(self, access: Access, handlers: dict[str, Any], requests: Requests) -> None:
        self._access = access
        self._requests = requests
        self._handlers = handlers

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a call; gRPC reads no message before."""
        path = handler_call_details.method
        if path not in OPEN_METHODS:
            key = shown_key(dict(handler_call_details.invocation_metadata))
            try:
                self._access.check(Visit(path=path, key=key), now_ms=0)  # only tickets expire
            except AccessError as error:
                return refusal(path, status_of(error), self._requests)
        return self._handlers.get(path) or refusal(path, not_done(path), self._requests)


def _reading(kind: Any, answer: Callable[[Any], Any]) -> Callable[[bytes, Context], Any]:
    """Have ``answer`` given messages of ``kind`` instead of bytes."""

    async def serve(data: bytes, context: Context) -> Any:
        del context
        return await answer(read_small(kind, data))

    return serve
