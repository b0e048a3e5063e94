"""The control socket: lines and their bounds, one holder per name, over a Unix socket and over a port with a token."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from gapless.clean.mic import endpoint as endpoint_module
from gapless.clean.mic.control import (
    MOST_REQUEST_BYTES,
    Change,
    SetRequest,
    StatusRequest,
    StopRequest,
    respond,
)
from gapless.clean.mic.endpoint import Endpoint, ask, holders
from gapless.clean.mic.places import runtime_folder, slug, state_file
from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.remembered import Remembered, recall, remember
from gapless.clean.mic.running import RunningMic
from gapless.errors import AccessError, ConfigError, ConnectionLostError, DeviceError, NotFoundError
from gapless.testing.fake_mic_engine import FakeMicEngine
from gapless.testing.fake_sound_server import FakeSound, make_device

pytestmark = pytest.mark.long

TRANSPORTS = pytest.mark.parametrize("unix", [True, False], ids=["unix", "port"])


def make_mic(name: str = "Mic") -> RunningMic:
    sound = FakeSound(make_device("built_in", default=True))
    mic = RunningMic(MicPlan(name=name), open_engine=FakeMicEngine, find_server=sound.find)
    mic.tick()
    return mic


@contextmanager
def answering(name: str, folder: Path, *, unix: bool = True) -> Iterator[RunningMic]:
    mic = make_mic(name)
    with Endpoint(name, folder, unix=unix) as endpoint:
        endpoint.answer(lambda line, token: respond(line, mic, token))
        yield mic
    mic.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})


@TRANSPORTS
def test_status_set_and_stop(folder: Path, unix: bool) -> None:
    with answering("Mic", folder, unix=unix) as mic:
        status = ask(StatusRequest(), folder)
        changed = ask(SetRequest(change=Change(amount=0.5, mute="toggle")), folder, "Mic")
        assert not mic.wait(0)
        stopped = ask(StopRequest(), folder)

        assert mic.wait(0)
    assert status.ok
    assert stopped.ok
    assert status.report is not None
    assert status.report.device == "built_in"
    assert changed.report is not None
    assert (changed.report.engine.amount, changed.report.engine.muted) == (0.5, True)


@TRANSPORTS
def test_one_holder_per_name_even_in_one_process(folder: Path, unix: bool) -> None:
    with answering("Mic", folder, unix=unix):
        with (
            pytest.raises(DeviceError, match=r"“Mic” is already running.*gapless mic stop"),
            Endpoint("Mic", folder, unix=unix),
        ):
            pass
        with answering("Other", folder, unix=unix):
            assert [holder.name for holder in holders(folder)] == ["Mic", "Other"]
            with pytest.raises(ConfigError, match=r"“Mic”, “Other”.*--name"):
                ask(StatusRequest(), folder)
            assert ask(StatusRequest(), folder, "Other").ok
    assert holders(folder) == []


def test_nobody_runs(folder: Path) -> None:
    with pytest.raises(NotFoundError, match="start one with: gapless mic"):
        ask(StatusRequest(), folder)
    with answering("Mic", folder), pytest.raises(NotFoundError, match="these do: “Mic”"):
        ask(StatusRequest(), folder, "Mac")


def test_a_holder_that_was_killed_leaves_no_trace(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from gapless.clean.mic.endpoint import Endpoint\n"
        "with Endpoint('Mic', Path(sys.argv[1])): print('there', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"there\n"
        assert [each.pid for each in holders(folder)] == [holder.pid]
        holder.kill()

    assert holders(folder) == []
    with answering("Mic", folder):
        assert ask(StatusRequest(), folder).ok


def test_who_does_not_answer_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "ANSWER_S", 0.1)
    with (
        Endpoint("Mic", folder),
        pytest.raises(ConnectionLostError, match=rf"process {os.getpid()}\) does not answer"),
    ):
        ask(StatusRequest(), folder)


def test_who_says_nothing_does_not_hold_up_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "PATIENCE_S", 0.2)
    with answering("Mic", folder), socket.socket(socket.AF_UNIX) as silent:
        silent.connect(holders(folder)[0].path)
        silent.sendall(b'{"v":1')
        assert ask(StatusRequest(), folder).ok


def test_several_lines_and_a_line_without_end(folder: Path) -> None:
    with answering("Mic", folder), socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(10)
        caller.connect(holders(folder)[0].path)
        caller.sendall(b'{"v":1,"do":"status"}\n{"v":1,"do":"what"}\n')
        answers = caller.makefile("rb")
        assert json.loads(answers.readline())["ok"] is True
        assert json.loads(answers.readline())["ok"] is False

        caller.sendall(b"x" * (MOST_REQUEST_BYTES + 1))
        refusal = json.loads(answers.readline())
        assert refusal["error"]["code"] == "too_large"
        assert answers.readline() == b""
        answers.close()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "invalid_request"),
        (b"\xff", "invalid_request"),
        (b"[]", "invalid_request"),
        (b'{"v":2,"do":"status"}', "invalid_request"),
        (b'{"v":1,"do":"set"}', "invalid_request"),
        (b'{"v":1,"do":"set","change":{"amount":1.5}}', "invalid_request"),
        (b'{"v":1,"do":"set","change":{"volume":1}}', "invalid_request"),
        (b'{"v":1,"do":"set","change":{"mute":true}}', "invalid_request"),
        (b'{"v":1,"do":"status","token":"guess"}', "unauthorized"),
        (b" " * (MOST_REQUEST_BYTES + 1), "too_large"),
    ],
    ids=[
        "empty",
        "bytes",
        "list",
        "version",
        "no-change",
        "bounds",
        "unknown",
        "type",
        "token",
        "long",
    ],
)
def test_what_is_not_understood_changes_nothing(line: bytes, code: str) -> None:
    mic = make_mic()
    before = mic.sample().engine

    answer = json.loads(respond(line, mic))

    assert not answer["ok"]
    assert answer["error"]["code"] == code
    assert mic.sample().engine == before
    mic.close()


def test_before_it_is_there_it_says_so() -> None:
    answer = json.loads(respond(b'{"v":1,"do":"status"}', None))

    assert answer["error"]["code"] == "overloaded"
    assert "ask again in a moment" in answer["error"]["message"]


def test_a_port_wants_its_token(folder: Path) -> None:
    with answering("Mic", folder, unix=False) as mic:
        holder = holders(folder)[0]
        assert holder.port
        assert len(holder.token) >= 32
        with socket.create_connection(("127.0.0.1", holder.port), timeout=10) as caller:
            caller.sendall(b'{"v":1,"do":"stop"}\n')
            answer = json.loads(caller.makefile("rb").readline())
        assert answer["error"]["code"] == "unauthorized"
        assert not mic.wait(0)


def test_only_the_user_can_read_the_socket_and_the_token(folder: Path) -> None:
    with answering("Mic", folder), answering("Port", folder, unix=False):
        modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}

    assert set(modes.values()) == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_open_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gapless").mkdir(mode=0o755)

    with pytest.raises(AccessError, match="open to other users"):
        runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})


def test_without_a_runtime_folder_there_is_one_of_the_user_in_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))

    made = runtime_folder({})

    assert made == tmp_path / f"gapless-{os.getuid()}"
    assert made.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["Gapless Microphone", "gapless microphone", "麦克风", "x" * 64])
def test_a_name_makes_a_short_file_name_of_its_own(name: str) -> None:
    others = {"Gapless Microphone", "gapless microphone", "麦克风", "x" * 64, "x" * 63} - {name}

    assert slug(name).isascii()
    assert len(slug(name)) <= 33
    assert slug(name) not in {slug(other) for other in others}


def test_the_state_lies_in_the_users_state_folder(tmp_path: Path) -> None:
    file = state_file("Mic", {"XDG_STATE_HOME": str(tmp_path)})
    assert file.parent == tmp_path / "gapless"
    assert recall(file) == Remembered()

    remember(file, Remembered(wanted="usb", last="usb_mic"))
    assert recall(file) == Remembered(wanted="usb", last="usb_mic")
    assert [each.name for each in file.parent.iterdir()] == [file.name]

    file.write_bytes(b'{"wanted": ')
    assert recall(file) == Remembered()


def test_the_protocol_is_as_documented() -> None:
    assert msgspec.json.decode(b'{"v":1,"do":"status"}', type=StatusRequest) == StatusRequest()
    line = msgspec.json.encode(SetRequest(change=Change(amount=0.5, bypass="toggle")))
    decoded = json.loads(line)
    assert decoded == {
        "do": "set",
        "v": 1,
        "token": "",
        "change": {"amount": 0.5, "bypass": "toggle"},
    }
