"""``gapless bench inference``: what the engine costs one caller, and gives many.

In: how many threads compute. Out: cases. Invariants: every contender has as many threads in ONNX Runtime at a time.
Thread: main.
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
from gapless.bench.contenders import engine, onnx
from gapless.bench.small_model import LARGEST_BATCH, NAME, write_small_model

CALLERS: Final = 64

SESSIONS: Final = 8
"""As many as the session pools of other servers have."""


@contextmanager
def inference_cases(threads: int) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        threads: that compute at a time: executors of the engine, callers of bare sessions.

    Raises:
        MissingDependencyError: the model cannot be written; says what to install.
    """
    with TemporaryDirectory(prefix="gapless-bench-") as folder:
        models = Path(folder, "models")
        small = str(write_small_model(models))
        yield {
            "one-row": partial(_one_row, str(models), small, threads),
            "many-callers": partial(_many_callers, str(models), small, threads),
            "voice": partial(_voice, str(models), threads),
            "sessions": partial(_sessions, small),
            "int8": partial(_int8, Path(folder, "int8"), threads),
            "first-call": partial(_first_call, str(models), small, threads),
        }


def _one_row(models: str, small: str, threads: int) -> Case:
    options = {"models": models, "executors": threads}
    bare = Contender(
        name="session.run",
        what="ONNX Runtime called directly",
        make=onnx.one_caller,
        options={"path": small},
    )
    thread = Contender(
        name="engine, thread",
        what="the same row through queue and batcher, asked for by a thread",
        make=engine.one_thread,
        options=options,
    )
    task = Contender(
        name="engine, task",
        what="asked for by a task on an event loop, so that another thread computes",
        make=engine.one_task,
        options=options,
    )
    return Case(
        name="one-row",
        question="What do queue and batcher cost a caller who is alone? (6.5 MB perceptron)",
        unit="rows",
        contenders=(bare, thread, task),
        checks=tuple(Check(claim=CLAIMS["one-row"], contender=one.name) for one in (thread, task)),
    )


def _many_callers(models: str, small: str, threads: int) -> Case:
    callers = {"models": models, "executors": threads, "callers": CALLERS}
    no_batches = {"path": small, "threads": threads, "callers": CALLERS}
    pooled_threads = Contender(
        name=f"no batches, {CALLERS} threads",
        what=f"each hands a row at a time to a pool of {threads} threads, which call ONNX Runtime",
        make=onnx.pooled_threads,
        options=no_batches,
    )
    pooled_tasks = Contender(
        name=f"no batches, {CALLERS} tasks",
        what="the same from tasks on one event loop",
        make=onnx.pooled_tasks,
        options=no_batches,
    )
    single, largest = (
        Contender(
            name=name,
            what=f"no callers: {threads} threads call ONNX Runtime without rest; {why}",
            make=onnx.callers,
            options={"path": small, "threads": threads, "batch": batch},
        )
        for name, batch, why in (
            ("bare, a row a call", 1, "what nobody who does not batch can exceed"),
            (f"bare, {LARGEST_BATCH} rows a call", LARGEST_BATCH, "what the engine cannot exceed"),
        )
    )
    by_threads = Contender(
        name=f"engine, {CALLERS} threads",
        what="each asks for a row at a time",
        make=engine.threads,
        options=callers,
    )
    by_tasks = Contender(
        name=f"engine, {CALLERS} tasks",
        what="the same from tasks on one event loop",
        make=engine.tasks,
        options=callers,
    )
    checks = [
        Check(claim=CLAIMS[claim], contender=ours.name, against=theirs)
        for ours, alike in ((by_threads, pooled_threads), (by_tasks, pooled_tasks))
        for claim, theirs in (
            ("many-callers", None),
            ("many-callers-gain", alike.name),
            ("many-callers-bare", single.name),
            ("many-callers-cost", largest.name),
        )
    ]
    return Case(
        name="many-callers",
        question=f"What do {CALLERS} callers get who ask for a row at a time? (6.5 MB perceptron)",
        unit="rows",
        contenders=(pooled_threads, pooled_tasks, single, largest, by_threads, by_tasks),
        checks=tuple(checks),
    )


def _voice(models: str, threads: int) -> Case:
    from gapless.infer.open import BUILTIN

    options = {"models": models, "executors": threads}
    bare = Contender(
        name="a window a call",
        what=f"{threads} threads call ONNX Runtime directly, a stream each",
        make=onnx.voice,
        options={
            "path": str(BUILTIN / engine.VAD_MODEL / "1" / "model.onnx"),
            "threads": threads,
        },
    )
    one = Contender(
        name="engine, 1 stream",
        what="a thread that is alone; the state of a stream is in a slot of the engine",
        make=engine.voice_threads,
        options=options | {"callers": 1},
    )
    by_threads = Contender(
        name=f"engine, {CALLERS} threads",
        what="a stream each; windows that wait together are judged together",
        make=engine.voice_threads,
        options=options | {"callers": CALLERS},
    )
    by_tasks = Contender(
        name=f"engine, {CALLERS} tasks",
        what="the same from tasks on one event loop",
        make=engine.voice_tasks,
        options=options | {"callers": CALLERS},
    )
    return Case(
        name="voice",
        question="How many windows of 32 ms does the voice detector judge? (Silero VAD, states carried)",
        unit="windows",
        contenders=(bare, one, by_threads, by_tasks),
        checks=(Check(claim=CLAIMS["one-row"], contender=one.name),),
    )


def _sessions(small: str) -> Case:
    one, many = "1 session", f"{SESSIONS} sessions"
    contenders = (
        Contender(
            name=one,
            what=f"{SESSIONS} threads share it, a row a call",
            make=onnx.sessions,
            options={"path": small, "threads": SESSIONS, "count": 1},
        ),
        Contender(
            name=many,
            what="a thread each",
            make=onnx.sessions,
            options={"path": small, "threads": SESSIONS, "count": SESSIONS},
        ),
    )
    return Case(
        name="sessions",
        question="Does a pool of sessions of one model pay? (6.5 MB perceptron)",
        unit="rows",
        contenders=contenders,
        checks=tuple(
            Check(claim=CLAIMS[claim], contender=many, against=one)
            for claim in ("sessions-rate", "sessions-memory")
        ),
    )


def _int8(folder: Path, threads: int) -> Case:
    # A copy in a folder of its own: beside the model itself, the engine would use the version of 8 bits in all cases.
    from gapless.infer.onnx.int8.quantize import QuantizeOptions, quantize
    from gapless.infer.onnx.int8.report import int8_file
    from gapless.infer.repository.manifest import Manifest

    path = write_small_model(folder)
    report = quantize(NAME, Manifest(max_batch=LARGEST_BATCH), path, QuantizeOptions())
    used = "used" if report.use else "not used"
    kinds = {
        "32 bits": ("the model as it is", path, {}),
        "8 bits": (
            f"as `gapless models quantize` writes it, which says: {used}, {report.why}",
            int8_file(path),
            {"error_share": report.trial().relative_rms},
        ),
    }
    contenders, checks = [], []
    for batch in (1, LARGEST_BATCH):
        rows = "a row a call" if batch == 1 else f"{batch} rows a call"
        for kind, (what, file, figures) in kinds.items():
            contenders.append(
                Contender(
                    name=f"{kind}, {rows}",
                    what=what,
                    make=onnx.callers,
                    options={
                        "path": str(file),
                        "threads": threads,
                        "batch": batch,
                        "figures": figures,
                    },
                )
            )
        theirs, ours = (contender.name for contender in contenders[-2:])
        checks.append(
            Check(claim=CLAIMS["int8-speed"], contender=ours, against=theirs, judged=report.use)
        )
    checks.append(Check(claim=CLAIMS["int8-error"], contender=ours, judged=report.use))
    return Case(
        name="int8",
        question="Do weights of 8 bits pay? (6.5 MB perceptron; random weights say little of errors)",
        unit="rows",
        contenders=tuple(contenders),
        checks=tuple(checks),
    )


def _first_call(models: str, small: str, threads: int) -> Case:
    warm = Contender(
        name="engine",
        what="the model was loaded and warmed up; then the first request, and those behind it",
        make=engine.first_call,
        options={"models": models, "executors": threads},
        warm_up=False,
    )
    cold = Contender(
        name="session.run",
        what="a session that was opened, and no more",
        make=onnx.first_call,
        options={"path": small},
        warm_up=False,
    )
    return Case(
        name="first-call",
        question="Does the first caller after a start wait longer? (6.5 MB perceptron)",
        unit="rows",
        contenders=(cold, warm),
        checks=tuple(
            Check(claim=CLAIMS[claim], contender=one.name, judged=one is warm)
            for one in (warm, cold)
            for claim in ("first-call", "first-call-median")
        ),
    )
