"""One file from a real HTTP server that cuts off, stalls, lies and recovers."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gapless.errors import ConnectionLostError, ModelError, ModelNotFoundError, StoreError
from gapless.listen.recogniser.shelf.hub.download import ATTEMPTS, Expected, download
from gapless.testing.hub import COMMIT, Fault, LocalHub

pytestmark = pytest.mark.long

CONTENT = bytes(range(256)) * 40
EXPECTED = Expected(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
FILE = "model.bin"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub({"owner/name": {FILE: CONTENT}}) as hub:
        yield hub


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / FILE


class Pauses(list[float]):
    """Remembers instead of waiting."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def fetch(
    hub: LocalHub, target: Path, expected: Expected = EXPECTED, *, timeout_s: float = 10.0
) -> tuple[list[int], Pauses]:
    reported: list[int] = []
    pauses = Pauses()
    url = f"{hub.url}/owner/name/resolve/{COMMIT}/{FILE}"
    download(url, target, expected, reported.append, timeout_s=timeout_s, pause=pauses)
    return reported, pauses


def test_a_file_arrives_whole_and_leaves_no_part(hub: LocalHub, target: Path) -> None:
    reported, pauses = fetch(hub, target)

    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert reported[-1] == len(CONTENT)
    assert pauses == []


def test_a_cut_connection_is_gone_on_with_where_it_broke(hub: LocalHub, target: Path) -> None:
    hub.faults[FILE] = ["cut", "cut"]

    reported, pauses = fetch(hub, target)

    assert target.read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert hub.requests == [(FILE, 0), (FILE, half), (FILE, half + half // 2)]
    assert reported == sorted(reported)
    assert pauses == [0.0, 0.0]


@pytest.mark.parametrize("fault", ["stall", "trickle", "redirect", "no_ranges"])
def test_slow_and_roundabout_servers_are_borne_with(
    hub: LocalHub, target: Path, fault: Fault
) -> None:
    hub.faults[FILE] = [fault]

    fetch(hub, target, timeout_s=0.2)

    assert target.read_bytes() == CONTENT


def test_a_range_is_asked_for_behind_a_redirect_too(hub: LocalHub, target: Path) -> None:
    target.with_name(f"{FILE}.part").write_bytes(CONTENT[:100])
    hub.faults[FILE] = ["redirect"]

    fetch(hub, target)

    assert target.read_bytes() == CONTENT
    assert hub.requests == [(FILE, 100), (FILE, 100)]


def test_a_part_from_an_earlier_run_is_used(hub: LocalHub, target: Path) -> None:
    target.with_name(f"{FILE}.part").write_bytes(CONTENT[:1234])

    fetch(hub, target)

    assert target.read_bytes() == CONTENT
    assert hub.requests == [(FILE, 1234)]


def test_a_part_that_is_complete_is_not_fetched_again(hub: LocalHub, target: Path) -> None:
    target.with_name(f"{FILE}.part").write_bytes(CONTENT)

    fetch(hub, target)

    assert target.read_bytes() == CONTENT
    assert hub.requests == []


@pytest.mark.parametrize(
    "part", [b"x" * 100, CONTENT + b"more", b"x" * len(CONTENT)], ids=["wrong", "long", "all wrong"]
)
def test_a_part_that_is_wrong_is_fetched_anew(hub: LocalHub, target: Path, part: bytes) -> None:
    target.with_name(f"{FILE}.part").write_bytes(part)

    fetch(hub, target)

    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(hub: LocalHub, target: Path) -> None:
    hub.faults[FILE] = ["cut", "no_ranges"]

    fetch(hub, target)

    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["416", "odd_range"])
def test_a_range_that_is_refused_or_wrong_begins_again(
    hub: LocalHub, target: Path, fault: Fault
) -> None:
    hub.faults[FILE] = ["cut", fault]

    fetch(hub, target)

    assert target.read_bytes() == CONTENT
    assert hub.requests[-1] == (FILE, 0)


def test_bytes_that_were_changed_on_the_way_are_fetched_once_more(
    hub: LocalHub, target: Path
) -> None:
    hub.faults[FILE] = ["corrupt"]

    fetch(hub, target)

    assert target.read_bytes() == CONTENT


def test_a_file_that_is_damaged_twice_is_refused(hub: LocalHub, target: Path) -> None:
    hub.faults[FILE] = ["corrupt", "corrupt"]

    with pytest.raises(ModelError, match=r"its SHA-256 sum is \w{64} and not \w{64}; try again"):
        fetch(hub, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("size_bytes", [len(CONTENT) - 1, 1])
def test_a_file_that_is_longer_than_it_should_be_is_refused(
    hub: LocalHub, target: Path, size_bytes: int
) -> None:
    with pytest.raises(ModelError, match=rf"bytes and not {size_bytes}"):
        fetch(hub, target, Expected(size_bytes))
    assert not target.exists()


def test_a_file_that_is_shorter_than_it_should_be_is_refused(hub: LocalHub, target: Path) -> None:
    with pytest.raises(ModelError, match=rf"bytes and not {len(CONTENT) + 1}"):
        fetch(hub, target, Expected(len(CONTENT) + 1))
    assert not target.exists()


def test_a_file_that_never_comes_whole_and_of_which_nobody_says_the_length_is_given_up(
    hub: LocalHub, target: Path
) -> None:
    hub.faults[FILE] = [
        "no_length",
        "no_length",
        "no_length",
        "no_length",
        "no_length",
        "no_length",
    ]

    with pytest.raises(ConnectionLostError, match="what has arrived is kept"):
        fetch(hub, target)
    assert not target.exists()


def test_the_sum_of_gits_blob_is_checked_where_the_hub_knows_no_other(
    hub: LocalHub, target: Path
) -> None:
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()

    fetch(hub, target, Expected(len(CONTENT), blob_sha1=blob))
    assert target.read_bytes() == CONTENT

    with pytest.raises(ModelError, match="Git blob"):
        fetch(hub, target, Expected(len(CONTENT), blob_sha1="0" * 40))


def test_a_server_that_is_busy_is_asked_again_after_longer_and_longer_pauses(
    hub: LocalHub, target: Path
) -> None:
    hub.faults[FILE] = ["500", "500", "500"]

    _, pauses = fetch(hub, target)

    assert target.read_bytes() == CONTENT
    assert pauses == [1.0, 2.0, 4.0]


def test_a_server_that_stays_broken_is_given_up(hub: LocalHub, target: Path) -> None:
    hub.faults[FILE] = ["cut", "500", "500", "500", "500", "500"]

    with pytest.raises(ConnectionLostError, match="HTTP 500; try again later"):
        fetch(hub, target)
    assert target.with_name(f"{FILE}.part").stat().st_size == len(CONTENT) // 2


def test_a_file_that_is_not_there_is_not_asked_for_twice(hub: LocalHub, target: Path) -> None:
    hub.faults[FILE] = ["404"]

    with pytest.raises(ModelNotFoundError, match=r"HTTP 404.*gapless models add"):
        fetch(hub, target)
    assert len(hub.requests) == 1


def test_without_a_network_the_error_says_what_to_do(target: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        pauses = Pauses()
        with pytest.raises(
            ConnectionLostError, match=r"cannot be reached .*HF_ENDPOINT.*gapless models add"
        ):
            download(nobody, target, EXPECTED, lambda _: None, pause=pauses)
    assert len(pauses) == ATTEMPTS - 1


def test_a_place_that_cannot_be_written_is_named(hub: LocalHub, target: Path) -> None:
    target.with_name(f"{FILE}.part").mkdir()

    with pytest.raises(StoreError, match=r"model\.bin\.part cannot be written .*--models-dir"):
        fetch(hub, target)


def test_ctrl_c_keeps_what_has_arrived(hub: LocalHub, target: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    url = f"{hub.url}/owner/name/resolve/{COMMIT}/{FILE}"
    with pytest.raises(KeyboardInterrupt):
        download(url, target, EXPECTED, stop)
    kept = target.with_name(f"{FILE}.part").stat().st_size
    assert kept > 0

    fetch(hub, target)
    assert target.read_bytes() == CONTENT
    assert kept == len(CONTENT) or hub.requests[-1] == (FILE, kept)
