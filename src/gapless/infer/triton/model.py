"""A model on Triton servers, behind the same contract as one in this process.

In: tensors. Out: tensors. Invariants: a call is answered within its deadline, or fails with an error that says why;
``trouble`` is empty as long as one of the servers is called, and becomes so by itself when one comes back.
Thread: any, many at a time.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, final

from gapless.errors import ModelError
from gapless.infer.contract import Array, LoadTimings, ModelInfo, SequenceStep, Tensors
from gapless.infer.repository.manifest import Manifest
from gapless.infer.triton.affinity import Affinity
from gapless.infer.triton.caretaker import Caretaker
from gapless.infer.triton.connection import Message, connector
from gapless.infer.triton.endings import Endings
from gapless.infer.triton.endpoint import Endpoint, EndpointStats
from gapless.infer.triton.endpoints import Endpoints
from gapless.infer.triton.exchange import RemoteModel, make_request, read_outputs
from gapless.infer.triton.failure import Failure
from gapless.infer.triton.options import TritonOptions
from gapless.infer.triton.signature import read_info


@final
class TritonModel:
    """See ``contract.Model``. Made by ``TritonLoader``; owns what it is given.

    Args:
        info: what it takes and gives.
        remote: what it is called there.
        provider: what computes it; a sentence.
        options: its manifest's ``[triton]``.
        endpoints: its servers.
        affinity: its streams, where the servers keep their state.
        caretaker: who looks after the servers; running.
        clock: milliseconds that never go back.
    """

    def __init__(
        self,
        info: ModelInfo,
        remote: RemoteModel,
        provider: str,
        options: TritonOptions,
        *,
        endpoints: Endpoints,
        affinity: Affinity,
        caretaker: Caretaker,
        clock: Callable[[], int],
    ) -> None:
        self._info: Final = info
        self._remote: Final = remote
        self._provider: Final = provider
        self._options: Final = options
        self._endpoints: Final = endpoints
        self._affinity: Final = affinity
        self._caretaker: Final = caretaker
        self._clock: Final = clock

    @property
    def info(self) -> ModelInfo:
        """See ``contract.Model``."""
        return self._info

    @property
    def memory_bytes(self) -> int:
        """0: it runs elsewhere."""
        return 0

    @property
    def timings(self) -> LoadTimings | None:
        """None: it runs elsewhere."""
        return None

    @property
    def provider(self) -> str:
        """See ``contract.Model``."""
        return self._provider

    @property
    def trouble(self) -> str:
        """Why none of its servers is called; empty while one is."""
        return self._endpoints.trouble

    def run(
        self,
        inputs: Tensors,
        *,
        timeout_s: float | None = None,
        step: SequenceStep | None = None,
    ) -> dict[str, Array]:
        """See ``contract.Model``. Inputs are judged by the server."""
        timeout_ms = (
            self._options.call_timeout_ms if timeout_s is None else math.ceil(timeout_s * 1000)
        )
        deadline_ms = self._clock() + timeout_ms
        request = make_request(self._remote, inputs)
        if self._info.sequences != "server":
            outcome = self._endpoints.call("ModelInfer", request, deadline_ms)
        elif step is not None:
            outcome = self._affinity.step(step, request, deadline_ms)
        else:
            raise ModelError(
                f"the model {self._info.name} keeps the state of streams; say which step of which stream this is",
                param="sequence",
            )
        if isinstance(outcome, Failure):
            raise outcome.error
        return read_outputs(outcome, self._remote.where)

    def end(self, sequence: int) -> None:
        """A stream is over, and no step of it said so: its server is told soon, without waiting for it here."""
        self._affinity.end(sequence)

    def endpoints(self) -> list[EndpointStats]:
        """How its servers are, as seen from here."""
        return [endpoint.stats() for endpoint in self._endpoints.all]

    def close(self) -> None:
        """See ``contract.Model``. Streams that are open are ended first."""
        self._affinity.close()
        self._caretaker.stop()
        self._endpoints.close()


@final
class TritonLoader:
    """A ``contract.Loader`` for the platform ``triton``."""

    def __call__(
        self, name: str, version: str, manifest: Manifest, path: Path | None
    ) -> TritonModel:
        """See ``contract.Loader``.

        Raises:
            ModelError: it cannot be used, or is not what the manifest says.
            ConnectionLostError: none of the servers can be reached, or has it.
            DeadlineError: none of them answered.
            MissingDependencyError: gRPC is not installed.
            ConfigError: the file of root certificates cannot be read.
        """
        del path
        options = manifest.triton
        if options is None:
            raise ModelError(
                f"the manifest of {name!r} names no Triton server; add a table [triton] with urls",
                param="triton",
            )
        caretaker = Caretaker(options, monotonic_ms, f"gapless-triton-{name}")
        endpoints = connect(options, name, caretaker)
        try:
            return _load(name, version, manifest, options, endpoints=endpoints, caretaker=caretaker)
        except BaseException:
            caretaker.stop()
            endpoints.close()
            raise


def connect(options: TritonOptions, model: str, caretaker: Caretaker) -> Endpoints:
    """The servers that ``options`` name; nothing is sent to them yet.

    Args:
        options: where they are, and how to treat them.
        model: what the model is called here, for errors.
        caretaker: is woken when there is something to do.

    Raises:
        MissingDependencyError: gRPC is not installed.
        ConfigError: the file of root certificates cannot be read.
    """
    endpoints: list[Endpoint] = []
    for url in options.urls:
        where = f"the model {model!r} on the Triton server at {url}"
        endpoints.append(
            Endpoint(
                url,
                where,
                options,
                connector(url, options, where),
                clock=monotonic_ms,
                random=random.random,
                wake=caretaker.wake,
            )
        )
    return Endpoints(endpoints, options, clock=monotonic_ms, random=random.random, pause=_pause_ms)


def _load(
    name: str,
    version: str,
    manifest: Manifest,
    options: TritonOptions,
    *,
    endpoints: Endpoints,
    caretaker: Caretaker,
) -> TritonModel:
    """Ask the servers what they have, and warm up."""
    from gapless.infer.wire import messages

    there = {"name": options.model or name, "version": options.version}

    def ask(method: str, question: Message) -> Message:
        outcome = endpoints.call(method, question, monotonic_ms() + options.call_timeout_ms)
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome

    server = ask("ServerMetadata", messages.ServerMetadataRequest())
    metadata = ask("ModelMetadata", messages.ModelMetadataRequest(**there))
    config = ask("ModelConfig", messages.ModelConfigRequest(**there))
    info = read_info(name, version, manifest, metadata, config.config)

    caretaker.start(endpoints.all, messages.ModelReadyRequest(**there))
    at = " or ".join(options.urls)
    return TritonModel(
        info,
        RemoteModel(**there, where=f"the model {name!r} on the Triton server at {at}"),
        f"Triton server {server.version} at {at}, as the manifest says.",
        options,
        endpoints=endpoints,
        affinity=Affinity(
            endpoints,
            Endings(monotonic_ms, f"gapless-triton-{name}-endings"),
            info.limits.max_sequences,
        ),
        caretaker=caretaker,
        clock=monotonic_ms,
    )


def monotonic_ms() -> int:
    """Milliseconds that never go back."""
    return time.monotonic_ns() // 1_000_000


def _pause_ms(pause_ms: float) -> None:
    time.sleep(pause_ms / 1000)
