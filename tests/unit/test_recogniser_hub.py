"""Pulling models: the real hub client against a small hub on loopback."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gapless.errors import ConfigError, ModelError, ModelNotFoundError
from gapless.listen.recogniser.hub import MODELS, pull_model
from gapless.listen.recogniser.whisper import Whisper, is_whisper_folder
from gapless.testing.whisper_model import build_whisper_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves repositories: ``owner/name`` to file names to contents."""

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), HubRequest)
        self.repositories = repositories
        self.fetched: list[str] = []
        self.broken: set[str] = set()
        self.cut_short: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class HubRequest(BaseHTTPRequestHandler):
    """The three requests that the client makes: revision, tree and file."""

    server: Hub

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/api/models").strip("/")
        owner, name, *rest = path.split("/")
        files = self.server.repositories.get(f"{owner}/{name}")
        if files is None:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif rest[:1] == ["revision"]:
            names = [{"rfilename": file} for file in files]
            self.answer_json({"id": f"{owner}/{name}", "sha": COMMIT, "siblings": names})
        elif rest[:1] == ["tree"]:
            self.answer_json(
                [
                    {"type": "file", "path": file, "size": len(data), "oid": etag(data)}
                    for file, data in files.items()
                ]
            )
        else:
            self.send_file(rest[-1], files[rest[-1]])

    do_HEAD = do_GET  # noqa: N815  (the name that http.server looks for)

    def send_file(self, name: str, data: bytes) -> None:
        if self.command == "GET":
            self.server.fetched.append(name)
            if name in self.server.broken:
                self.answer(500, b"", {})
                return
            if name in self.server.cut_short:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[:-1])
                self.close_connection = True
                return
        self.answer(200, data, {"ETag": f'"{etag(data)}"', "X-Repo-Commit": COMMIT})

    def answer_json(self, document: object) -> None:
        self.answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = build_whisper_model(tmp_path_factory.mktemp("models") / "tiny", "pulled it is")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(model: dict[str, bytes]) -> Iterator[Hub]:
    repositories = {
        MODELS["tiny"]: {**model, "README.md": b"not wanted"},
        "somebody/a-text-model": {"model.bin": b"weights", "config.json": b"{}"},
    }
    with Hub(repositories) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


class Progress(list[tuple[int, int]]):
    """What was reported."""

    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))


def test_a_pulled_model_speaks(hub: Hub, model: dict[str, bytes], tmp_path: Path) -> None:
    progress = Progress()
    folder = pull_model("tiny", tmp_path, progress, endpoint=hub.url)

    assert folder == tmp_path / "tiny"
    assert {path.name for path in folder.iterdir()} == set(model)
    assert list(tmp_path.iterdir()) == [folder]
    assert Whisper(folder).info.name == "tiny"
    total = sum(map(len, model.values()))
    assert progress[-1] == (total, total)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)


def test_what_is_here_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    pull_model("tiny", tmp_path, Progress(), endpoint=hub.url)
    fetched = len(hub.fetched)

    pull_model("tiny", tmp_path, Progress(), endpoint=hub.url)

    assert len(hub.fetched) == fetched


def test_a_repository_is_pulled_under_its_own_name(hub: Hub, tmp_path: Path) -> None:
    folder = pull_model(MODELS["tiny"], tmp_path, Progress(), endpoint=hub.url)

    assert folder.name == "faster-whisper-tiny"


def test_a_pull_that_broke_off_shows_nothing_and_goes_on_later(hub: Hub, tmp_path: Path) -> None:
    hub.broken.add("tokenizer.json")
    with pytest.raises(ModelError, match="check the network"):
        pull_model("tiny", tmp_path, Progress(), endpoint=hub.url)
    assert not any(is_whisper_folder(entry) for entry in tmp_path.iterdir())
    hub.broken.clear()
    hub.fetched.clear()

    assert is_whisper_folder(pull_model("tiny", tmp_path, Progress(), endpoint=hub.url))
    assert "tokenizer.json" in hub.fetched


def test_a_file_that_was_cut_short_is_no_model(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cut_short.add("model.bin")
    # The client tries again five times, a second apart.
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)

    with pytest.raises(ModelError, match="check the network"):
        pull_model("tiny", tmp_path, Progress(), endpoint=hub.url)
    assert not any(is_whisper_folder(entry) for entry in tmp_path.iterdir())


def test_a_model_that_the_hub_does_not_have_is_not_found(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="the hub has no model nobody/nothing"):
        pull_model("nobody/nothing", tmp_path, Progress(), endpoint=hub.url)


def test_a_model_of_another_kind_is_refused_and_removed(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no Whisper model in CTranslate2 format"):
        pull_model("somebody/a-text-model", tmp_path, Progress(), endpoint=hub.url)

    assert list(tmp_path.iterdir()) == []


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(
            ModelError, match=r"check the network, or copy a folder with model\.bin"
        ):
            pull_model("tiny", tmp_path, Progress(), endpoint=nobody)


@pytest.mark.parametrize("name", ["", "enormous", "../tiny", "a/b/c", "/etc/passwd", "a/..", "./x"])
def test_a_name_that_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be pulled; name one of tiny"):
        pull_model(name, tmp_path, Progress())

    assert list(tmp_path.iterdir()) == []
