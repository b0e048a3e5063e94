"""The wheel carries all that runs: built, unpacked elsewhere, and used from there."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    beside_python = str(Path(sys.executable).parent)
    built = subprocess.run(
        [sys.executable, "-c", f"import uv_build; print(uv_build.build_wheel({str(folder)!r}))"],
        cwd=ROOT,
        env={**os.environ, "PATH": beside_python + os.pathsep + os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    name = built.stdout.splitlines()[-1]
    with zipfile.ZipFile(folder / name) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def served(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that runs from the unpacked wheel."""
    tmp_path = tmp_path_factory.mktemp("served")
    process = subprocess.Popen(
        [sys.executable, "-m", "gapless", "serve", "--port", "0", "--data-dir", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked), "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "http://" in line:
                address = "http://" + line.split("http://")[1].split()[0].rstrip("/")
                break
        else:
            pytest.fail(f"the server ended with {process.wait()} and printed no address")
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_the_unpacked_package_is_what_runs(unpacked: Path, tmp_path: Path) -> None:
    code = "import gapless; print(gapless.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert Path(where.strip()).is_relative_to(unpacked)


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/sample.flac", "/health/ready"])
def test_everything_a_browser_needs_is_in_the_wheel(served: str, path: str) -> None:
    with urllib.request.urlopen(served + path, timeout=10) as answer:
        assert answer.status == 200
        assert len(answer.read()) > 10
