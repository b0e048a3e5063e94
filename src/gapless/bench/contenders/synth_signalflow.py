"""Full voices sung by SignalFlow, a library of nodes in C++, in a Python of its own.

In: how many, which Python. Out: work; see ``most_voices``. Invariants: that Python needs nothing of Gapless. Thread:
main; the other process has one thread that renders.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, final

import msgspec
import numpy as np

from gapless.audio.types import Samples as Sound
from gapless.bench.drive import Work
from gapless.bench.full_voices import (
    ATTACK_S,
    BLOCK_SAMPLES,
    DAMPING,
    DECAY_S,
    RATE_HZ,
    RELEASE_S,
    SETTLED_S,
    SUSTAIN,
    full_voices,
)
from gapless.bench.most_voices import most
from gapless.errors import MissingDependencyError

PROGRAM: Final = Path(__file__).parent.parent / "programs" / "signalflow_voices.py"
TIMEOUT_S: Final = 120.0
LOOK_TIMEOUT_S: Final = 60.0
RESONANCE: Final = 1 - DAMPING / 2
"""SignalFlow's: 0 is a damping of 2, 1 none."""


def python_with_signalflow(chosen: str | None) -> str | None:
    """The Python that was chosen, or this one, if it has the package."""
    python = chosen or sys.executable
    try:
        looked = subprocess.run(  # noqa: S603  the user's own choice
            [python, "-c", "import signalflow"],
            capture_output=True,
            timeout=LOOK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return python if looked.returncode == 0 else None


@contextmanager
def most_voices(*, python: str, first: int, limit: int) -> Iterator[Work]:
    """As many as there can be."""
    with TemporaryDirectory(prefix="gapless-bench-") as folder:
        choir = SignalflowChoir(python, Path(folder))
        yield most(choir, "SignalFlow", first=first, limit=limit)


@final
class SignalflowChoir:
    """Jobs for another Python, one after the other.

    Args:
        python: has the package.
        folder: for recordings.
    """

    def __init__(self, python: str, folder: Path) -> None:
        self._python = python
        self._folder = folder

    def record(self, count: int, seconds: float) -> Sound:
        """See ``Choir``."""
        path = self._folder / "out.raw"
        blocks = -(-round(seconds * RATE_HZ) // BLOCK_SAMPLES)
        self._ask(count, {"record": str(path), "blocks": blocks})
        sound: Sound = np.fromfile(path, np.float32).reshape(2, -1)
        return sound

    def times(self, count: int, seconds: float) -> Sequence[int]:
        """See ``Choir``."""
        settle = -(-round(SETTLED_S * RATE_HZ) // BLOCK_SAMPLES)
        said = self._ask(count, {"record": "", "seconds": seconds, "settle_blocks": settle})
        return msgspec.json.decode(said, type=list[int])

    def _ask(self, count: int, job: dict[str, Any]) -> bytes:
        hz, cutoff_hz, side, gain = full_voices(count)
        # Its panner takes the square roots of (1 - pan) / 2 and (1 + pan) / 2.
        voices = np.array([hz, cutoff_hz, -np.cos(side * np.pi), gain]).T
        asked = {
            **job,
            "voices": voices.tolist(),
            "rate_hz": RATE_HZ,
            "block_samples": BLOCK_SAMPLES,
            "attack_s": ATTACK_S,
            "decay_s": DECAY_S,
            "sustain": SUSTAIN,
            "release_s": RELEASE_S,
            "resonance": RESONANCE,
        }
        ended = subprocess.run(  # noqa: S603  the user's own choice
            [self._python, str(PROGRAM)],
            input=msgspec.json.encode(asked),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if ended.returncode:
            lines = ended.stderr.decode(errors="replace").strip().splitlines()
            said = lines[-1] if lines else "it said nothing"
            raise MissingDependencyError(f"SignalFlow cannot sing: {said}; try version 0.6")
        return ended.stdout
