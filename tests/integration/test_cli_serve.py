from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from gapless.cli.main import main
from gapless.cli.serve import banner
from gapless.settings import Settings, Source


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
            lines = [server.stdout.readline() for _ in range(6)]
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

    text = banner("http://x", settings, Source("environment", "GAPLESS_API_KEY"))

    assert "open sesame" not in text
    assert "clients must send the one from GAPLESS_API_KEY" in text
    assert "/data/transcripts.db" in text


def test_the_banner_says_when_nothing_is_kept() -> None:
    assert "not kept" in banner("http://x", Settings(save=False), Source("default"))
