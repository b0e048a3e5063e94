"""A real server that is asked over HTTP: the same again, or something new each time that is computed and kept.

In: settings of the server, how it is asked. Out: work whose operations are requests, as ``bench/load`` puts them.
Invariants: every round has a fresh server; a request that fails is in no rate, and took for ever where a percentile is
judged; what is said to come from the cache was looked at. Thread: main; servers and those who ask are processes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from gapless.bench.contenders.api_servers import (
    INFER_PATH,
    JSON,
    Place,
    constant_server,
    core_for_server,
    cores_for_others,
    cores_of,
    data_folder,
    gapless_server,
    on_cores,
    question_of,
    read,
)
from gapless.bench.drive import Samples, Work
from gapless.bench.load.arrivals import Arrivals
from gapless.bench.load.result import Result
from gapless.bench.load.run import run_load
from gapless.bench.load.task import HttpQuestion, Task
from gapless.bench.load.template import Template
from gapless.bench.process_tree import tree, tree_cpu_s, tree_memory_mib
from gapless.bench.pss import PssWatch
from gapless.errors import GaplessError, ModelError
from gapless.store.open import FILE_NAME

WARM_UP_S: Final = 2.0
SHORTEST_S: Final = 1.0
"""Callers who have to wait must have time to be answered."""

TIMEOUT_S: Final = 5.0
RUN: Final = 1
"""The number of runs: each has a fresh server, which remembers nothing of others."""

BODIES: Final = 1000
"""Different questions that are asked again and again."""

LOOKED_AT: Final = 3
KEPT_WITHIN_S: Final = 10.0
"""Rows may be written so long after the last answer."""

KEEPS_ROWS: Final = {"save": "true", "save_inferences": "true"}

SETTLE_S: Final = 0.5
"""Longer than rows wait to be written together."""


@contextmanager
def constant(*, models: str, connections: int) -> Iterator[Work]:
    """The HTTP stack by itself, on one core: the answer of the server, as a constant."""
    with gapless_server(models, {}) as server:
        body = question_of(server)
        answer = read(server.url + INFER_PATH, Template(body.encode(), run=RUN).make(0))
    with ExitStack() as stack:
        with on_cores(core_for_server()):
            place = stack.enter_context(constant_server(answer))
        yield _asks(place, body, connections, bodies=BODIES)


@contextmanager
def cached(*, models: str, connections: int) -> Iterator[Work]:
    """Questions that were asked before, of a server on one core."""
    with ExitStack() as stack:
        with on_cores(core_for_server()):
            place = stack.enter_context(gapless_server(models, {}))
        body = question_of(place)
        template = Template(body.encode(), run=RUN, bodies=BODIES)
        for number in range(BODIES):
            read(place.url + INFER_PATH, template.make(number))
        work = _asks(place, body, connections, bodies=BODIES)

        def looked_at(seconds: float) -> Samples:
            samples = work(seconds)
            for number in range(LOOKED_AT):
                if not _is_cached(read(place.url + INFER_PATH, template.make(number))):
                    raise ModelError("an answer was not from the cache; is cache_mb 0?")
            return samples

        yield looked_at


@contextmanager
def pipeline(
    *,
    models: str,
    connections: int,
    settings: dict[str, Any],
    rate_per_s: float | None = None,
) -> Iterator[Work]:
    """Questions that nobody has asked before; each is computed, and a row is kept of it.

    Args:
        models: folder with the small model.
        connections: over which they come.
        settings: of the server, besides that rows are kept.
        rate_per_s: at which they come, whether or not they are answered; None: as they are answered.
    """
    with gapless_server(models, {**KEEPS_ROWS, **settings}) as place:
        body = question_of(place)
        database = data_folder(place) / FILE_NAME
        arrivals = None if rate_per_s is None else Arrivals(rate_per_s=rate_per_s)

        def work(seconds: float) -> Samples:
            _load(place, body, connections, seconds=min(WARM_UP_S, seconds), run=RUN)
            before = _rows(database)
            with PssWatch(place.pid) as memory:
                samples = _watched(
                    place,
                    lambda: _load(place, body, connections, seconds, RUN + 1, arrivals=arrivals),
                )
            figures = samples.figures | {
                "kept_share": (_rows(database) - before) / samples.figures["answers"],
                "pss_typical_mib": memory.typical_mib,
                "pss_peak_mib": memory.peak_mib,
            }
            return msgspec.structs.replace(samples, figures=figures)

        yield work


def _asks(place: Place, body: str, connections: int, *, bodies: int) -> Work:
    """Work whose requests come from the other cores, each as soon as one is answered."""

    def work(seconds: float) -> Samples:
        with on_cores(cores_for_others()):
            _load(place, body, connections, min(WARM_UP_S, seconds), RUN, bodies=bodies)
            return _watched(
                place, lambda: _load(place, body, connections, seconds, RUN, bodies=bodies)
            )

    return work


def _load(
    place: Place,
    body: str,
    connections: int,
    seconds: float,
    run: int,
    *,
    bodies: int = 0,
    arrivals: Arrivals | None = None,
) -> Result:
    question = HttpQuestion(url=place.url + INFER_PATH, method="POST", headers=(JSON,), body=body)
    return run_load(
        Task(
            question=question,
            arrivals=arrivals,
            connections=connections,
            warm_up_s=0.0,
            seconds=max(seconds, SHORTEST_S),
            timeout_s=TIMEOUT_S,
            bodies=bodies,
            run=run,
        )
    )


def _watched(place: Place, load: Callable[[], Result]) -> Samples:
    """A load, and what it took of the processor; times are as large as the buckets that they were counted in."""
    processes = tree(place.pid)
    cpu_began_s = tree_cpu_s(processes)
    result = load()
    if not result.answered:
        raise GaplessError(f"nothing was answered in time: {result.errors}; is the machine busy?")
    cpu_s = tree_cpu_s(processes) - cpu_began_s
    answers = result.answered + result.uncounted
    # Of the time under load only: until those who ask have started, and afterwards, it rests.
    cores = cpu_s / result.elapsed_s
    return Samples(
        took_ns=[
            value_us * 1000 for value_us, many in result.histogram_us.items() for _ in range(many)
        ],
        elapsed_ns=round(result.elapsed_s * 1e9),
        units=result.answered,
        figures={
            # Of all requests: one that failed took at least this long.
            "p95_us": float(TIMEOUT_S * 1e6 if result.p95_us is None else result.p95_us),
            "answers": float(answers),
            "answered_share": 1 - result.error_share,
            "server_cores": cores,
            "server_share": cores / cores_of(place.pid),
            # Of the server: this process only waits.
            "resident_mib": tree_memory_mib(processes),
            "peak_mib": tree_memory_mib(processes, peak=True),
            "cpu_s": cpu_s,
            "cpu_us_per_unit": cpu_s * 1e6 / answers,
            "client_cores": sum(result.cores),
            "late_p99_us": float(result.late.p99_us) if result.late is not None else 0.0,
        },
    )


def _is_cached(answer: bytes) -> bool:
    return bool(msgspec.json.decode(answer)["cached"])


def _rows(database: Path) -> int:
    """Rows of calls that are kept, when no more come."""
    ends = time.monotonic() + KEPT_WITHIN_S
    before = -1
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        while True:
            (rows,) = connection.execute("SELECT count(*) FROM inferences").fetchone()
            if rows == before or time.monotonic() > ends:
                return int(rows)
            before = rows
            time.sleep(SETTLE_S)
