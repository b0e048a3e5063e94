"""``gapless bench mic``: what a cleaned microphone adds, takes and loses, on a PipeWire of its own.

In: nothing. Out: cases. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from gapless.bench.case import Case, Cases, Check, Contender, Make
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import (
    mic_allocations,
    mic_callback,
    mic_gaps,
    mic_latency,
    mic_processor,
    mic_quality,
    mic_recovery,
)

EXTRA_S: Final = 300.0
"""To start servers, to wait for latencies to come back, to look for flaws in what was heard."""
BASELINE_S: Final = 60.0
"""Longest run of what is only there to be compared with, when the others run for an hour."""
JUDGING_S: Final = 600.0
"""Longest run of what others are judged by, then."""
BLOCK: Final = 256


@contextmanager
def mic_cases() -> Iterator[Cases]:
    """The cases; they may be run while the context is open."""
    yield {
        "added-latency": _added_latency,
        "callback": _callback,
        "processor": _processor,
        "gaps": _gaps,
        "allocations": _allocations,
        "recovery": _recovery,
        "quality": _quality,
    }


def _contender(name: str, what: str, make: Make, **options: Any) -> Contender:
    return Contender(
        name=name, what=what, make=make, options=options, warm_up=False, extra_s=EXTRA_S
    )


def _added_latency() -> Case:
    what = "lag behind what is played, less that of copying in the same stream"
    copied = _contender(
        "copying", "its whole lag, without an engine", mic_latency.copied, block_frames=BLOCK
    )
    low_delay = [
        _contender(
            f"low-delay, {frames}", what, mic_latency.added, mode="low-delay", block_frames=frames
        )
        for frames in (128, 256, 512)
    ]
    quality = _contender(
        f"quality, {BLOCK}", what, mic_latency.added, mode="quality", block_frames=BLOCK
    )
    claim = CLAIMS["mic-added-latency"]
    return Case(
        name="added-latency",
        question="How much later is speech through a cleaned microphone? (half a second at a time, blocks in frames)",
        unit="pieces",
        contenders=(copied, *low_delay, quality),
        checks=(
            *(Check(claim=claim, contender=one.name) for one in low_delay),
            Check(claim=claim, contender=quality.name, judged=False),
        ),
    )


def _callback() -> Case:
    python, busy_python, native = (
        _contender(name, what, mic_callback.intervals, native=native, busy=busy, block_frames=BLOCK)
        for name, what, native, busy in (
            ("Python, calm", "copies a block with NumPy; nothing else runs", False, False),
            ("Python, busy", "two threads hold the interpreter's lock", False, True),
            ("native, busy", "copies in machine code; the same two threads", True, True),
        )
    )
    claims = [CLAIMS[name] for name in ("mic-blocks", "mic-longest")]
    return Case(
        name="callback",
        question=f"What does a busy interpreter do to a stream? (blocks of {BLOCK} frames)",
        unit="blocks",
        contenders=(python, busy_python, native),
        checks=tuple(
            Check(claim=claim, contender=one.name, judged=one is native)
            for claim in claims
            for one in (python, busy_python, native)
        ),
    )


def _processor() -> Case:
    options = {"block_frames": BLOCK}
    make = mic_processor.running
    idle, low_delay, quality = (
        _contender(name, what, make, mode=mode, bypassed=bypassed, **options)
        for name, what, mode, bypassed in (
            ("bypassed", "gapless mic, bypassed; with all processes it started", "low-delay", True),
            ("low-delay", "the same, removing noise from speech", "low-delay", False),
            ("quality", "the same, removing noise from speech", "quality", False),
        )
    )
    return Case(
        name="processor",
        question=f"What does a cleaned microphone take of the machine? (blocks of {BLOCK} frames)",
        unit="looks",
        contenders=(idle, low_delay, quality),
        checks=(
            Check(claim=CLAIMS["mic-idle"], contender=idle.name),
            *(Check(claim=CLAIMS["mic-load"], contender=one.name) for one in (low_delay, quality)),
            *(
                Check(claim=CLAIMS["mic-memory"], contender=one.name)
                for one in (idle, low_delay, quality)
            ),
        ),
    )


def _gaps() -> Case:
    disturbed = "stalls of 1 to 100 ms twice a second, and a busy interpreter"
    python = _contender(
        "Python",
        "copies a block with NumPy; a busy interpreter",
        mic_gaps.python_callback,
        block_frames=BLOCK,
        most_s=BASELINE_S,
    )
    copied = _contender(
        "native copy",
        "copies in machine code: what is wrong here is not the engine's",
        mic_gaps.copied,
        block_frames=BLOCK,
        most_s=JUDGING_S,
    )
    low_delay, quality = (
        _contender(mode, disturbed, mic_gaps.cleaned, mode=mode, block_frames=BLOCK)
        for mode in ("low-delay", "quality")
    )
    ours = (low_delay, quality)
    checks = [
        Check(claim=CLAIMS[claim], contender=one.name)
        for claim in ("mic-gaps", "mic-clicks")
        for one in ours
    ]
    checks += [
        Check(claim=CLAIMS["mic-kept"], contender=one.name, against=copied.name) for one in ours
    ]
    checks += [
        Check(claim=CLAIMS[claim], contender=one.name)
        for claim in ("mic-heard", "mic-breaks")
        for one in (python, copied, *ours)
    ]
    return Case(
        name="gaps",
        question="Does the sound ever break when the model and the interpreter do not keep up?",
        unit="blocks",
        contenders=(python, copied, low_delay, quality),
        checks=tuple(checks),
    )


def _allocations() -> Case:
    python = _contender(
        "Python", "copies a block with NumPy; at least", mic_allocations.python_callback
    )
    low_delay, quality = (
        _contender(mode, "cleans a block", mic_allocations.cleaned, mode=mode)
        for mode in ("low-delay", "quality")
    )
    checks = [
        Check(claim=CLAIMS["mic-allocations"], contender=one.name, judged=one is not python)
        for one in (python, low_delay, quality)
    ]
    checks += [Check(claim=CLAIMS["mic-heap"], contender=one.name) for one in (low_delay, quality)]
    return Case(
        name="allocations",
        question="What does a block take from the heap? (10,000 blocks of 128 frames, one after the other)",
        unit="blocks",
        contenders=(python, low_delay, quality),
        checks=tuple(checks),
    )


def _recovery() -> Case:
    what = "one stall at a time; until the model is wholly heard again"
    single = [
        _contender(f"{stall_ms} ms", what, mic_recovery.stalled, stall_ms=stall_ms)
        for stall_ms in (1, 5, 20, 100)
    ]
    often = _contender(
        "20 ms, often",
        "two a second: the latency is raised, and comes back when they have ended",
        mic_recovery.stalled,
        stall_ms=20,
        together=True,
    )
    judged = single[2]
    checks = [
        Check(claim=CLAIMS["mic-recovery"], contender=one.name, judged=one is judged)
        for one in single
    ]
    checks += [Check(claim=CLAIMS["mic-whole"], contender=one.name) for one in single]
    checks += [
        Check(claim=CLAIMS[claim], contender=one.name)
        for claim in ("mic-lasting", "mic-seam", "mic-stall-clicks")
        for one in (*single, often)
    ]
    return Case(
        name="recovery",
        question="How soon is the model heard again after its thread stood still? (quality mode, 128 frames)",
        unit="stalls",
        contenders=(*single, often),
        checks=tuple(checks),
    )


def _quality() -> Case:
    contenders = tuple(
        _contender(name, what, make)
        for name, what, make in (
            ("unprocessed", "the noisy speech as it is", mic_quality.unprocessed),
            ("RNNoise, 20 ms", "as it is, with 5 % of the noisy speech", mic_quality.native),
            ("low-delay, 4 ms", "ours, whose gains are at least 5 %", mic_quality.low_delay),
        )
    )
    low_delay = contenders[-1]
    scores = ("mic-sisdr", "mic-stoi", "mic-pesq", "mic-pauses", "mic-onsets")
    return Case(
        name="quality",
        question="How well is noise removed? (speech of 16 kHz; white, pink, hum with clicks; at 0, 5 and 10 dB)",
        unit="seconds",
        contenders=contenders,
        checks=(
            Check(claim=CLAIMS["mic-sisdr-loss"], contender=low_delay.name),
            Check(claim=CLAIMS["mic-stoi-loss"], contender=low_delay.name),
            *(
                Check(claim=CLAIMS[name], contender=one.name)
                for name in scores
                for one in contenders
            ),
        ),
    )
