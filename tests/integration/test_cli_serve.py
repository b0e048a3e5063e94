from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import tritonclient.grpc
from click.testing import CliRunner

from gapless.cli.main import main
from gapless.cli.serve import banner
from gapless.listen.recogniser.shelf.choice import Choice
from gapless.serve.address import Addresses
from gapless.settings import Settings, Source

pytestmark = pytest.mark.long

AT = Addresses("http://x", None)
MODEL = Choice("small.en", "it is the only one pulled or added")


def test_the_server_says_where_it_is_answers_there_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "gapless", "serve", "--port", "0", "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            lines = [server.stdout.readline() for _ in range(8)]
            found = re.search(r"http://127\.0\.0\.1:\d+", lines[1])
            assert found, lines
            with urllib.request.urlopen(f"{found[0]}/health/ready", timeout=30) as answer:
                assert answer.status == 200
            server.send_signal(signal.SIGINT)
            code = server.wait(30)
        finally:
            server.kill()
        complaints = server.stderr.read()

    assert code in (0, 130)
    assert "Traceback" not in complaints
    assert str(tmp_path) in "".join(lines)


def test_the_server_answers_over_grpc_where_it_says(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gapless", "serve", "--port", "0", "--grpc-port", "0"]
    server = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout is not None
        assert server.stderr is not None
        try:
            lines = [server.stdout.readline() for _ in range(8)]
            found = re.search(r"over gRPC at (127\.0\.0\.1:\d+)", "".join(lines))
            assert found, lines
            with tritonclient.grpc.InferenceServerClient(found[1]) as client:
                assert client.is_server_ready()
                assert client.is_model_ready("silero_vad")
                assert client.get_model_metadata("silero_vad").name == "silero_vad"
            server.send_signal(signal.SIGTERM)
            code = server.wait(30)
        finally:
            server.kill()
        complaints = server.stderr.read()

    assert code in (0, 130)
    assert "Traceback" not in complaints


def test_grpc_without_its_library_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)

    result = CliRunner().invoke(main, ["serve", "--grpc-port", "0"], env={"GAPLESS_CONFIG": ""})

    assert result.exit_code == 1
    assert "run `pip install 'gapless[grpc]'`" in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_that_others_can_reach_needs_a_key(host: str) -> None:
    result = CliRunner().invoke(main, ["serve", "--host", host], env={"GAPLESS_CONFIG": ""})

    assert result.exit_code == 2
    assert "needs a key; set one with --api-key or GAPLESS_API_KEY" in result.stderr


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    result = CliRunner().invoke(
        main, ["serve", "--data-dir", str(tmp_path / "file" / "data")], env={"GAPLESS_CONFIG": ""}
    )

    assert result.exit_code == 1
    assert "choose another folder with --data-dir" in result.stderr


def test_the_banner_never_shows_the_key() -> None:
    settings = Settings(api_key="open sesame", data_dir="/data")

    text = banner(AT, settings, Source("environment", "GAPLESS_API_KEY"), MODEL)

    assert "open sesame" not in text
    assert "clients must send the one from GAPLESS_API_KEY" in text
    assert "/data/transcripts.db" in text
    assert "small.en: it is the only one pulled or added" in text


def test_the_banner_shows_grpc_only_where_it_is_served() -> None:
    settings, source = Settings(), Source("default")

    assert "gRPC" not in banner(AT, settings, source, MODEL)
    assert "over gRPC at y:1" in banner(Addresses("http://x", "y:1"), settings, source, MODEL)


def test_the_banner_says_when_nothing_is_kept() -> None:
    assert "not kept" in banner(AT, Settings(save=False), Source("default"), MODEL)
