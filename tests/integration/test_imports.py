"""What a fresh interpreter loads, and that names mean the same whatever was imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "av",
    "ctranslate2",
    "faster_whisper",
    "google.protobuf",
    "grpc",
    "huggingface_hub",
    "numba",
    "numpy",
    "onnxruntime",
    "rich",
    "soxr",
    "starlette",
    "structlog",
    "uvicorn",
    "websockets",
)


def output_of(code: str) -> list[str]:
    """What a fresh interpreter prints, by line."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return result.stdout.splitlines()


def loaded_after(code: str) -> set[str]:
    """Heavy packages that the code brings in."""
    lines = output_of(f"{code}\nimport sys\nprint(*sys.modules)")
    return set(lines[-1].split()) & set(HEAVY)


def test_importing_the_package_loads_none_of_its_libraries() -> None:
    assert loaded_after("import gapless") == set()


@pytest.mark.long
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_help_and_version_of_the_command_load_no_library(option: str) -> None:
    code = f"from gapless.cli.main import main\nmain([{option!r}], standalone_mode=False)"

    assert loaded_after(code) == set()
    assert "msgspec" not in output_of(f"{code}\nimport sys\nprint(*sys.modules)")[-1].split()


@pytest.mark.long
def test_the_help_of_a_command_loads_no_model_or_audio_library() -> None:
    commands = ("serve", "transcribe", "listen", "denoise", "models", "config", "doctor", "bench")
    code = "from gapless.cli.main import main\n" + "\n".join(
        f"main([{name!r}, '--help'], standalone_mode=False)" for name in commands
    )

    assert loaded_after(code) == set()


@pytest.mark.long
def test_the_client_needs_no_model_library() -> None:
    heavy = loaded_after("import gapless\ngapless.Client")

    assert not heavy & {"av", "ctranslate2", "faster_whisper", "numba", "onnxruntime"}


@pytest.mark.long
def test_the_engine_and_its_server_load_grpc_only_where_it_is_used() -> None:
    heavy = loaded_after("import gapless.engine, gapless.serve.server, gapless.cli.serve")

    assert not heavy & {"google.protobuf", "grpc"}


@pytest.mark.long
@pytest.mark.parametrize(
    "first",
    [
        "import gapless",
        "import gapless, gapless.listen.events",
        "import gapless; gapless.transcribe",
    ],
)
def test_listen_is_the_function_whatever_was_imported_first(first: str) -> None:
    code = f"{first}\nprint(gapless.listen.__module__, gapless.listen.__name__)"

    assert output_of(code) == ["gapless.api listen"]


@pytest.mark.long
def test_the_module_runs_as_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "gapless", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert result.stdout.startswith("gapless ")


@pytest.mark.long
def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "gapless", "config", "template"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()

    complaint = command.stderr.read()
    command.stderr.close()
    assert command.wait(60) != 0
    assert complaint == b""
