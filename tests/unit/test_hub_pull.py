"""Whole models from a hub on loopback: the real code, no hub needed."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gapless.errors import (
    ConfigError,
    ConnectionLostError,
    ModelError,
    ModelNotFoundError,
    OverloadError,
    StoreError,
)
from gapless.listen.recogniser.shelf.folders import folder_info, folder_kind
from gapless.listen.recogniser.shelf.hub import pull
from gapless.listen.recogniser.shelf.hub.catalogue import CatalogueFile, CatalogueModel, catalogue
from gapless.listen.recogniser.shelf.hub.client import hub_endpoint
from gapless.listen.recogniser.shelf.hub.pull import PullOptions, pull_model
from gapless.listen.recogniser.shelf.receipt import RECEIPT_FILE, differences, read_receipt
from gapless.listen.recogniser.whisper.recogniser import Whisper
from gapless.testing.hub import COMMIT, LocalHub
from gapless.testing.nemo_models import write_tone_ctc
from gapless.testing.whisper_model import build_whisper_model

REPOSITORY = "Systran/faster-whisper-tiny"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = build_whisper_model(tmp_path_factory.mktemp("models") / "tiny", "pulled it is")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(model: dict[str, bytes]) -> Iterator[LocalHub]:
    repositories = {
        REPOSITORY: {**model, "README.md": b"not wanted"},
        "somebody/a-text-model": {"model.safetensors": b"weights", "config.json": b"{}"},
        "somebody/networks": {"a/encoder.onnx": b"no network", "b/encoder.onnx": b"neither"},
    }
    with LocalHub(repositories) as hub:
        yield hub


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, model: dict[str, bytes]) -> CatalogueModel:
    """The catalogue's tiny, with the sums of the tests' model instead of the real one's."""
    files = tuple(
        CatalogueFile(name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in model.items()
    )
    entry = msgspec.structs.replace(catalogue()["tiny"], files=files)
    offer(monkeypatch, entry)
    return entry


def offer(monkeypatch: pytest.MonkeyPatch, entry: CatalogueModel) -> None:
    monkeypatch.setattr(pull, "catalogue", lambda: {**catalogue(), entry.name: entry})


class Progress(list[tuple[int, int]]):
    """What was reported."""

    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))


def fetch(
    hub: LocalHub, models: Path, name: str, progress: Progress | None = None, *include: str
) -> Path:
    options = PullOptions(endpoint=hub.url, include=include)
    report = Progress() if progress is None else progress
    return pull_model(name, models, report, options, pause=lambda _: None)


def test_a_pulled_model_speaks(
    hub: LocalHub, known: CatalogueModel, model: dict[str, bytes], tmp_path: Path
) -> None:
    progress = Progress()
    folder = fetch(hub, tmp_path, "tiny", progress)

    assert folder == tmp_path / "tiny"
    assert list(tmp_path.iterdir()) == [folder]
    assert {path.name for path in folder.iterdir()} == {*model, RECEIPT_FILE}
    assert Whisper(folder).info.name == "tiny"
    assert progress[-1] == (known.size_bytes, known.size_bytes)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)


def test_a_receipt_says_where_it_came_from_and_what_came(
    hub: LocalHub, known: CatalogueModel, tmp_path: Path
) -> None:
    folder = fetch(hub, tmp_path, "tiny")
    receipt = read_receipt(folder)

    assert receipt is not None
    assert receipt.source == f"{hub.url}/{REPOSITORY}"
    assert (receipt.revision, receipt.licence) == (known.revision, "MIT")
    assert {file.name: file.sha256 for file in receipt.files} == {
        file.local_name: file.sha256 for file in known.files
    }
    assert differences(folder, receipt) == ()


def test_a_model_whose_sums_are_known_needs_no_listing_of_the_hub(
    hub: LocalHub, known: CatalogueModel, tmp_path: Path
) -> None:
    hub.repositories[REPOSITORY]["config.json"] += b" "

    with pytest.raises(ModelError, match="is not the file that was expected"):
        fetch(hub, tmp_path, known.name)
    assert not (tmp_path / "tiny").exists()


def test_what_the_catalogue_does_not_know_is_asked_of_the_hub_and_written_down(
    hub: LocalHub, known: CatalogueModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tuple(CatalogueFile(file.path) for file in known.files)
    offer(monkeypatch, msgspec.structs.replace(known, files=files, revision="main"))
    receipt = read_receipt(fetch(hub, tmp_path, "tiny"))

    assert receipt is not None
    assert receipt.revision == COMMIT


def test_a_file_that_has_changed_on_the_hub_is_noticed_before_anything_is_fetched(
    hub: LocalHub, known: CatalogueModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, msgspec.structs.replace(known, revision="main"))
    hub.repositories[REPOSITORY]["model.bin"] += b" "

    with pytest.raises(ModelError, match=r"model\.bin of .* has changed since"):
        fetch(hub, tmp_path, "tiny")
    assert hub.requests == []


def test_networks_get_what_the_catalogue_knows_of_them(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = write_tone_ctc(tmp_path / "source")
    files = {path.name: path.read_bytes() for path in here.iterdir()}
    entry = next(model for model in catalogue().values() if model.engine == "gapless")
    hub.repositories[entry.repository] = files
    wanted = tuple(
        CatalogueFile(name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    )
    offer(monkeypatch, msgspec.structs.replace(entry, files=wanted))
    folder = fetch(hub, tmp_path / "models", entry.name)

    info = folder_info(entry.name, folder)
    assert info.languages == entry.languages
    assert info.licence == entry.licence
    assert info.description == entry.description
    assert info.owner == entry.repository.partition("/")[0]


def test_what_is_here_is_not_fetched_again(
    hub: LocalHub, known: CatalogueModel, tmp_path: Path
) -> None:
    fetch(hub, tmp_path, known.name)
    fetched = len(hub.requests)

    fetch(hub, tmp_path, known.name)

    assert len(hub.requests) == fetched


def test_a_repository_is_pulled_under_its_own_name(hub: LocalHub, tmp_path: Path) -> None:
    folder = fetch(hub, tmp_path, REPOSITORY)

    assert folder.name == "faster-whisper-tiny"
    assert not (folder / "README.md").exists()
    receipt = read_receipt(folder)
    assert receipt is not None
    assert receipt.revision == COMMIT


def test_a_pull_that_broke_off_shows_nothing_and_goes_on_later(
    hub: LocalHub, known: CatalogueModel, tmp_path: Path
) -> None:
    hub.faults["tokenizer.json"] = ["404"]
    with pytest.raises(ModelNotFoundError):
        fetch(hub, tmp_path, known.name)
    assert [path.name for path in tmp_path.iterdir()] == [".pull-tiny"]
    before = {file for file, _ in hub.requests}
    hub.requests.clear()

    assert folder_kind(fetch(hub, tmp_path, known.name)) == "whisper"
    assert {file for file, _ in hub.requests}.isdisjoint(before - {"tokenizer.json"})


def test_a_cut_in_the_middle_of_a_file_is_mended_within_the_pull(
    hub: LocalHub, known: CatalogueModel, model: dict[str, bytes], tmp_path: Path
) -> None:
    hub.faults["model.bin"] = ["cut", "500", "redirect"]
    folder = fetch(hub, tmp_path, known.name)

    assert (folder / "model.bin").read_bytes() == model["model.bin"]
    assert ("model.bin", len(model["model.bin"]) // 2) in hub.requests


def test_a_second_pull_of_the_same_model_is_refused_while_the_first_runs(
    hub: LocalHub, known: CatalogueModel, tmp_path: Path
) -> None:
    hub.faults["model.bin"] = ["stall"]
    arriving, outcome = threading.Event(), list[Path]()

    def report(done: int, total: int) -> None:
        if done > total // 2:
            arriving.set()

    first = threading.Thread(
        target=lambda: outcome.append(
            pull_model(known.name, tmp_path, report, PullOptions(endpoint=hub.url))
        )
    )
    first.start()
    assert arriving.wait(20)
    try:
        with pytest.raises(OverloadError, match="being pulled already") as caught:
            fetch(hub, tmp_path, known.name)
    finally:
        hub.released.set()
        first.join(20)

    assert caught.value.retry_after_ms
    assert outcome == [tmp_path / "tiny"]
    assert fetch(hub, tmp_path, known.name) == tmp_path / "tiny"


def test_a_model_of_another_kind_is_refused_and_removed(hub: LocalHub, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no Whisper model .* and no ONNX files"):
        fetch(hub, tmp_path, "somebody/a-text-model")

    assert not (tmp_path / "a-text-model").exists()


def test_two_files_of_one_name_have_to_be_chosen_between(hub: LocalHub, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a/encoder.onnx and b/encoder.onnx.*--include"):
        fetch(hub, tmp_path, "somebody/networks")


def test_networks_that_are_none_are_refused_and_removed(hub: LocalHub, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        fetch(hub, tmp_path, "somebody/networks", None, "a/*")

    assert list(tmp_path.iterdir()) == []


def test_a_model_that_the_hub_does_not_have_is_not_found(hub: LocalHub, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"nobody/nothing.*check the name"):
        fetch(hub, tmp_path, "nobody/nothing")


def test_something_in_the_way_is_not_overwritten(
    hub: LocalHub, known: CatalogueModel, tmp_path: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "diary.txt").write_text("mine")

    with pytest.raises(ModelError, match="is in the way; move it"):
        fetch(hub, tmp_path, known.name)
    assert (tmp_path / "tiny" / "diary.txt").read_text() == "mine"


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_fetched(
    hub: LocalHub, known: CatalogueModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))

    with pytest.raises(StoreError, match=r"0 MB are free .*--models-dir"):
        fetch(hub, tmp_path, known.name)
    assert hub.requests == []


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    nobody = PullOptions(endpoint="http://127.0.0.1:9")
    with pytest.raises(ConnectionLostError, match="fetch the model's files elsewhere"):
        pull_model("owner/name", tmp_path, Progress(), nobody)


@pytest.mark.parametrize("name", ["", "enormous", "../tiny", "a/b/c", "/etc/passwd", "a/..", "./x"])
def test_a_name_that_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be pulled; name one of tiny"):
        pull_model(name, tmp_path, Progress())

    assert list(tmp_path.iterdir()) == []


def test_an_endpoint_that_is_no_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="HF_ENDPOINT"):
        pull_model("owner/name", tmp_path, Progress(), PullOptions(endpoint="file:///etc"))


def test_the_hub_is_the_one_that_the_environment_names() -> None:
    assert hub_endpoint({}) == "https://huggingface.co"
    assert hub_endpoint({"HF_ENDPOINT": "https://mirror.lan/"}) == "https://mirror.lan"
