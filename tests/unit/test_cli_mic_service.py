"""The virtual microphone as a service: what systemd and launchd are told, and which commands are run."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from gapless.clean.mic.service import launchd_service, systemd_service
from gapless.cli.main import main
from gapless.cli.mic_options import RunOptions, as_arguments

NOTHING = RunOptions(
    input=None,
    output=False,
    play_to=None,
    name=None,
    server=None,
    monitor=False,
    mode=None,
    model=None,
    block=None,
    amount=None,
    gate=None,
    config=None,
)


@pytest.fixture(autouse=True)
def private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("GAPLESS_CONFIG", "")


def mic(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["mic", *arguments])


UNIT = """[Unit]
Description=Gapless Microphone (Gapless)
After=pipewire.service wireplumber.service pulseaudio.service
StartLimitIntervalSec=0

[Service]
ExecStart="/usr/bin/true" "mic" "--input" "a \\"b\\" 50%% $$HOME \\\\"
Restart=on-failure
RestartSec=2

[Install]
WantedBy=default.target
"""

AWKWARD = ["/usr/bin/true", "mic", "--input", 'a "b" 50% $HOME \\']


def test_the_unit_of_systemd(tmp_path: Path) -> None:
    service = systemd_service("Gapless Microphone", AWKWARD, {"XDG_CONFIG_HOME": str(tmp_path)})

    assert service.content.decode() == UNIT
    assert service.file == tmp_path / "systemd" / "user" / "gapless-microphone.service"
    other = systemd_service("Desk", AWKWARD, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert other.file.name.startswith("gapless-mic-desk-")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    service = systemd_service("Gapless Microphone", AWKWARD, {"XDG_CONFIG_HOME": str(tmp_path)})
    service.file.parent.mkdir(parents=True)
    service.file.write_bytes(service.content)

    checked = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(service.file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )

    assert service.file.name not in checked.stderr
    assert checked.returncode == 0, checked.stderr


def test_the_agent_of_launchd() -> None:
    service = launchd_service("Gapless Microphone", AWKWARD, 501)

    agent = plistlib.loads(service.content)
    assert agent["ProgramArguments"] == AWKWARD
    assert agent["RunAtLoad"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert service.file.name == f"{agent['Label']}.plist" == "gapless.microphone.plist"
    assert service.after_install[0][:3] == ("launchctl", "bootstrap", "gui/501")


def test_the_options_of_a_service_are_given_again(tmp_path: Path) -> None:
    options = msgspec.structs.replace(
        NOTHING, input="my usb", amount=0.8, gate=False, monitor=True, config=tmp_path / "a.toml"
    )

    arguments = as_arguments(options)

    assert arguments == [
        "--input",
        "my usb",
        "--monitor",
        "--amount",
        "0.8",
        "--no-gate",
        "--config",
        str(tmp_path / "a.toml"),
    ]
    assert as_arguments(NOTHING) == []


def test_printing_a_service_writes_nothing(tmp_path: Path) -> None:
    result = mic("install-service", "--print", "--input", "usb")

    assert result.exit_code == 0
    assert '"mic" "--input" "usb" "--quiet"' in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that writes down what it is asked; it fails where a file says so."""
    log, folder = tmp_path / "asked", tmp_path / "bin"
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\n[ -e {tmp_path}/fails ] && echo "no bus" >&2 && exit 1\nexit 0\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_a_service_is_installed_and_removed(tmp_path: Path, systemctl: Path) -> None:
    file = tmp_path / "systemd" / "user" / "gapless-microphone.service"

    installed = mic("install-service", "--amount", "0.8")

    assert installed.exit_code == 0
    assert b'"--amount" "0.8"' in file.read_bytes()
    assert f"wrote {file}" in installed.stdout
    assert "$ systemctl --user enable gapless-microphone.service" in installed.stdout
    assert systemctl.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable gapless-microphone.service",
        "--user restart gapless-microphone.service",
    ]

    removed = mic("uninstall-service")

    assert removed.exit_code == 0
    assert not file.exists()
    assert systemctl.read_text().splitlines()[3:] == [
        "--user disable --now gapless-microphone.service",
        "--user daemon-reload",
    ]
    again = mic("uninstall-service")
    assert again.exit_code == 1
    assert "nothing was installed for “Gapless Microphone”" in again.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_a_command_that_fails_is_told_with_its_reason(tmp_path: Path, systemctl: Path) -> None:
    (tmp_path / "fails").write_text("")

    result = mic("install-service")

    assert result.exit_code == 1
    assert "systemctl --user daemon-reload failed (no bus)" in result.stderr


def test_without_systemd_it_says_what_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")

    result = mic("install-service")

    assert result.exit_code == 1
    assert "there is no systemctl here; let your session start this instead:" in result.stderr
    assert not (tmp_path / "systemd").exists()


def test_on_windows_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    result = mic("install-service", "--print")

    assert result.exit_code == 1
    assert "shell:startup" in result.stderr
