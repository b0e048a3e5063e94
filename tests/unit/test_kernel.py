"""Compiled kernels and where their code is kept."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pytest

from gapless.dsp.kernel import (
    GENERATIONS,
    PACKAGE,
    ROOMS,
    find_cache_dir,
    find_generation,
    kernel,
    make_private,
    sources_digest,
)


@kernel
def running_sum(values: npt.NDArray[np.float32]) -> np.float32:
    total = np.float32(0.0)
    for value in values:
        total += value
    return total


def test_a_kernel_is_machine_code_that_keeps_its_source() -> None:
    values = np.arange(10, dtype=np.float32)
    assert running_sum(values) == running_sum.py_func(values) == 45.0
    assert isinstance(running_sum, numba.core.dispatcher.Dispatcher)
    assert running_sum.nopython_signatures


def test_a_kernel_adds_in_the_order_written() -> None:
    # Any other order gives another sum: 1e8 swallows what is added to it in single precision.
    values = np.array([1e8, 1.0, 1.0, 1.0, -1e8] * 13, np.float32)
    assert running_sum(values) == running_sum.py_func(values) == 0.0


def test_the_users_choice_of_a_cache_folder_is_kept() -> None:
    assert find_cache_dir({"NUMBA_CACHE_DIR": "/somewhere", "HOME": "/root"}) == Path("/somewhere")


def test_the_users_cache_folder_comes_first(tmp_path: Path) -> None:
    assert find_cache_dir({"HOME": str(tmp_path)}) == tmp_path / ".cache/gapless/kernels"
    xdg = {"HOME": "/nowhere", "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    assert find_cache_dir(xdg) == tmp_path / "xdg/gapless/kernels"


def test_without_a_writable_home_code_is_kept_in_a_private_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "file").touch()
    folder = find_cache_dir({"HOME": str(tmp_path / "file")})
    assert folder == tmp_path / f"gapless-kernels-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_write_is_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shared = tmp_path / f"gapless-kernels-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    assert not make_private(shared)
    assert find_cache_dir({}) is None


def test_a_link_to_a_folder_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert not make_private(tmp_path / "link")


@pytest.mark.long
def test_kernels_are_cached_where_they_should_be_even_if_numba_came_first(tmp_path: Path) -> None:
    program = (
        "import numba, numpy as np\n"
        "from gapless.dsp.fir import polyphase\n"
        "one = np.ones((1, 1), np.float32)\n"
        "polyphase(one[0], one, 0, 0, 1, np.empty(1, np.float32))\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=100)
    assert list((tmp_path / "gapless/kernels").rglob("*polyphase*.nbi"))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a kernel in each room."""
    for room in ROOMS:
        (tmp_path / "package" / room / "inner").mkdir(parents=True)
        (tmp_path / "package" / room / "inner" / "some.py").write_text("one = 1")
    return tmp_path / "package"


def edit(file: Path) -> None:
    file.write_text("one = 22")


def touch(file: Path) -> None:
    os.utime(file, ns=(1, 1))


def rename(file: Path) -> None:
    file.rename(file.with_name("other.py"))


def add(file: Path) -> None:
    file.with_name("another.py").touch()


@pytest.mark.parametrize("change", [edit, touch, rename, add, Path.unlink])
@pytest.mark.parametrize("room", ROOMS)
def test_code_is_compiled_anew_when_any_file_with_kernels_changes(
    package: Path, room: str, change: Callable[[Path], object]
) -> None:
    before = sources_digest(package)
    assert sources_digest(package) == before
    change(package / room / "inner" / "some.py")
    assert sources_digest(package) != before


def test_files_of_other_rooms_change_nothing(package: Path) -> None:
    before = sources_digest(package)
    (package / "cli").mkdir()
    (package / "cli" / "main.py").touch()
    assert sources_digest(package) == before


def test_a_state_of_the_sources_has_a_folder_of_its_own(tmp_path: Path) -> None:
    chosen = find_generation(tmp_path)
    assert chosen == tmp_path / f"gapless-{sources_digest()}"
    assert chosen.is_dir()
    assert find_generation(tmp_path) == chosen


def test_old_states_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "of somebody else").mkdir()
    for age in range(GENERATIONS + 3):
        old = tmp_path / f"gapless-{age}"
        old.mkdir()
        (old / "code.nbc").touch()
        os.utime(old, (1000 - age, 1000 - age))
    chosen = find_generation(tmp_path)
    left = {folder.name for folder in tmp_path.iterdir()}
    youngest = {f"gapless-{age}" for age in range(GENERATIONS - 1)}
    assert left == {"of somebody else", chosen.name, *youngest}


def test_the_state_in_use_is_never_the_oldest(tmp_path: Path) -> None:
    chosen = find_generation(tmp_path)
    os.utime(chosen, (1, 1))
    for number in range(GENERATIONS):
        (tmp_path / f"gapless-{number}").mkdir()
    assert find_generation(tmp_path) == chosen
    assert chosen.is_dir()


@pytest.mark.long
def test_every_kernel_lies_in_a_room_whose_changes_are_noticed() -> None:
    """Those of the benches and tests are called by no other kernel; Numba notices changes of their own files."""
    rooms = {
        room_of(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if any(is_compiled(node) for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    }
    assert rooms - {"bench", "testing"} <= set(ROOMS)
    assert {"dsp", "realtime"} <= rooms


def room_of(file: Path) -> str:
    return next((room for room in ROOMS if file.is_relative_to(room)), file.parts[0])


def is_compiled(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef):
        return False
    names = {ast.unparse(decorator).partition("(")[0] for decorator in node.decorator_list}
    return not names.isdisjoint({"kernel", "zone", "numba.cfunc", "numba.njit", "callback"})
