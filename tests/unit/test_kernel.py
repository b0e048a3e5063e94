"""Compiled kernels and where their code is kept."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pytest

from gapless.dsp.kernel import find_cache_dir, kernel, make_private


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
