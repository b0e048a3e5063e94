"""Mixes of speech and noise, and the sets that are made of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from low_delay import fetch, mixing, sets
from low_delay.recordings import Package


def test_a_mix_has_the_ratio_that_was_asked_for() -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        mix = mixing.mix(mixing.Recipe("train", "hum", 0.0, seconds=2.0), rng)
        if not mix.in_room and np.abs(mix.noisy).max() < 0.99:
            break
    assert mix.clean.shape == mix.noisy.shape == (96000,)
    assert mix.clean.dtype == mix.noisy.dtype == np.float32
    noise = mix.noisy.astype(np.float64) - mix.clean
    # The microphone's curve treats the two differently, by a few dB.
    ratio_db = 10 * np.log10(mixing.active_power(mix.clean) / np.mean(noise**2))
    assert ratio_db == pytest.approx(0, abs=8)
    # Before anybody speaks there is noise, and it is not called speech.
    assert np.abs(mix.clean[:12000]).max() < 1e-6
    assert np.abs(mix.noisy[:12000]).max() > 1e-4


def test_a_person_needs_recordings() -> None:
    recipe = mixing.Recipe("train", "hum", 0.0, kind="person")
    with pytest.raises(FileNotFoundError, match=r"low_delay\.fetch"):
        mixing.mix(recipe, np.random.default_rng(1))


def test_the_same_seed_gives_the_same_mixes_in_a_new_process() -> None:
    program = (
        "import hashlib; import numpy as np; from low_delay import mixing\n"
        "rng = np.random.default_rng(3)\n"
        "for family in ('babble', 'rustle'):\n"
        "    m = mixing.mix(mixing.Recipe('validation', family, 5.0, seconds=1.0), rng)\n"
        "    print(m.speaker, hashlib.sha256(m.noisy.tobytes()).hexdigest())"
    )
    told = [
        subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            cwd=Path(__file__).parents[1],
        ).stdout
        for _ in range(2)
    ]
    assert told[0] == told[1]
    assert len(told[0].splitlines()) == 2


def test_a_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    mixes = [
        mixing.Mix(
            *rng.uniform(-1, 1, (2, size)).astype(np.float32), "who", "synthetic", "hum", 5.0, True
        )
        for size in (480, 960)
    ]
    sets.write(tmp_path, "train-7", iter(mixes))
    back = list(sets.pairs("train", 7, 2, tmp_path))
    assert [m[2:] for m in back] == [m[2:] for m in mixes]
    for one, other in zip(back, mixes, strict=True):
        np.testing.assert_allclose(one.noisy, other.noisy, atol=2e-5)
        np.testing.assert_allclose(one.clean, other.clean, atol=2e-5)


def test_files_of_packages_are_found_by_pattern_and_another_package_is_not_opened(
    tmp_path: Path,
) -> None:
    raw = (np.arange(-8000, 8000) * 2).astype("<i2").tobytes()
    folder = tmp_path / "in" / "test"
    folder.mkdir(parents=True)
    (folder / "one.raw").write_bytes(raw)
    (folder / "note.txt").write_text("no sound")
    archive = tmp_path / "package.tar"
    subprocess.run(["tar", "cf", str(archive), "in"], check=True, cwd=tmp_path)  # noqa: S603, S607
    package = Package("p", "1", "python-source", "0" * 64, "MIT", "me")
    found = list(fetch.members(package, archive, "*/test/*.raw"))
    assert found == [("in/test/one.raw", raw)]
    sound = fetch.decoded(*found[0])
    assert sound.size == pytest.approx(48000, abs=2)
    assert fetch.checked(package, tmp_path) is None
