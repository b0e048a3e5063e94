"""Send a billion samples through the ring, between threads and between processes, and check each.

    python tools/soak_ring.py [SAMPLES]

Prints one line for each setting; ends with 1 if a sample was lost, doubled, torn or out of order.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from gapless.realtime.ring import Ring, counts, make_ring
from gapless.testing.ring_stress import check, feed, map_ring

CAPACITIES = (256, 4096, 65_536)


def main(count: int) -> int:
    """Both settings with small and large rings; whether anything was wrong."""
    bad = 0
    for capacity in CAPACITIES:
        bad += soak("threads", make_ring(capacity), count // len(CAPACITIES))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "ring"
            ring = map_ring(file, capacity)
            bad += soak("processes", ring, count // len(CAPACITIES), file)
    return int(bad > 0)


def soak(setting: str, ring: Ring, count: int, file: Path | None = None) -> int:
    """One run; how many samples were lost or wrong."""
    capacity = len(ring.samples)
    chunk = np.empty(2 * capacity, np.float32)
    begun_s = time.monotonic()
    if file is None:
        feeder = threading.Thread(
            target=feed, args=(*ring, np.empty(2 * capacity, np.float32), count, 1)
        )
        feeder.start()
        arrived, wrong = check(*ring, chunk, count, 2)
        feeder.join()
    else:
        arguments = ["feed", str(file), str(capacity), str(count)]
        command = [sys.executable, "-m", "gapless.testing.ring_stress", *arguments]
        with subprocess.Popen(command):
            arrived, wrong = check(*ring, chunk, count, 2)
    took_s = time.monotonic() - begun_s
    seen = counts(ring)
    print(
        f"{setting:9} ring of {capacity:6,}: {arrived:,} of {count:,} samples, {wrong:,} wrong, "
        f"{arrived / took_s / 1e6:,.0f} M samples/s, {seen.written - seen.read} left over",
        flush=True,
    )
    return wrong + count - arrived


if __name__ == "__main__":
    sys.exit(main(int(float(sys.argv[1])) if len(sys.argv) > 1 else 10**9))
