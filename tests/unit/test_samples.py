from __future__ import annotations

import gc
import os
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from gapless.play.drums import kit
from gapless.play.drums.kit import make_drum
from gapless.play.pattern import Place
from gapless.play.remarks import MAX_TOPICS, Remarks
from gapless.play.samples import folders as folders_module
from gapless.play.samples import library as library_module
from gapless.play.samples.library import SampleLibrary
from gapless.play.samples.sound import Sound

pytestmark = pytest.mark.long

RATE_HZ = 44_100
Samples = npt.NDArray[np.float32]


def tone(n: int = 4410, rate_hz: int = RATE_HZ, hz: float = 441.0, level: float = 0.5) -> Samples:
    return (level * np.sin(2 * np.pi * hz * np.arange(n) / rate_hz)).astype(np.float32)


def write(path: Path, samples: Samples, rate_hz: int = RATE_HZ, codec: str = "") -> Path:
    """A file of the kind that its name says: float32 [n] or [n, 2]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = "mono" if samples.ndim == 1 else "stereo"
    codecs = {".wav": "pcm_f32le", ".flac": "flac", ".aiff": "pcm_s16be", ".ogg": "libopus"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec or codecs[path.suffix], rate=rate_hz, layout=layout)
        packed = np.ascontiguousarray(samples.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = rate_hz
        assert isinstance(stream, av.AudioStream)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    return folder


@pytest.fixture
def opened() -> Iterator[list[SampleLibrary]]:
    libraries: list[SampleLibrary] = []
    yield libraries
    for library in libraries:
        library.close()


def texts(library: SampleLibrary) -> str:
    return "\n".join(remark.text for remark in library.remarks.take())


def test_a_sound_of_the_kit_is_there_without_folders() -> None:
    sound = SampleLibrary([], RATE_HZ).find("bd", 1, wait=True)
    assert sound is not None
    assert (sound.channels, sound.length) == (1, len(sound.samples))
    assert sound.address == sound.samples.ctypes.data
    assert sound.samples[:, 0].tobytes() == make_drum("bd", 1, RATE_HZ).tobytes()
    assert sound.samples.flags.c_contiguous
    assert not sound.samples.flags.writeable


def test_other_names_of_a_drum_are_the_same_sound() -> None:
    library = SampleLibrary([], RATE_HZ)
    assert library.find("kick", 0, wait=True) is library.find("bd", 4, wait=True)


@pytest.mark.parametrize("ending", [".wav", ".flac", ".aiff"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_of_each_kind_is_read_with_its_channels(
    root: Path, ending: str, channels: int
) -> None:
    samples = np.stack([tone(), 0.5 * tone(hz=882)], axis=1)[:, :channels]
    write(root / "mine" / f"a{ending}", samples if channels == 2 else samples[:, 0])
    sound = SampleLibrary([root], RATE_HZ).find("mine", 0, wait=True)
    assert sound is not None
    assert sound.samples.shape == (4410, channels)
    assert sound.samples.dtype == np.float32
    assert np.abs(sound.samples - samples).max() <= (0 if ending == ".wav" else 1e-4)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_lossy_file_keeps_its_channels_apart(root: Path, channels: int) -> None:
    left, right = tone(48_000, 48_000), tone(48_000, 48_000, hz=882)
    write(root / "mine" / "a.ogg", left if channels == 1 else np.stack([left, right], 1), 48_000)
    sound = SampleLibrary([root], RATE_HZ).find("mine", 0, wait=True)
    assert sound is not None
    assert sound.channels == channels
    assert sound.length == pytest.approx(RATE_HZ, rel=0.05)
    power = np.abs(np.fft.rfft(sound.samples[:RATE_HZ], axis=0)) ** 2
    hz = np.fft.rfftfreq(min(RATE_HZ, sound.length), 1 / RATE_HZ)
    assert hz[power.argmax(axis=0)] == pytest.approx([441, 882][:channels], abs=2)


@pytest.mark.parametrize("in_hz", [8_000, 22_050, 48_000, 96_000])
def test_a_file_is_converted_to_the_rate_of_the_engine(root: Path, in_hz: int) -> None:
    write(root / "mine" / "a.wav", tone(in_hz, in_hz), in_hz)
    sound = SampleLibrary([root], RATE_HZ).find("mine", 0, wait=True)
    assert sound is not None
    assert sound.length == pytest.approx(RATE_HZ, abs=2)
    middle = slice(RATE_HZ // 4, 3 * RATE_HZ // 4)
    wanted = tone(RATE_HZ)[middle]
    assert np.abs(sound.samples[middle, 0] - wanted).max() < 2e-3


def test_more_channels_are_mixed_to_two(root: Path) -> None:
    (root / "mine").mkdir()
    with wave.open(str(root / "mine" / "a.wav"), "wb") as file:
        file.setnchannels(6)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((tone()[:, np.newaxis] * np.ones(6) * 3000).astype("<i2").tobytes())
    library = SampleLibrary([root], RATE_HZ)
    sound = library.find("mine", 0, wait=True)
    assert sound is not None, texts(library)
    assert (sound.length, sound.channels) == (4410, 2)


def test_files_are_sorted_and_an_index_goes_round(root: Path) -> None:
    for number, name in enumerate(("c.wav", "a.wav", "b.WAV")):
        write(root / "mine" / name.lower(), tone(100 * (number + 1)))
    (root / "mine" / "b.wav").rename(root / "mine" / "b.WAV")
    (root / "mine" / "notes.txt").write_text("not a sound")
    (root / "mine" / ".hidden.wav").write_bytes(b"")
    library = SampleLibrary([root], RATE_HZ)
    found = [library.find("mine", index, wait=True) for index in (0, 1, 2, 3, -1, 10**30)]
    lengths = [sound.length for sound in found if sound is not None]
    assert lengths == [200, 300, 100, 200, 100, lengths[10**30 % 3]]


def test_a_folder_wins_over_the_kit_and_the_first_of_two_over_the_second(tmp_path: Path) -> None:
    write(tmp_path / "one" / "bd" / "a.wav", tone(111))
    write(tmp_path / "two" / "bd" / "a.wav", tone(222))
    library = SampleLibrary([tmp_path / "one", tmp_path / "two"], RATE_HZ)
    sound = library.find("bd", 0, wait=True)
    assert sound is not None
    assert sound.length == 111
    assert library.has_folder("bd")
    assert not library.has_folder("sn")
    assert library.find("sn", 0, wait=True) is not None


def test_live_a_sound_that_is_not_there_yet_is_missed_and_there_the_next_time(
    root: Path, opened: list[SampleLibrary]
) -> None:
    write(root / "mine" / "a.wav", tone())
    library = SampleLibrary([root], RATE_HZ)
    opened.append(library)
    assert library.find("mine", 0) is None
    assert library.missed == 1
    asked = library.request("mine", 0)
    if asked is not None:
        asked.result(20)
    assert library.find("mine", 0) is not None
    assert library.missed == 1


def test_what_is_asked_for_twice_is_loaded_once(
    opened: list[SampleLibrary], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    gate = threading.Event()
    original = kit.make_drum

    def slow(drum: str, variant: int, rate_hz: float) -> Samples:
        gate.wait(20)
        made.append(drum)
        return original(drum, variant, rate_hz)

    monkeypatch.setattr(kit, "make_drum", slow)
    library = SampleLibrary([], RATE_HZ)
    opened.append(library)
    first = library.request("bd", 0)
    assert library.request("kick", 0) is first
    assert first is not None
    gate.set()
    sound = first.result(20)
    assert library.find("bd", 0, wait=True) is sound
    assert made == ["bd"]


def test_no_more_than_so_many_wait(
    opened: list[SampleLibrary], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(library_module, "MAX_WAITING", 2)
    monkeypatch.setattr(kit, "make_drum", lambda *_: gate.wait(20) and np.zeros(9, np.float32))
    library = SampleLibrary([], RATE_HZ)
    opened.append(library)
    waiting = [library.request("bd", 0), library.request("bd", 1)]
    assert library.request("bd", 2) is None
    gate.set()
    for asked in waiting:
        assert asked is not None
        asked.result(20)
    library.close()
    assert library.request("sn", 0) is None


def test_the_least_recently_used_leave_when_the_budget_is_spent(root: Path) -> None:
    for name in "abcde":
        write(root / "mine" / f"{name}.wav", tone(1000))
    library = SampleLibrary([root], RATE_HZ, budget_bytes=16_500)
    for index in (0, 1, 2, 3, 0, 4):
        assert library.find("mine", index, wait=True) is not None
    assert library.bytes_in_memory == 16_000
    there = [index for index in range(5) if library.find("mine", index) is not None]
    assert there == [0, 2, 3, 4]
    assert library.missed == 1
    library.close()


def test_a_sound_that_is_held_stays_and_is_the_same_when_it_is_found_again(root: Path) -> None:
    for name in "abcdefgh":
        write(root / "mine" / f"{name}.wav", tone(1000))
    library = SampleLibrary([root], RATE_HZ, budget_bytes=16_500)
    held = library.find("mine", 0, wait=True)
    assert held is not None
    before = held.samples.tobytes()
    for index in range(1, 8):
        assert library.find("mine", index, wait=True) is not None
        assert library.bytes_in_memory <= 16_500
    assert held.samples.tobytes() == before
    assert library.find("mine", 0) is held


def test_what_does_not_fit_beside_what_is_held_is_refused_and_had_later(root: Path) -> None:
    for name in "abcde":
        write(root / "mine" / f"{name}.wav", tone(1000))
    library = SampleLibrary([root], RATE_HZ, budget_bytes=16_500)
    held = [library.find("mine", index, wait=True) for index in range(4)]
    assert all(held)
    assert library.find("mine", 4, wait=True) is None
    assert "allow more memory" in texts(library)
    held.clear()
    gc.collect()
    assert library.find("mine", 4, wait=True) is not None


def test_an_unknown_name_is_remarked_upon_once_with_the_nearest(root: Path) -> None:
    write(root / "breaks" / "a.wav", tone())
    library = SampleLibrary([root], RATE_HZ)
    for _ in range(3):
        assert library.find("braeks", 0, place=Place(3, 7, 6)) is None
    (remark,) = library.remarks.take()
    assert '"braeks"' in remark.text
    assert "breaks" in remark.text
    assert remark.place == Place(3, 7, 6)
    assert library.find("808BD", 0) is None
    assert "808bd" in texts(library)
    assert library.missed == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not audio at all" * 100,
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        "nan",
        "header",
        "cut",
        "directory",
    ],
    ids=["empty", "text", "beginning", "nan", "only-header", "cut-header", "directory"],
)
def test_a_bad_file_is_a_remark_and_the_others_are_heard(root: Path, content: bytes | str) -> None:
    bad = root / "mine" / "a.wav"
    write(root / "mine" / "b.wav", tone())
    if content == "nan":
        write(bad, np.full(100, np.nan, np.float32))
    elif content in ("header", "cut"):
        write(bad, tone())
        bad.write_bytes(bad.read_bytes()[: 44 if content == "header" else 20])
    elif content == "directory":
        bad.mkdir()
    else:
        assert isinstance(content, bytes)
        bad.write_bytes(content)
    library = SampleLibrary([root], RATE_HZ)
    is_file = content != "directory"
    for _ in range(2):
        assert (library.find("mine", 0, wait=True) is None) == is_file
    assert texts(library).count("is not heard") == is_file
    assert library.find("mine", 1, wait=True) is not None
    assert library.find("mine", 0) is None or not is_file


def test_a_file_that_is_too_large_is_not_read_to_its_end(root: Path) -> None:
    write(root / "mine" / "a.wav", tone(200_000))
    library = SampleLibrary([root], RATE_HZ, budget_bytes=400_000)
    assert library.find("mine", 0, wait=True) is None
    assert "more memory" in texts(library)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_a_remark(root: Path) -> None:
    write(root / "mine" / "a.wav", tone()).chmod(0)
    library = SampleLibrary([root], RATE_HZ)
    assert library.find("mine", 0, wait=True) is None
    assert "cannot be read" in texts(library)


def test_folders_that_are_not_there_or_empty_are_remarks(root: Path) -> None:
    (root / "empty").mkdir()
    (root / "bd").mkdir()
    library = SampleLibrary([root, root / "nowhere", root / "empty"], RATE_HZ)
    said = texts(library)
    assert "nowhere cannot be read" in said
    assert "empty has no folders" in said
    assert library.find("empty", 0, wait=True) is None
    assert "empty has no files of sound" in texts(library)
    assert library.find("empty", 0) is None
    assert library.missed == 0
    assert library.find("bd", 0, wait=True) is not None  # the kit's


def test_loops_of_links_and_odd_entries_end(root: Path) -> None:
    (root / "self").symlink_to(root)
    (root / "loop").symlink_to(root / "loop")
    (root / "broken").symlink_to(root / "nothing")
    write(root / "mine" / "b.wav", tone())
    (root / "mine" / "a.wav").symlink_to(root / "mine" / "a.wav")
    os.mkfifo(root / "mine" / "0.wav")
    library = SampleLibrary([root], RATE_HZ)
    assert library.has_folder("mine")
    assert not library.has_folder("loop")
    assert library.find("mine", 0, wait=True) is library.find("mine", 1, wait=True) is not None
    assert library.find("self", 0, wait=True) is None


def test_only_so_many_entries_of_a_folder_are_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders_module, "MAX_ENTRIES", 10)
    for number in range(15):
        write(root / "mine" / f"{number:02}.wav", tone(10))
    said: list[str] = []
    assert len(folders_module.files_in(root / "mine", said.append)) == 10
    assert "more than 10 entries" in said[0]


def test_a_sound_is_what_it_was_given() -> None:
    sound = Sound(np.zeros((7, 2), np.float32))
    assert (sound.length, sound.channels, sound.size_bytes) == (7, 2, 56)


def test_remarks_are_made_once_and_bounded() -> None:
    remarks = Remarks()
    remarks.say("a", "first")
    remarks.say("a", "second")
    assert [remark.text for remark in remarks.take()] == ["first"]
    assert remarks.take() == ()
    assert remarks.said("a")
    assert not remarks.said("b")
    for number in range(2 * MAX_TOPICS):
        remarks.say(str(number), "text")
    assert len(remarks.take()) == MAX_TOPICS - 1
    assert remarks.said("b")


def test_a_folder_without_sounds_is_told_once(root: Path) -> None:
    (root / "empty").mkdir()
    library = SampleLibrary([root], RATE_HZ)
    for _ in range(3):
        assert library.find("empty", 0, wait=True) is None
    assert texts(library).count("empty") == 1
