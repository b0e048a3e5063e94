"""The library over real files and the real ONNX Runtime: models come, break, change, go, and share memory."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from structlog.testing import capture_logs

from gapless.errors import (
    ConnectionLostError,
    GaplessError,
    ModelError,
    ModelNotFoundError,
    OverloadError,
)
from gapless.infer.contract import Loader, Model
from gapless.infer.models import ModelStatus
from gapless.infer.onnx.model import OnnxLoader
from gapless.infer.repository.library import Library
from gapless.infer.repository.manifest import Manifest
from gapless.testing.models import double
from gapless.testing.onnx_models import write_graph

WEIGHT = 10_000
"""What every model here is said to take of memory."""
AMPLE = 100 * WEIGHT
SECOND_NS = 1_000_000_000


class Weighed:
    """The real loader; its models say that they take ``WEIGHT``, and it counts those that are open."""

    def __init__(self, load: Loader | None = None) -> None:
        self.load = load or OnnxLoader()
        self.lock = threading.Lock()
        self.loads: list[str] = []
        self.open = self.most_open = 0

    def __call__(self, name: str, version: str, manifest: Manifest, path: Path | None) -> Model:
        model = self.load(name, version, manifest, path)
        model.memory_bytes = WEIGHT  # type: ignore[misc]
        close = model.close

        def close_and_count() -> None:
            close()
            with self.lock:
                self.open -= 1

        model.close = close_and_count  # type: ignore[method-assign]
        with self.lock:
            self.loads.append(f"{name}/{version}")
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        return model


class Gate:
    """A loader that waits to be let through."""

    def __init__(self, load: Loader) -> None:
        self.load = load
        self.waits = threading.Event()
        self.go = threading.Event()

    def __call__(self, name: str, version: str, manifest: Manifest, path: Path | None) -> Model:
        self.waits.set()
        assert self.go.wait(30)
        return self.load(name, version, manifest, path)


class Server:
    """Models on a server that may be away; a loader."""

    def __init__(self) -> None:
        self.away = True
        self.attempts = 0

    def __call__(self, name: str, version: str, manifest: Manifest, path: Path | None) -> Model:
        self.attempts += 1
        assert path is None
        assert manifest.triton is not None
        if self.away:
            raise ConnectionLostError("nobody answers; start the server")
        return double()


def put(root: Path, name: str, factor: float = 2, number: int = 1) -> Path:
    """A model that multiplies; written beside and moved into its place, as a careful user does."""
    path = root / name / str(number) / "model.onnx"
    made = write_graph(
        root / ".new" / "model.onnx",
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        {"x": (np.float32, ("batch", 3))},
        {"y": (np.float32, ("batch", 3))},
        {"factor": np.array([factor], np.float32)},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    made.replace(path)
    return path


def point_at_server(root: Path, name: str) -> None:
    (root / name).mkdir()
    (root / name / "manifest.toml").write_text('platform = "triton"\n[triton]\nurls = ["a:1"]\n')


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread brings about."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def factor_of(library: Library, name: str, number: str | None = None) -> float:
    """Ask a model what it multiplies by."""
    held = library.acquire(name, number)
    try:
        answer: Any = held.model.run({"x": np.ones((1, 3), np.float32)})["y"]
        return float(answer[0, 0])
    finally:
        held.release()


def look_twice(library: Library) -> None:
    """What changed stood still in between."""
    library.refresh()
    library.refresh()


def status(library: Library, name: str, number: str = "1") -> ModelStatus:
    return next(one for one in library.index() if one.name == name and one.version in {number, ""})


Open = Callable[..., Library]


@pytest.fixture
def open_library(tmp_path: Path) -> Iterator[Open]:
    """Opens libraries over the test's folder, and closes them."""
    with ExitStack() as stack:

        def opened(
            loader: Loader | None = None, *, budget_bytes: int = AMPLE, **more: Any
        ) -> Library:
            loaders = {"onnxruntime_onnx": loader or Weighed(), "triton": more.pop("triton", None)}
            library = Library([tmp_path], loaders, budget_bytes=budget_bytes, **more)
            stack.callback(library.close)
            return library

        yield opened


# --- files come and go ---


def test_a_bare_file_answers(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m", 3)
    library = open_library()

    assert library.try_acquire("m") is None, "nothing is loaded unasked"
    assert factor_of(library, "m") == 3
    held = library.try_acquire("m")
    assert held is not None
    held.release()
    info = status(library, "m").info
    assert info is not None
    assert info.batched
    assert status(library, "m").resident
    assert status(library, "m").timings is not None
    assert "processor" in status(library, "m").provider


def test_a_model_dropped_in_later_is_loaded_by_itself(tmp_path: Path, open_library: Open) -> None:
    library = open_library(poll_ms=5)
    with pytest.raises(ModelNotFoundError):
        library.acquire("m")

    put(tmp_path, "m", 4)
    until(lambda: any(one.resident for one in library.index()))

    assert factor_of(library, "m") == 4


def test_a_broken_file_leaves_the_old_one_serving_until_it_is_mended(
    tmp_path: Path, open_library: Open
) -> None:
    path = put(tmp_path, "m", 2)
    library = open_library()
    assert factor_of(library, "m") == 2

    path.write_bytes(b"this is no model")
    look_twice(library)
    assert factor_of(library, "m") == 2
    assert status(library, "m").state == "READY"
    assert "cannot be loaded" in status(library, "m").reason

    put(tmp_path, "m", 5)
    look_twice(library)
    assert factor_of(library, "m") == 5
    assert status(library, "m").reason == ""


def test_a_model_that_never_worked_is_reported(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "good")
    (tmp_path / "bad" / "1").mkdir(parents=True)
    (tmp_path / "bad" / "1" / "model.onnx").write_bytes(b"this is no model")
    put(tmp_path, "liar")
    (tmp_path / "liar" / "manifest.toml").write_text('[[input]]\nname = "x"\nshape = [9]\n')
    put(tmp_path, "typo")
    (tmp_path / "typo" / "manifest.toml").write_text("max_bacth = 4\n")
    library = open_library()

    library.preload()

    states = {one.name: one.state for one in library.index()}
    assert states == {
        "bad": "UNAVAILABLE",
        "good": "READY",
        "liar": "UNAVAILABLE",
        "typo": "UNAVAILABLE",
    }
    assert "shape [9]" in status(library, "liar").reason
    assert "[batch, 3]" in status(library, "liar").reason
    assert "did you mean max_batch?" in status(library, "typo").reason
    for name in ("bad", "liar", "typo"):
        with pytest.raises(ModelError):
            library.acquire(name)
    assert factor_of(library, "good") == 2


def test_a_new_version_answers_once_it_has_loaded(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m", 2, number=1)
    library = open_library()
    old = library.acquire("m")
    assert library.digest_of("m") == library.digest_of("m", "1") == old.model.info.digest

    put(tmp_path, "m", 7, number=2)
    look_twice(library)

    assert factor_of(library, "m") == 7
    assert library.digest_of("m") not in (None, old.model.info.digest)
    assert library.digest_of("m", "1") is library.digest_of("none") is None
    assert old.model.run({"x": np.ones((1, 3), np.float32)})["y"][0, 0] == 2
    old.release()
    with pytest.raises(ModelNotFoundError, match="served are: 2"):
        library.acquire("m", "1")


def test_versions_that_the_manifest_keeps_answer_side_by_side(
    tmp_path: Path, open_library: Open
) -> None:
    put(tmp_path, "m", 2, number=1)
    put(tmp_path, "m", 7, number=2)
    (tmp_path / "m" / "manifest.toml").write_text('versions = "all"\n')
    library = open_library()

    assert factor_of(library, "m") == 7
    assert factor_of(library, "m", "1") == 2
    assert [(one.version, one.state) for one in library.index()] == [("1", "READY"), ("2", "READY")]


def test_a_removed_model_goes_after_its_last_use(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m")
    loader = Weighed()
    library = open_library(loader)
    held = library.acquire("m")

    shutil.rmtree(tmp_path / "m")
    look_twice(library)

    assert library.index() == []
    with pytest.raises(ModelNotFoundError):
        library.acquire("m")
    assert held.model.run({"x": np.ones((2, 3), np.float32)})["y"].sum() == 12
    assert loader.open == 1
    held.release()
    held.release()  # a second time does nothing
    assert loader.open == 0


def test_a_manifest_that_changes_reloads_the_model(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m")
    library = open_library()
    library.acquire("m").release()

    (tmp_path / "m" / "manifest.toml").write_text('max_batch = 2\nkind = "multiplier"\n')
    look_twice(library)

    info = status(library, "m").info
    assert info is not None
    assert (info.kind, info.limits.buckets) == ("multiplier", (1, 2))


def test_triton_s_own_layout_is_served(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m", 3)
    (tmp_path / "m" / "config.pbtxt").write_text(
        'name: "m" backend: "onnxruntime" max_batch_size: 4\n'
        'input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]\n'
        'output [ { name: "y" data_type: TYPE_FP32 dims: [ 3 ] } ]\n'
    )
    library = open_library()

    assert factor_of(library, "m") == 3
    info = status(library, "m").info
    assert info is not None
    assert info.limits.buckets == (1, 2, 4)


def test_the_8_bit_file_is_loaded_where_its_report_says_so(
    tmp_path: Path, open_library: Open
) -> None:
    from gapless.infer.onnx.int8 import report

    path = put(tmp_path, "m", 2)
    put(tmp_path, "other", 9).replace(report.int8_file(path))
    library = open_library()
    assert factor_of(library, "m") == 2

    kept = report.Trial(scheme="row", nodes=1, bytes=1, relative_rms=0, relative_max=0, ms={1: 0.1})
    report.write_report(
        path,
        report.Report(
            use=True,
            why="it is faster",
            source_sha256=report.fingerprint(path),
            cpu=report.this_cpu(),
            runtime=version("onnxruntime"),
            threads=1,
            samples="random",
            rows=1,
            tolerance=0.05,
            min_speedup=1.1,
            source_bytes=1,
            source_ms={1: 0.2},
            scheme="row",
            trials=(kept,),
        ),
    )
    look_twice(library)

    assert factor_of(library, "m") == 9


# --- by hand ---


def test_a_model_is_taken_out_and_put_back_by_hand(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m")
    loader = Weighed()
    library = open_library(loader)
    library.acquire("m").release()

    library.unload("m")
    assert loader.open == 0
    assert status(library, "m").state == "UNLOADED"
    assert library.digest_of("m") is None
    for ask in (library.acquire, library.try_acquire):
        with pytest.raises(ModelNotFoundError, match="unloaded by hand"):
            ask("m")
    look_twice(library)
    assert status(library, "m").state == "UNLOADED"

    library.load("m")
    assert status(library, "m").resident
    assert factor_of(library, "m") == 2


def test_loading_by_hand_takes_the_files_as_they_are_now(
    tmp_path: Path, open_library: Open
) -> None:
    library = open_library()
    put(tmp_path, "m", 2)
    library.load("m")
    assert factor_of(library, "m") == 2

    path = put(tmp_path, "m", 3)
    library.load("m")
    assert factor_of(library, "m") == 3

    path.write_bytes(b"this is no model")
    with pytest.raises(ModelError):
        library.load("m")
    assert factor_of(library, "m") == 3, "what was served before still is"

    (tmp_path / "m" / "manifest.toml").write_text("x = 1\n")
    with pytest.raises(ModelError, match="there is no field x"):
        library.load("m")
    assert factor_of(library, "m") == 3
    for name in ("none", "../m", ""):
        with pytest.raises(ModelNotFoundError):
            library.load(name)
    with pytest.raises(ModelNotFoundError):
        library.unload("none")


# --- memory ---


def test_the_longest_unused_model_makes_room(tmp_path: Path, open_library: Open) -> None:
    for name in ("a", "b", "c"):
        put(tmp_path, name)
    library = open_library(budget_bytes=2 * WEIGHT)

    for name in ("a", "b", "a", "c"):
        library.acquire(name).release()

    assert [one.name for one in library.index() if one.resident] == ["a", "c"]
    assert factor_of(library, "b") == 2, "it comes back by itself"
    assert status(library, "a").state == "READY"


def test_a_pinned_model_and_one_in_use_stay(tmp_path: Path, open_library: Open) -> None:
    for name in ("a", "b", "c"):
        put(tmp_path, name)
    library = open_library(budget_bytes=2 * WEIGHT, pinned=["a"])
    library.acquire("a").release()
    held = library.acquire("b")

    with pytest.raises(OverloadError, match="model_memory_bytes") as error:
        library.acquire("c")
    assert error.value.retry_after_ms

    held.release()
    assert factor_of(library, "c") == 2
    assert [(one.name, one.pinned) for one in library.index() if one.resident] == [
        ("a", True),
        ("c", False),
    ]


def test_new_files_push_nobody_out(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "a")
    library = open_library(budget_bytes=WEIGHT + WEIGHT // 2)
    library.acquire("a").release()

    put(tmp_path, "b")
    look_twice(library)

    assert [one.name for one in library.index() if one.resident] == ["a"]
    assert status(library, "b").state == "READY"
    assert factor_of(library, "b") == 2


@pytest.mark.long
def test_three_models_share_room_for_two_among_many_threads(
    tmp_path: Path, open_library: Open
) -> None:
    factors = {"a": 2.0, "b": 3.0, "c": 4.0}
    for name, factor in factors.items():
        put(tmp_path, name, factor)
    loader = Weighed()
    library = open_library(loader, budget_bytes=2 * WEIGHT)

    def ask(seed: int) -> int:
        rng = np.random.default_rng(seed)
        refused = 0
        for name in rng.choice(list(factors), 40):
            try:
                assert factor_of(library, str(name)) == factors[str(name)]
            except OverloadError:  # the other two are in use at this moment
                refused += 1
        return refused

    with ThreadPoolExecutor(6) as pool:
        refused = sum(pool.map(ask, range(6)))

    assert refused < 240
    assert loader.most_open <= 3, "what a model takes is known once it was loaded"
    assert loader.open <= 2
    assert sum(one.memory_bytes for one in library.index()) <= 2 * WEIGHT


# --- many at once ---


def test_ten_threads_ask_and_it_is_loaded_once(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m", 6)
    loader = Weighed()
    library = open_library(Gate(loader))
    gate = library._loaders["onnxruntime_onnx"]
    assert isinstance(gate, Gate)

    with ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(factor_of, library, "m") for _ in range(10)]
        assert gate.waits.wait(30)
        assert library.try_acquire("m") is None, "it does not wait"
        assert status(library, "m").state == "LOADING"
        gate.go.set()
        assert [answer.result() for answer in answers] == [6] * 10

    assert loader.loads == ["m/1"]


def test_all_who_wait_hear_of_a_failure(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m").write_bytes(b"this is no model")
    gate = Gate(Weighed())
    library = open_library(gate)

    def ask() -> GaplessError:
        with pytest.raises(ModelError) as error:
            library.acquire("m")
        return error.value

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        assert gate.waits.wait(30)
        gate.go.set()
        errors = [one.result() for one in asked]

    assert len({id(error) for error in errors}) == 4
    assert len({error.message for error in errors}) == 1


def test_a_loader_that_breaks_harms_nobody_else(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "odd")
    put(tmp_path, "good")
    real = Weighed()

    def load(name: str, version: str, manifest: Manifest, path: Path | None) -> Model:
        if name == "odd":
            raise KeyError("what a loader should not raise")
        return real(name, version, manifest, path)

    library = open_library(load)
    library.preload()

    assert factor_of(library, "good") == 2
    assert "KeyError" in status(library, "odd").reason
    with pytest.raises(ModelError, match="KeyError"):
        library.acquire("odd")


def test_a_model_is_swapped_under_its_callers(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m", 1)
    loader = Weighed()
    library = open_library(loader)
    latest = 1.0
    stop = threading.Event()

    def call() -> set[float]:
        seen = set()
        while not stop.is_set():
            least = latest
            factor = factor_of(library, "m")
            assert factor >= least, "an older model answered after a newer one"
            seen.add(factor)
        return seen

    with ThreadPoolExecutor(3) as pool:
        callers = [pool.submit(call) for _ in range(3)]
        try:
            for factor in (2.0, 3.0, 4.0):
                put(tmp_path, "m", factor)
                look_twice(library)
                latest = factor
        finally:
            stop.set()
        seen = set.union(*(caller.result() for caller in callers))

    assert seen <= {1, 2, 3, 4}
    assert loader.open == 1
    assert loader.loads == ["m/1"] * 4


# --- models elsewhere ---


def test_a_model_whose_server_is_away_comes_back_by_itself(
    tmp_path: Path, open_library: Open
) -> None:
    point_at_server(tmp_path, "far")
    now = 0
    server = Server()
    library = open_library(triton=server, clock=lambda: now)
    with pytest.raises(ConnectionLostError):
        library.acquire("far")
    assert status(library, "far").state == "UNAVAILABLE"
    assert status(library, "far").reason == "nobody answers; start the server"

    library.refresh()
    with pytest.raises(ConnectionLostError) as error:
        library.acquire("far")
    assert error.value.retry_after_ms == 1000
    assert server.attempts == 1, "not asked again so soon"

    now += 2 * SECOND_NS
    server.away = False
    library.refresh()

    assert server.attempts == 2
    assert status(library, "far").state == "READY"
    library.acquire("far").release()


def test_whether_a_server_is_there_is_known_before_anybody_asks(
    tmp_path: Path, open_library: Open
) -> None:
    point_at_server(tmp_path, "far")
    put(tmp_path, "near")
    server = Server()
    seconds = count(0, SECOND_NS)  # one passes whenever somebody looks at the clock
    library = open_library(triton=server, poll_ms=5, clock=lambda: next(seconds))

    until(lambda: status(library, "far").state == "UNAVAILABLE")
    assert not status(library, "near").resident
    server.away = False
    until(lambda: status(library, "far").state == "READY")


def test_the_trouble_of_a_server_shows_as_long_as_it_lasts(
    tmp_path: Path, open_library: Open
) -> None:
    point_at_server(tmp_path, "far")
    server = Server()
    server.away = False
    library = open_library(triton=server)
    held = library.acquire("far")

    held.model.trouble = "it does not answer"  # type: ignore[misc]
    assert (status(library, "far").state, status(library, "far").reason) == (
        "UNAVAILABLE",
        "it does not answer",
    )
    held.model.trouble = ""  # type: ignore[misc]
    assert status(library, "far").state == "READY"
    held.release()

    library.load("far")
    assert server.attempts == 2, "what runs elsewhere may have changed there"


# --- the end ---


def test_closing_closes_all_but_what_is_in_use(tmp_path: Path, open_library: Open) -> None:
    for name in ("a", "b"):
        put(tmp_path, name)
    loader = Weighed()
    before = set(threading.enumerate())
    library = open_library(loader, poll_ms=1000)
    library.acquire("a").release()
    held = library.acquire("b")

    library.close()
    library.close()

    assert not [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith("gapless-models")
    ]
    assert loader.open == 1
    for ask in (library.acquire, library.load):
        with pytest.raises(ModelError, match="closed"):
            ask("a")
    assert library.try_acquire("a") is None
    held.release()
    assert loader.open == 0


def test_a_load_that_ends_after_the_closing_leaves_nothing(
    tmp_path: Path, open_library: Open
) -> None:
    put(tmp_path, "m")
    loader = Weighed()
    gate = Gate(loader)
    library = open_library(gate)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(library.acquire, "m")
        assert gate.waits.wait(30)
        library.close()
        gate.go.set()
        with pytest.raises(ModelError, match="closed"):
            asked.result()

    assert loader.open == 0


def test_loads_and_farewells_are_logged(tmp_path: Path, open_library: Open) -> None:
    put(tmp_path, "m")
    put(tmp_path, "bad").write_bytes(b"this is no model")
    library = open_library()

    with capture_logs() as lines:
        library.preload()
        library.unload("m")

    events = {(line["event"], line["model"]): line for line in lines}
    assert events["model loaded", "m"]["ms"] > 0
    assert events["model loaded", "m"]["memory_bytes"] == WEIGHT
    assert events["model unloaded", "m"]["why"] == "unloaded by hand"
    assert "cannot be loaded" in events["model failed", "bad"]["error"]
