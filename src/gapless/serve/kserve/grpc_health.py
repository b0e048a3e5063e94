"""``grpc.health.v1.Health``: what load balancers and Kubernetes ask a gRPC server.

In: names of services. Out: whether they serve. Invariants: it says what HTTP's ``/health/ready`` says; as it needs no
key, the number of those who ask is bounded, and so is the time they may take to say what. Thread: the event loop's.

Source: grpc/grpc, ``doc/health-checking.md``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc.aio

from gapless.errors import DeadlineError, NotFoundError, OverloadError
from gapless.infer.wire import messages
from gapless.serve.kserve.grpc_bounds import no_message
from gapless.serve.kserve.grpc_call import Context, read_small

NAMES: Final = frozenset({"", messages.SERVICE, messages.HEALTH_SERVICE})
"""The server as a whole, and what it offers."""

MAX_READING: Final = 128
"""Requests that are being received at a time."""

MAX_WATCHERS: Final = 32

READ_S: Final = 2.0
"""How long a request may take to arrive."""

LOOK_S: Final = 1.0
"""How often a watcher's answer is looked at; nobody tells when readiness changes."""


class Health:
    """The health of one server.

    Args:
        is_ready: whether the server welcomes work.
        stopping: set when the server stops.
        read_s: how long a request may take to arrive.
        look_s: how often a watcher's answer is looked at.
    """

    def __init__(
        self,
        is_ready: Callable[[], bool],
        stopping: asyncio.Event,
        *,
        read_s: float = READ_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._is_ready = is_ready
        self._stopping = stopping
        self._read_s = read_s
        self._look_s = look_s
        self._reading = 0
        self._watchers = 0

    async def check(self, context: Context) -> None:
        """Say whether a service serves now.

        Raises:
            NotFoundError: there is no such service.
            OverloadError, DeadlineError: see ``_asked``.
        """
        service = await self._asked(context)
        if service not in NAMES:
            raise NotFoundError(
                f"there is no service {service!r} here; ask for {messages.SERVICE}, or for nothing",
                param="service",
            )
        await context.write(self._answer(service))

    async def watch(self, context: Context) -> None:
        """Say whether a service serves, and again whenever that changes.

        Raises:
            OverloadError: too many watch.
            OverloadError, DeadlineError: see ``_asked``.
        """
        service = await self._asked(context)
        if self._watchers >= MAX_WATCHERS:
            raise OverloadError(
                f"{MAX_WATCHERS} watch the health of this server already; ask with Check",
                retry_after_ms=round(self._look_s * 1000),
            )
        self._watchers += 1
        try:
            await self._tell_changes(service, context)
        finally:
            self._watchers -= 1

    async def _asked(self, context: Context) -> str:
        """The name that the caller asks for.

        Raises:
            OverloadError: too many are about to ask.
            DeadlineError: it does not come.
            ProtocolError: what comes is no request.
        """
        if self._reading >= MAX_READING:
            raise OverloadError("too many ask for the health of this server; try again shortly")
        self._reading += 1
        try:
            async with asyncio.timeout(self._read_s):
                data = await context.read()
        except TimeoutError as error:
            raise DeadlineError(
                "the request did not come in time; send it with the call"
            ) from error
        finally:
            self._reading -= 1
        if data is grpc.aio.EOF:
            raise no_message()
        service: str = read_small(messages.HealthCheckRequest, data).service
        return service

    async def _tell_changes(self, service: str, context: Context) -> None:
        told = b""
        while True:
            stopping = self._stopping.is_set()
            answer = self._answer(service)
            if answer != told:
                await context.write(answer)
                told = answer
            if stopping:
                return
            try:
                async with asyncio.timeout(self._look_s):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    def _answer(self, service: str) -> bytes:
        kind = messages.HealthCheckResponse
        status: Any = kind.SERVICE_UNKNOWN
        if service in NAMES:
            serves = self._is_ready() and not self._stopping.is_set()
            status = kind.SERVING if serves else kind.NOT_SERVING
        data: bytes = kind(status=status).SerializeToString()
        return data
