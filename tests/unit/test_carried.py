from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gapless.errors import MissingDependencyError
from gapless.infer.carried import find_carried


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "carrier_package"
    (folder / "assets").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_file_is_found_without_importing_the_package_that_carries_it(package: Path) -> None:
    (package / "assets" / "model.bin").write_bytes(b"x")
    found = find_carried("carrier_package", "assets/model.bin", install="carrier")
    assert found == package / "assets" / "model.bin"
    assert "carrier_package" not in sys.modules


def test_the_first_name_that_exists_is_taken(package: Path) -> None:
    (package / "lib.dylib").write_bytes(b"")
    found = find_carried("carrier_package", "lib.so", "lib.dylib", "lib.dll", install="carrier")
    assert found.name == "lib.dylib"


def test_a_missing_package_is_named_with_the_command_that_adds_it() -> None:
    with pytest.raises(
        MissingDependencyError, match=r"no_such_package is not installed.*'thing\[extra\]'"
    ):
        find_carried("no_such_package", "model.bin", install="thing[extra]")


def test_a_package_without_the_file_is_named_with_the_command_that_mends_it(package: Path) -> None:
    with pytest.raises(
        MissingDependencyError, match=r"carries no lib\.so or lib\.dll.*--force-reinstall"
    ):
        find_carried("carrier_package", "lib.so", "lib.dll", install="carrier")


def test_a_module_that_is_no_package_carries_nothing() -> None:
    with pytest.raises(MissingDependencyError, match="carries no"):
        find_carried("pytest_timeout", "model.bin", install="pytest-timeout")


@pytest.mark.long
def test_loading_the_denoiser_does_not_import_its_carrier() -> None:
    code = (
        "import sys; from gapless.clean.denoise import Denoiser;"
        "Denoiser(); print(sorted({'pyrnnoise'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
