"""The file that keeps what was measured."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gapless.errors import StoreError
from gapless.tune.measured import (
    MOST_RECORDS,
    Fingerprint,
    Kept,
    Measured,
    completed,
    fingerprint,
    forget_measured,
    keep_measured,
    load_measured,
    read_kept,
)

HERE = Fingerprint(
    cpu="a processor",
    usable_cpus=8,
    physical_cpus=4,
    memory_gib=16,
    system="Linux x86_64",
    python="CPython 3.11.7",
    onnxruntime="1.20.0",
)
ELSEWHERE = msgspec.structs.replace(HERE, memory_gib=32)


def record(
    machine: Fingerprint = HERE, when_ms: int = 1, version: str = "1", executors: int = 3
) -> Measured:
    return Measured(
        fingerprint=machine,
        models={"ranker": version},
        values={"executors": executors},
        reasons={"executors": "3 x 1 did 1.20x the work"},
        when_ms=when_ms,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "machine.json"


def test_what_was_kept_comes_back(file: Path) -> None:
    keep_measured(file, record())
    assert load_measured(file, HERE) == record()
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_without_a_file_there_is_nothing_to_say(file: Path) -> None:
    assert read_kept(file, HERE) == Kept()
    assert load_measured(file, HERE) is None


@pytest.mark.parametrize("part", Fingerprint.__struct_fields__)
def test_another_machine_is_ignored_with_a_notice(file: Path, part: str) -> None:
    value = getattr(HERE, part)
    other = msgspec.structs.replace(HERE, **{part: value * 2})
    keep_measured(file, record(other))
    kept = read_kept(file, HERE)
    assert kept.measured is None
    assert f"{part.replace('_', ' ')}: {value * 2} there, {value} here" in kept.notice
    assert "gapless tune" in kept.notice


def test_machines_share_a_file(file: Path) -> None:
    keep_measured(file, record())
    keep_measured(file, record(ELSEWHERE, executors=5))
    assert load_measured(file, HERE) == record()
    assert load_measured(file, ELSEWHERE) == record(ELSEWHERE, executors=5)


def test_a_new_record_takes_the_place_of_the_old_one(file: Path) -> None:
    keep_measured(file, record(when_ms=1))
    keep_measured(file, record(when_ms=2, version="2", executors=4))
    assert load_measured(file, HERE) == record(when_ms=2, version="2", executors=4)
    assert forget_measured(file, HERE) == 1


def test_the_newest_counts(file: Path) -> None:
    newer = msgspec.structs.replace(record(when_ms=5), models={"another": "1"})
    keep_measured(file, newer)
    keep_measured(file, record(when_ms=4))
    assert load_measured(file, HERE) == newer


def test_another_version_of_a_model_is_another_matter(file: Path) -> None:
    keep_measured(file, record())
    assert read_kept(file, HERE, {"ranker": "1", "more": "7"}).measured == record()
    assert read_kept(file, HERE, {"more": "7"}).measured == record()
    kept = read_kept(file, HERE, {"ranker": "2"})
    assert kept.measured is None
    assert "other models" in kept.notice


def test_the_oldest_records_are_dropped(file: Path) -> None:
    machines = [
        msgspec.structs.replace(HERE, usable_cpus=number) for number in range(MOST_RECORDS + 3)
    ]
    for number, machine in enumerate(machines):
        keep_measured(file, record(machine, when_ms=number))
    found = [load_measured(file, machine) is not None for machine in machines]
    assert found == [False] * 3 + [True] * MOST_RECORDS


def test_an_interrupted_search_leaves_earlier_answers_alone() -> None:
    earlier = msgspec.structs.replace(
        record(),
        values={"executors": 3, "max_batch": 8},
        reasons={"executors": "then", "max_batch": "then", "store_batch_rows": "then"},
    )
    later = msgspec.structs.replace(record(when_ms=2), values={}, reasons={"executors": "now"})
    both = completed(later, earlier)
    assert both.values == {"max_batch": 8}
    assert both.reasons == {"executors": "now", "max_batch": "then", "store_batch_rows": "then"}
    assert both.when_ms == 2
    assert completed(later, None) == later
    assert completed(later, record(ELSEWHERE)) == later
    assert completed(later, record(version="2")) == later


def test_forgetting_leaves_other_machines_alone(file: Path) -> None:
    keep_measured(file, record())
    keep_measured(file, record(ELSEWHERE))
    assert forget_measured(file, HERE) == 1
    assert forget_measured(file, HERE) == 0
    assert load_measured(file, ELSEWHERE) == record(ELSEWHERE)
    assert forget_measured(file, ELSEWHERE) == 1
    assert not file.exists()
    assert forget_measured(file, ELSEWHERE) == 0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"format": 1, "records": [', id="cut short"),
        pytest.param(b'{"format": 1, "records": [{"values": 3}]}', id="of another shape"),
        pytest.param(b'{"format": 2, "records": "a new kind"}', id="of another version"),
        pytest.param(b"\xff\xfe", id="no text"),
    ],
)
def test_a_damaged_file_is_told_and_replaced(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    kept = read_kept(file, HERE)
    assert kept.measured is None
    assert str(file) in kept.notice
    assert "gapless tune" in kept.notice
    keep_measured(file, record())
    assert load_measured(file, HERE) == record()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StoreError, match="see that its folder is yours"):
        keep_measured(blocked / "machine.json", record())


def test_the_fingerprint_of_this_machine() -> None:
    found = fingerprint(usable_cpus=2, physical_cpus=1, memory_bytes=8 * 1024**3 - 100_000_000)
    assert (found.usable_cpus, found.physical_cpus, found.memory_gib) == (2, 1, 8)
    assert found == fingerprint(usable_cpus=2, physical_cpus=1, memory_bytes=8 * 1024**3)
    assert found.cpu
    assert found.python.startswith("CPython 3.")
    assert found.onnxruntime
    assert fingerprint(usable_cpus=2, physical_cpus=1, memory_bytes=None).memory_gib == 0
