"""``gapless bench batching``: the same work one by one, and many at a time.

In: how many threads compute, and a folder on the disk that is to be measured. Out: cases. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gapless.bench.case import Case, Cases, Check, Contender
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import engine, onnx, rows
from gapless.bench.machine import file_system
from gapless.bench.small_model import LARGEST_BATCH, NAME, write_small_model

CALLERS: Final = 64

ROWS: Final = 1000
"""Of a large transaction."""

SINGLE: Final = f"{NAME}_single"
"""The small model with a largest batch of one row."""


@contextmanager
def batching_cases(threads: int, folder: Path | None = None) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        threads: that compute at a time.
        folder: where databases are written; None: the system's folder for temporary files.

    Raises:
        MissingDependencyError: the model cannot be written; says what to install.
    """
    with (
        TemporaryDirectory(prefix="gapless-bench-") as models,
        TemporaryDirectory(prefix="gapless-bench-", dir=folder) as databases,
    ):
        small = write_small_model(Path(models))
        write_small_model(Path(models), SINGLE, largest_batch=1)
        disk = file_system(Path(databases)) or "unknown file system"
        yield {
            "store-rows": partial(_store_rows, databases, disk),
            "driver-rows": partial(_driver_rows, databases, disk),
            "model-calls": partial(_model_calls, str(small), threads),
            "engine-rows": partial(_engine_rows, models, threads),
        }


def _store_rows(folder: str, disk: str) -> Case:
    single = Contender(
        name="1 stream",
        what="one caller, so that every row has a transaction of its own",
        make=rows.store,
        options={"folder": folder, "callers": 1},
    )
    shared = Contender(
        name=f"{CALLERS} streams",
        what="as many callers, whose rows share a transaction when they wait together",
        make=rows.store,
        options={"folder": folder, "callers": CALLERS},
    )
    return Case(
        name="store-rows",
        question=f"How fast are utterances kept that are durable when the call returns? ({disk})",
        unit="rows",
        contenders=(single, shared),
        checks=_gains("batched-rows", shared, single),
    )


def _driver_rows(folder: str, disk: str) -> Case:
    single = Contender(
        name="1 row",
        what="a transaction, and a wait for the disk, for each row",
        make=rows.driver,
        options={"folder": folder, "rows": 1},
    )
    shared = Contender(
        name=f"{ROWS} rows",
        what="in one transaction",
        make=rows.driver,
        options={"folder": folder, "rows": ROWS},
    )
    return Case(
        name="driver-rows",
        question=f"What could sharing transactions gain at most? (bare SQLite, the same table, {disk})",
        unit="rows",
        contenders=(single, shared),
        checks=_gains("batched-rows", shared, single),
    )


def _model_calls(path: str, threads: int) -> Case:
    single, shared = (
        Contender(
            name=f"{batch} rows a call" if batch > 1 else "a row a call",
            what=f"{threads} threads call ONNX Runtime directly",
            make=onnx.callers,
            options={"path": path, "threads": threads, "batch": batch},
        )
        for batch in (1, LARGEST_BATCH)
    )
    return Case(
        name="model-calls",
        question="What could batching gain a small model at most? (6.5 MB perceptron, no engine)",
        unit="rows",
        contenders=(single, shared),
        checks=_gains("batched-model", shared, single),
    )


def _engine_rows(models: str, threads: int) -> Case:
    single, shared = (
        Contender(
            name=name,
            what=f"{CALLERS} tasks ask the engine for a row at a time",
            make=engine.tasks,
            options={
                "models": models,
                "executors": threads,
                "callers": CALLERS,
                "model": model,
            },
        )
        for name, model in (("largest batch 1", SINGLE), (f"largest batch {LARGEST_BATCH}", NAME))
    )
    return Case(
        name="engine-rows",
        question="What does batching gain the callers of a small model? (6.5 MB perceptron)",
        unit="rows",
        contenders=(single, shared),
        checks=_gains("batched-model", shared, single),
    )


def _gains(claim: str, contender: Contender, against: Contender) -> tuple[Check, ...]:
    return (Check(claim=CLAIMS[claim], contender=contender.name, against=against.name),)
