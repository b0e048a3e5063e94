"""The same work with settings that differ in one: an optimisation is on in one contender, and off in the other.

In: settings by name. Out: work. Invariants: what is measured goes the way that everybody goes; nothing is switched off
but by its setting. Thread: the callers'. Nothing is imported here that loads a kernel: for which processor kernels are
compiled is decided before the first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gapless.bench.drive import Samples, Work, alone, first_apart, in_tasks
from gapless.bench.inputs import rows
from gapless.bench.small_model import NAME

if TYPE_CHECKING:
    from gapless.bench.load.task import HttpQuestion
    from gapless.infer.inference import Inference, Request

BODIES: Final = 200
"""Different questions that are asked again and again."""

LEAST_S: Final = 1.0
"""Connections must have time to be opened, and each question to be asked once."""

WARM_UP_S: Final = 2.0
TIMEOUT_S: Final = 5.0

SESSIONS: Final = 500
"""In the database that is asked for one of them at a time."""

LARGE_PATH: Final = "/openapi.json"
"""An answer of some hundred kilobytes."""


@contextmanager
def tasks(*, models: str, callers: int, settings: dict[str, Any]) -> Iterator[Work]:
    """Tasks of one event loop that ask the engine for a row at a time."""
    with _engine(models, settings) as inference:
        inference.rehearse(NAME)
        yield in_tasks([partial(inference.infer_async, _request())] * callers)


@contextmanager
def first_call(*, models: str, settings: dict[str, Any]) -> Iterator[Work]:
    """The first request to a model that the engine was told of at its start, and those that follow."""
    with _engine(models, settings) as inference:
        inference.rehearse(NAME)
        yield first_apart(partial(inference.infer, _request()))


@contextmanager
def answers(*, models: str, connections: int, settings: dict[str, Any]) -> Iterator[Work]:
    """A server over HTTP that is asked the same questions again and again."""
    from gapless.bench.contenders.api_servers import INFER_PATH, JSON, gapless_server, question_of
    from gapless.bench.load.task import HttpQuestion

    with gapless_server(models, settings) as server:
        question = HttpQuestion(
            url=server.url + INFER_PATH, method="POST", headers=(JSON,), body=question_of(server)
        )
        yield _asked(server.pid, question, connections, bodies=BODIES)


@contextmanager
def large_answers(*, models: str, connections: int, settings: dict[str, Any]) -> Iterator[Work]:
    """A server that is asked for a large answer by clients that accept it compressed."""
    from urllib.request import Request, urlopen

    from gapless.bench.contenders.api_servers import ANSWER_TIMEOUT_S, gapless_server
    from gapless.bench.load.task import HttpQuestion

    accepts = ("accept-encoding", "gzip")
    with gapless_server(models, settings) as server:
        url = server.url + LARGE_PATH
        asked = Request(url, headers=dict([accepts]))  # noqa: S310 - our own server's address
        with urlopen(asked, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310
            size = len(answer.read())
        work = _asked(server.pid, HttpQuestion(url=url, headers=(accepts,)), connections)

        def weighed(seconds: float) -> Samples:
            samples = work(seconds)
            return msgspec.structs.replace(
                samples, figures=samples.figures | {"answer_kib": size / 1024}
            )

        yield weighed


@contextmanager
def point_queries(*, url: str, settings: dict[str, Any]) -> Iterator[Work]:
    """One caller who asks a PostgreSQL for a session and all it said, through the store."""
    from gapless.settings import Settings
    from gapless.store.contract import SessionRecord, StoredTranscript
    from gapless.store.open import open_place
    from gapless.store.options import store_options
    from gapless.transcript import Utterance

    with closing(open_place(url, store_options(Settings(**settings)))) as store:
        said = tuple(
            Utterance(f"u{number}", "said again", number, number + 1) for number in range(4)
        )
        ids = [f"s{number}" for number in range(SESSIONS)]
        store.restore(
            [
                StoredTranscript(SessionRecord(one, "stream", "bench", number), said)
                for number, one in enumerate(ids)
            ]
        )
        wanted = cycle(ids)
        yield alone(lambda: store.get(next(wanted)))


@contextmanager
def features(*, settings: dict[str, Any]) -> Iterator[Work]:
    """What recognisers see of a recording, by our own kernels."""
    from gapless.settings import Settings
    from gapless.tune.simd import choose_instructions

    choose_instructions(Settings(**settings), os.environ)
    from gapless.bench.contenders.features import log_mel_whole

    with log_mel_whole() as work:
        yield work


def _asked(pid: int, question: HttpQuestion, connections: int, *, bodies: int = 0) -> Work:
    """Work whose requests come as soon as others are answered; the processor that counts is the server's."""
    from gapless.bench.load.run import run_load
    from gapless.bench.load.task import Task
    from gapless.bench.process_tree import tree, tree_cpu_s
    from gapless.errors import GaplessError

    def work(seconds: float) -> Samples:
        processes = tree(pid)
        cpu_began_s = tree_cpu_s(processes)
        result = run_load(
            Task(
                question=question,
                connections=connections,
                warm_up_s=WARM_UP_S,
                seconds=max(seconds, LEAST_S),
                timeout_s=TIMEOUT_S,
                bodies=bodies,
                run=1,
            )
        )
        cpu_s = tree_cpu_s(processes) - cpu_began_s
        if not result.answered:
            raise GaplessError(
                f"nothing was answered in time: {result.errors}; is the machine busy?"
            )
        return Samples(
            took_ns=[
                value_us * 1000
                for value_us, many in result.histogram_us.items()
                for _ in range(many)
            ],
            elapsed_ns=round(result.elapsed_s * 1e9),
            units=result.answered,
            figures={
                "answered_share": 1 - result.error_share,
                "cpu_us_per_unit": cpu_s * 1e6 / (result.answered + result.uncounted),
            },
        )

    return work


@contextmanager
def _engine(models: str, settings: dict[str, Any]) -> Iterator[Inference]:
    from gapless.infer.open import open_inference
    from gapless.settings import Settings

    inference = open_inference(Settings(models_dir=models, pinned_models=(NAME,), **settings))
    try:
        yield inference
    finally:
        inference.close()


def _request() -> Request:
    from gapless.infer.inference import Request

    return Request(model=NAME, inputs=rows(1))
