"""Voices that espeak-ng does not have: its own parameters, drawn at random.

In: a seed. Out: a voice variant in a copy of espeak-ng's data. Invariants: the same seed gives the same
voices in the same order; nothing of the voices that are held out is read. Thread: any.

espeak-ng has some eighty variants, which are too few to learn what a voice may be: a network that had
58 of them still made 12 % errors on one it had not heard, and under 1 % on others.
The format is that of espeak-ng's ``docs/voices.md``.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path
from typing import Final

NAME: Final = "invented"
"""The variant that is another voice every time; espeak-ng reads its file whenever it is chosen."""


class InventedVoices:
    """A copy of espeak-ng's data in which one variant is rewritten again and again.

    Args:
        folder: for the copy, some 12 MB.
        seed: of all voices.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        program = shutil.which("espeak-ng")
        if program is None:
            raise RuntimeError("espeak-ng is not here; install the package espeak-ng")
        told = subprocess.run(  # noqa: S603 - nothing of it comes from outside
            [program, "--version"], capture_output=True, check=True, text=True
        )
        data = told.stdout.partition("Data at:")[2].strip()
        self.folder: Final = folder
        shutil.copytree(data, folder / "espeak-ng-data", dirs_exist_ok=True)
        self._file = folder / "espeak-ng-data" / "voices" / "!v" / NAME
        self._rng = random.Random(seed)
        self.renew()

    def renew(self) -> None:
        """Make the variant another voice."""
        self._file.write_text(f"language variant\nname {NAME}\n{_voice(self._rng)}")


def _voice(rng: random.Random) -> str:
    """The lines of one voice; each property is left as the accent has it now and then."""
    lines = []
    base_hz = round(70 * 4.2 ** rng.random())
    if rng.random() < 0.85:
        lines.append(f"pitch {base_hz} {round(base_hz * rng.uniform(1.15, 2.0))}")
    if rng.random() < 0.25:
        lines.append(f"klatt {rng.randint(1, 6)}")
    if rng.random() < 0.9:
        lines += _formants(rng)
    for chance, line in (
        (0.5, f"flutter {rng.choice([0, 1, 2, 3, 5, 8, 20])}"),
        (0.3, f"roughness {rng.randint(0, 4)}"),
        (0.6, f"voicing {round(30 * 6 ** rng.random())}"),
        (0.6, f"consonants {rng.randint(50, 160)} {rng.randint(40, 170)}"),
        (0.4, f"intonation {rng.choice([1, 2, 3, 4, 10])}"),
        (0.3, _tone(rng)),
        (0.2, f"echo {rng.randint(10, 150)} {rng.randint(5, 40)}"),
        (0.15, "breath " + " ".join(str(rng.randint(0, 8)) for _ in range(8))),
        (0.2, "stressAmp " + " ".join(str(rng.randint(14, 26)) for _ in range(8))),
        (0.2, "stressAdd " + " ".join(str(rng.randint(-20, 60)) for _ in range(8))),
    ):
        if rng.random() < chance:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _formants(rng: random.Random) -> list[str]:
    """Frequency, height and width in percent, about those of one vocal tract."""
    length = 0.8 * 1.85 ** rng.random()
    spread = rng.choice([0.02, 0.05, 0.1])
    height, width = rng.uniform(80, 130), rng.uniform(70, 150)
    fall = rng.uniform(-12, 4)
    lines = []
    for formant in range(9):
        frequency = 100 * length * rng.gauss(1, spread)
        its_height = max(10.0, (height + fall * formant) * rng.uniform(0.75, 1.25))
        its_width = width * rng.uniform(0.75, 1.25)
        lines.append(f"formant {formant} {frequency:.0f} {its_height:.0f} {its_width:.0f}")
    if rng.random() < 0.15:  # dull: nothing above the fifth
        lines[6:] = [f"formant {formant} 10 10 10" for formant in (6, 7, 8)]
    return lines


def _tone(rng: random.Random) -> str:
    """How loud the voice is at four frequencies, from 22 to 255."""
    edges_hz = sorted(rng.sample(range(100, 5500, 100), 4))
    levels = sorted((rng.randint(22, 255) for _ in edges_hz), reverse=rng.random() < 0.8)
    return "tone " + " ".join(f"{hz} {level}" for hz, level in zip(edges_hz, levels, strict=True))
