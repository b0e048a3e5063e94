"""Full voices sung by SignalFlow, in whichever Python has it: needs ``signalflow`` and ``numpy``, not Gapless.

In: a job as JSON on standard input. Out: float32 [2, n] in a file, or what each block took in ns, as JSON on standard
output. Invariants: no sound device is opened. Thread: main.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import Any, Final

import numpy as np

sf: Final[Any] = import_module("signalflow")


def main() -> None:
    """Do one job."""
    job = json.load(sys.stdin)
    block = job["block_samples"]
    device = sf.AudioOut_Dummy(2, job["rate_hz"], block)
    graph = sf.AudioGraph(output_device=device, start=False)
    total = sf.Sum([voice_of(job, *each) for each in job["voices"]])
    graph.play(total)
    if job["record"]:
        blocks = []
        for _ in range(job["blocks"]):
            heard = graph.render_to_new_buffer(block)
            blocks.append(np.array(heard.data, np.float32))
        np.concatenate(blocks, axis=1).tofile(job["record"])
        return
    for _ in range(job["settle_blocks"]):
        graph.render()
    took_ns: list[int] = []
    clock = time.perf_counter_ns
    ends = clock() + round(job["seconds"] * 1e9)
    began = clock()
    while began < ends:
        graph.render()
        ended = clock()
        took_ns.append(ended - began)
        began = ended
    json.dump(took_ns, sys.stdout)


def voice_of(job: dict[str, Any], hz: float, cutoff_hz: float, pan: float, gain: float) -> Any:
    """One voice; ``pan`` is -1 .. 1 as SignalFlow has it."""
    envelope = sf.ADSREnvelope(
        job["attack_s"], job["decay_s"], job["sustain"], job["release_s"], gate=1
    )
    filtered = sf.SVFilter(sf.SawOscillator(hz), "low_pass", cutoff_hz, job["resonance"])
    return sf.StereoPanner(filtered * envelope * gain, pan)


if __name__ == "__main__":
    main()
