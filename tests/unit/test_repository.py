from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from gapless.infer.repository.scan import Entry, Repository


def put(root: Path, name: str, version: int = 1, content: bytes = b"1") -> Path:
    """A file that has the place of a model's."""
    path = root / name / str(version) / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def describe(root: Path, name: str, text: str) -> None:
    (root / name).mkdir(parents=True, exist_ok=True)
    (root / name / "manifest.toml").write_text(text)


def numbers(entry: Entry) -> list[int]:
    return [version.number for version in entry.versions]


def test_a_file_in_a_numbered_folder_is_a_model(tmp_path: Path) -> None:
    path = put(tmp_path, "m", 7)

    (entry,) = Repository([tmp_path]).scan().values()

    assert entry.name == "m"
    assert [(version.number, version.path) for version in entry.versions] == [(7, path)]
    assert not entry.trouble


def test_what_is_no_model_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "whisper-small").mkdir()
    (tmp_path / "whisper-small" / "model.bin").write_bytes(b"w")
    (tmp_path / "whisper-small" / "config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "coming" / "1").mkdir(parents=True)
    (tmp_path / "file.onnx").write_bytes(b"f")
    put(tmp_path, ".hidden")
    put(tmp_path, "x" * 10)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    assert list(Repository([tmp_path, tmp_path / "none"]).scan()) == ["x" * 10]


def test_the_later_folder_wins(tmp_path: Path) -> None:
    put(tmp_path / "builtin", "m")
    put(tmp_path / "builtin", "only")
    mine = put(tmp_path / "user", "m")

    entries = Repository([tmp_path / "builtin", tmp_path / "user"]).scan()

    assert list(entries) == ["m", "only"]
    assert entries["m"].versions[0].path == mine


def test_the_folders_in_a_recogniser_are_models_that_bear_its_name(tmp_path: Path) -> None:
    encoder = put(tmp_path / "words", "encoder")
    put(tmp_path / "words", "joiner", 3)
    put(tmp_path / "words", ".hidden")
    (tmp_path / "words" / "recogniser.toml").write_text("")
    put(tmp_path / "plain", "encoder")  # no recogniser: a model has no models inside

    entries = Repository([tmp_path]).scan()

    assert list(entries) == ["words.encoder", "words.joiner"]
    assert entries["words.encoder"].versions[0].path == encoder
    assert numbers(entries["words.joiner"]) == [3]


def test_the_newest_version_is_the_largest_number(tmp_path: Path) -> None:
    for version in (2, 10, 9):
        put(tmp_path, "m", version)

    assert numbers(Repository([tmp_path]).scan()["m"]) == [10]


def test_versions_are_those_that_the_manifest_asks_for(tmp_path: Path) -> None:
    for version in (1, 2, 3, 4):
        put(tmp_path, "m", version)
    put(tmp_path, "m", 1).parent.rename(tmp_path / "m" / "01")  # not a version's name
    asked = {"2": [3, 4], '"all"': [2, 3, 4], "[2, 4, 9]": [2, 4], "1": [4]}

    for text, kept in asked.items():
        describe(tmp_path, "m", f"versions = {text}")
        assert numbers(Repository([tmp_path]).scan()["m"]) == kept


def test_a_version_counts_once_its_file_is_there(tmp_path: Path) -> None:
    put(tmp_path, "m", 1)
    (tmp_path / "m" / "2").mkdir()
    (tmp_path / "m" / "2" / "model.onnx.part").write_bytes(b"half")

    assert numbers(Repository([tmp_path]).scan()["m"]) == [1]


def test_the_file_may_have_another_name(tmp_path: Path) -> None:
    put(tmp_path, "m").rename(tmp_path / "m" / "1" / "net.onnx")
    assert "there is no version with a model.onnx" in Repository([tmp_path]).scan()["m"].trouble

    describe(tmp_path, "m", 'file = "net.onnx"')
    assert numbers(Repository([tmp_path]).scan()["m"]) == [1]


def test_a_file_outside_the_versions_folder_is_none_of_it(tmp_path: Path) -> None:
    put(tmp_path, "m")
    (tmp_path / "secret.onnx").write_bytes(b"s")
    describe(tmp_path, "m", 'file = "../../secret.onnx"')

    assert Repository([tmp_path]).scan()["m"].versions == ()


def test_a_model_on_a_server_needs_no_file(tmp_path: Path) -> None:
    describe(tmp_path, "m", 'platform = "triton"\n[triton]\nurls = ["a:1"]')

    (version,) = Repository([tmp_path]).scan()["m"].versions

    assert (version.number, version.path) == (1, None)


def test_trouble_is_said_and_keeps_nobody_else_away(tmp_path: Path) -> None:
    put(tmp_path, "good")
    describe(tmp_path, "typo", "max_bacth = 1")
    describe(tmp_path, "empty", "")
    describe(tmp_path, "deep", "x = " + "[" * 10_000)
    put(tmp_path, "none-of-them")
    describe(tmp_path, "none-of-them", "versions = [3]")
    put(tmp_path, "odd name")

    entries = Repository([tmp_path]).scan()
    troubles = {name: entry.trouble for name, entry in entries.items() if entry.trouble}

    assert numbers(entries["good"]) == [1]
    assert "did you mean max_batch?" in troubles["typo"]
    assert "there is no version with a model.onnx" in troubles["empty"]
    assert "manifest.toml" in troubles["deep"] or "RecursionError" in troubles["deep"]
    assert "here are 1" in troubles["none-of-them"]
    assert "rename its folder" in troubles["odd name"]
    assert troubles.keys() == {"typo", "empty", "deep", "none-of-them", "odd name"}
    unreadable = {name for name, entry in entries.items() if entry.manifest is None}
    assert unreadable == {"typo", "deep", "odd name"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_name_that_is_no_text_is_spelled_out(tmp_path: Path) -> None:
    put(tmp_path, os.fsdecode(b"\xff\xfe"))

    (entry,) = Repository([tmp_path]).scan().values()

    assert entry.name == r"\udcff\udcfe"
    assert "rename its folder" in entry.trouble


def test_what_is_there_at_the_start_counts_at_once(tmp_path: Path) -> None:
    put(tmp_path, "m")

    assert list(Repository([tmp_path]).scan()) == ["m"]


def test_what_comes_later_counts_once_it_stood_still(tmp_path: Path) -> None:
    repository = Repository([tmp_path])
    assert not repository.scan()

    put(tmp_path, "m", content=b"half")
    assert not repository.scan()
    put(tmp_path, "m", content=b"half and more")
    assert not repository.scan()
    assert list(repository.scan()) == ["m"]


def test_a_change_counts_once_it_stood_still(tmp_path: Path) -> None:
    put(tmp_path, "m", 1)
    repository = Repository([tmp_path])
    before = repository.scan()["m"]

    put(tmp_path, "m", 2)
    assert repository.scan()["m"] is before
    after = repository.scan()["m"]
    assert numbers(after) == [2]
    assert repository.scan()["m"] is after, "nothing changed"


def test_a_manifest_counts_as_a_change_of_every_version(tmp_path: Path) -> None:
    put(tmp_path, "m", 1)
    repository = Repository([tmp_path])
    before = repository.scan()["m"]

    describe(tmp_path, "m", 'kind = "vad"')
    repository.scan()
    after = repository.scan()["m"]

    assert after.manifest is not None
    assert after.manifest.kind == "vad"
    assert after.versions != before.versions


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_a_change(tmp_path: Path) -> None:
    path = put(tmp_path, "m", content=b"old")
    repository = Repository([tmp_path])
    before = repository.scan()["m"]
    stat = path.stat()

    (other := tmp_path / "other").write_bytes(b"new")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    repository.scan()

    assert repository.scan()["m"].versions != before.versions


def test_what_is_removed_goes_once_two_looks_missed_it(tmp_path: Path) -> None:
    put(tmp_path, "m")
    repository = Repository([tmp_path])
    repository.scan()

    shutil.rmtree(tmp_path / "m")
    assert list(repository.scan()) == ["m"]
    assert not repository.scan()


def test_a_look_by_hand_takes_what_is_there_now(tmp_path: Path) -> None:
    repository = Repository([tmp_path])
    repository.scan()
    put(tmp_path, "m")

    entry = repository.look("m")
    assert entry is not None
    assert numbers(entry) == [1]
    assert repository.scan()["m"] is entry, "the next scan agrees with it"

    shutil.rmtree(tmp_path / "m")
    assert repository.look("m") is None
    assert not repository.scan()


def test_names_lead_nowhere_else(tmp_path: Path) -> None:
    put(tmp_path / "models", "m")
    put(tmp_path, "outside")
    repository = Repository([tmp_path / "models"])
    repository.scan()

    for name in ("../outside", "..", ".", "", "m/../m", str(tmp_path / "outside")):
        assert repository.look(name) is None
