"""Full voices sung by SuperCollider's server, which renders a score without real time.

In: how many. Out: work; see ``most_voices``. Invariants: what a block costs is the difference between a long score and
a short one, so that starting the server and its voices does not count; what the voices are is told in its own units, of
which the envelope is computed once in 64 samples. Thread: main; the server has one process and one thread.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

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
    SUSTAIN,
    full_voices,
)
from gapless.bench.most_voices import most
from gapless.bench.scsynth import Output, Rate, SynthUnit, instrument, message, score
from gapless.errors import MissingDependencyError

SERVER: Final = "scsynth"
NAME: Final = "voice"
TIMEOUT_S: Final = 300.0
SHORT_S: Final = 0.25
GUESS_NS: Final = 5.0
"""What a sample of a voice costs, about: how long the scores are made."""
MEMORY_KIB: Final = 1 << 20
SPARE_NODES: Final = 64
MULTIPLY: Final = 2
SAW_PEAK: Final = 0.5
"""Its saw goes from -0.5 to 0.5."""
CURVE: Final = 5
"""Shape of a segment with a curvature."""
NO_LOOP: Final = -99.0


def server() -> str | None:
    """SuperCollider's server, if there is one."""
    return shutil.which(SERVER)


@contextmanager
def most_voices(*, first: int, limit: int) -> Iterator[Work]:
    """As many as there can be."""
    found = server()
    if found is None:
        raise MissingDependencyError(
            "there is no scsynth; install supercollider-server to compare with it"
        )
    with TemporaryDirectory(prefix="gapless-bench-") as folder:
        yield most(ScsynthChoir(found, Path(folder)), SERVER, first=first, limit=limit)


@final
class ScsynthChoir:
    """Scores and recordings in a folder.

    Args:
        path: of the server.
        folder: to write to.
    """

    def __init__(self, path: str, folder: Path) -> None:
        self._path = path
        self._folder = folder

    def record(self, count: int, seconds: float) -> Sound:
        """See ``Choir``."""
        self._render(count, seconds)
        heard = np.fromfile(self._folder / "out.raw", "<f4")
        sound: Sound = heard.astype(np.float32).reshape(-1, 2).T
        return sound

    def times(self, count: int, seconds: float) -> Sequence[int]:
        """A mean, as often as there were blocks; see ``Choir``."""
        long_s = max(seconds * 1e9 / (count * RATE_HZ * GUESS_NS), SHORT_S)
        short_ns = self._render(count, SHORT_S)
        long_ns = self._render(count, SHORT_S + long_s)
        blocks = max(round(long_s * RATE_HZ / BLOCK_SAMPLES), 1)
        return [max((long_ns - short_ns) // blocks, 1)] * blocks

    def _render(self, count: int, seconds: float) -> int:
        """Write a recording; how long that took in ns."""
        (self._folder / "score.osc").write_bytes(voices_score(count, seconds))
        command = [
            *(self._path, "-N", "score.osc", "_", "out.raw", str(RATE_HZ), "raw", "float"),
            *("-i", "0", "-o", "2", "-n", str(count + SPARE_NODES), "-m", str(MEMORY_KIB)),
        ]
        began = time.perf_counter_ns()
        ended = subprocess.run(  # noqa: S603  what the machine's owner installed
            command,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
        took_ns = time.perf_counter_ns() - began
        if ended.returncode or not (self._folder / "out.raw").exists():
            said = " / ".join(ended.stdout.strip().splitlines()[-2:])
            raise MissingDependencyError(f"scsynth cannot render: {said}; try another version")
        return took_ns


def voices_score(count: int, seconds: float) -> bytes:
    """So many voices from the beginning on."""
    begin = [message("/d_recv", voice())]
    bundles = [(0.0, begin)]
    wanted = full_voices(count)
    for number, (hz, cutoff_hz, pan, gain) in enumerate(zip(*wanted, strict=True)):
        controls = [float(one) for one in (hz, cutoff_hz, 2 * pan - 1, gain / SAW_PEAK)]
        pairs = [part for place, value in enumerate(controls) for part in (place, value)]
        # At the head of the root.
        bundles.append((0.0, [message("/s_new", NAME, 1000 + number, 0, 0, *pairs)]))
    bundles.append((seconds, [message("/c_set", 0, 0)]))
    return score(bundles)


def voice() -> bytes:
    """The instrument."""
    hz, cutoff_hz, pan, gain = (Output(0, place) for place in range(4))
    segments = ((1.0, ATTACK_S), (SUSTAIN, DECAY_S), (0.0, RELEASE_S))
    shape = [part for level, took_s in segments for part in (level, took_s, CURVE, -4.0)]
    envelope = [0.0, float(len(segments)), 2.0, NO_LOOP, *shape]
    units = [
        SynthUnit("Control", Rate.CONTROL, [], outputs=4),
        SynthUnit("Saw", Rate.AUDIO, [hz]),
        SynthUnit("RLPF", Rate.AUDIO, [Output(1), cutoff_hz, DAMPING]),
        # Gate, scale, bias, time, what is done in the end: nothing.
        SynthUnit("EnvGen", Rate.CONTROL, [1.0, 1.0, 0.0, 1.0, 0.0, *envelope]),
        SynthUnit("BinaryOpUGen", Rate.AUDIO, [Output(2), Output(3)], special=MULTIPLY),
        SynthUnit("Pan2", Rate.AUDIO, [Output(4), pan, gain], outputs=2),
        SynthUnit("Out", Rate.AUDIO, [0.0, Output(5), Output(5, 1)], outputs=0),
    ]
    return instrument(NAME, {"hz": 440.0, "cutoff": 1000.0, "pan": 0.0, "gain": 0.0}, units)
