"""Channels over a real gRPC server in this process: connections of their own, statuses, and what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from gapless.errors import (
    ConfigError,
    ConnectionLostError,
    DeadlineError,
    MissingDependencyError,
    ModelError,
)
from gapless.infer.triton.connection import Connect, Connection, connector
from gapless.infer.triton.failure import Failure
from gapless.infer.triton.options import TritonOptions
from gapless.infer.wire import messages

QUESTION = messages.ModelReadyRequest(name="m")


class Server:
    """Answers ModelReady as ``answer`` does, and notes where calls come from."""

    def __init__(self) -> None:
        self.peers: list[str] = []
        self.answer: Callable[[Any], Any] = lambda context: messages.ModelReadyResponse(ready=True)
        self._server = grpc.server(ThreadPoolExecutor(8))
        handler = grpc.unary_unary_rpc_method_handler(
            self.serve,
            request_deserializer=messages.ModelReadyRequest.FromString,
            response_serializer=messages.ModelReadyResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(messages.SERVICE, {"ModelReady": handler}),)
        )
        self.url = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def serve(self, request: Any, context: Any) -> Any:
        assert request == QUESTION
        self.peers.append(context.peer())
        return self.answer(context)

    def connect(self, **options: Any) -> Connect:
        return connector(self.url, TritonOptions(urls=(self.url,), **options), "the model m")

    def close(self) -> None:
        self._server.stop(None).wait()


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as server:
        yield server


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    with closing(server.connect(call_timeout_ms=50)(1)) as connection:
        yield connection


def is_ready(outcome: Any) -> bool:
    return isinstance(outcome, messages.ModelReadyResponse) and bool(outcome.ready)


def error_of(outcome: Any) -> Exception:
    assert isinstance(outcome, Failure), outcome
    return outcome.error


def test_every_channel_has_a_connection_of_its_own(server: Server) -> None:
    connect = server.connect()
    with ExitStack() as stack:
        channels = [stack.enter_context(closing(connect(number))) for number in range(5)]
        for channel in channels * 3:
            assert is_ready(channel.call("ModelReady", QUESTION, 5000))
    assert len(server.peers) == 15
    assert len(set(server.peers)) == 5


def test_a_question_can_be_sent_now_and_its_answer_be_read_later(connection: Connection) -> None:
    waits = [connection.send("ModelReady", QUESTION, 5000) for _ in range(3)]
    assert all(is_ready(wait()) for wait in waits)


def test_a_server_s_error_is_the_caller_s(server: Server, connection: Connection) -> None:
    server.answer = lambda context: context.abort(grpc.StatusCode.INTERNAL, "it broke")
    failure = error_of(connection.call("ModelReady", QUESTION, 5000))
    assert isinstance(failure, ModelError)
    assert failure.message.startswith("the model m failed: it broke;")
    assert isinstance(error_of(connection.send("ModelReady", QUESTION, 5000)()), ModelError)


def test_a_method_that_the_server_does_not_have_is_an_error(connection: Connection) -> None:
    assert isinstance(
        error_of(connection.call("ModelConfig", messages.ModelConfigRequest(), 5000)), ModelError
    )


def test_only_a_call_with_all_its_time_speaks_against_a_server_that_is_late(
    server: Server, connection: Connection
) -> None:
    def late(context: Any) -> Any:
        while context.is_active():
            pass
        return messages.ModelReadyResponse()

    server.answer = late
    hurried = connection.call("ModelReady", QUESTION, 1)
    patient = connection.call("ModelReady", QUESTION, 50)
    assert isinstance(error_of(hurried), DeadlineError)
    assert isinstance(error_of(patient), DeadlineError)
    assert (hurried.fault, patient.fault) == (False, True)


def test_nobody_there_is_a_lost_connection(server: Server, connection: Connection) -> None:
    server.close()
    failure = connection.call("ModelReady", QUESTION, 5000)
    assert isinstance(error_of(failure), ConnectionLostError)
    assert failure.fault


def test_a_closed_connection_says_so(connection: Connection) -> None:
    connection.close()
    connection.close()
    assert connection.closed
    for outcome in (
        connection.call("ModelReady", QUESTION, 5000),
        connection.send("ModelReady", QUESTION, 5000)(),
    ):
        assert isinstance(error_of(outcome), ConnectionLostError)
        assert not outcome.fault


def test_closing_cuts_off_what_is_under_way(server: Server, connection: Connection) -> None:
    def close(context: Any) -> Any:
        connection.close()
        return messages.ModelReadyResponse()

    server.answer = close
    outcome = connection.call("ModelReady", QUESTION, 5000)
    assert isinstance(error_of(outcome), ConnectionLostError)
    assert not outcome.fault, "the server was blamed for what was done here"


def test_a_message_that_is_too_large_is_not_an_outage(server: Server) -> None:
    with closing(server.connect(max_message_bytes=1024)(1)) as connection:
        large = messages.ModelReadyRequest(name="m" * 2000)
        outcome = connection.call("ModelReady", large, 5000)
    assert isinstance(error_of(outcome), ModelError)
    assert not outcome.fault


def test_without_grpc_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(MissingDependencyError, match=r"gapless\[grpc\]"):
        connector("here:1", TritonOptions(urls=("here:1",)), "the model m")


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")
    options = TritonOptions(urls=("here:1",), tls=True, root_certificates=missing)
    with pytest.raises(ConfigError, match=r"none\.pem"):
        connector("here:1", options, "the model m")
