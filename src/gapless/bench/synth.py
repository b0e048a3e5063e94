"""``gapless bench synth``: what a block of a program takes, how many voices there can be, how soon there is sound.

In: which Python has SignalFlow. Out: cases. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from gapless.bench.case import Case, Cases, Check, Contender, Make
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import (
    synth_bank,
    synth_cpp,
    synth_events,
    synth_numpy,
    synth_program,
    synth_scsynth,
    synth_signalflow,
    synth_start,
)

BLOCK: Final = 512
BLOCKS: Final = (64, 128, 256, 512, 1024)
VOICES: Final = 72
COUNTS: Final = (64, 256, 1024, 4096, 16_384)
NUMPY_COUNT: Final = 256
FEW: Final = 64
MOST: Final = 131_072
MOST_DRIVEN: Final = 16_384
IN_TRIAL: Final = 64
LOOKS: Final = (512, 4096)
EXTRA_S: Final = 1200.0
"""A dozen numbers of voices are tried, each up to three times; all kernels may have to be compiled."""

WITHOUT_SIGNALFLOW: Final = (
    "SignalFlow: install the package signalflow in any Python, and name that with --signalflow"
)
WITHOUT_SERVER: Final = "scsynth: install Debian's package supercollider-server"
WITHOUT_COMPILER: Final = "C++: there is no compiler; install g++"


@contextmanager
def synth_cases(signalflow: str | None = None, *, trial: bool = False) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        signalflow: a Python that has the package; None: perhaps this one.
        trial: see that everything runs, with a few voices.
    """
    yield {
        "block": _block,
        "voices": partial(_voices, signalflow, trial=trial),
        "scaling": partial(_scaling, trial=trial),
        "events": _events,
        "start": _start,
    }


def _contender(
    name: str, what: str, make: Make, *, warm_up: bool = False, **options: Any
) -> Contender:
    return Contender(
        name=name, what=what, make=make, options=options, warm_up=warm_up, extra_s=EXTRA_S
    )


def _block() -> Case:
    numpy = _contender(
        f"NumPy, {VOICES} voices",
        f"full voices in blocks of {BLOCK} and nothing else: no patterns, effects or mixer",
        synth_numpy.blocks,
        count=VOICES,
    )
    ours = {
        samples: _contender(
            f"q.ph, {samples}",
            "asking the patterns, then all voices, effects and the mix",
            synth_program.blocks,
            warm_up=True,
            block_samples=samples,
        )
        for samples in BLOCKS
    }
    judged = ours[BLOCK].name
    checks = [Check(claim=CLAIMS[name], contender=judged) for name in ("synth-p95", "synth-p99")]
    goals = ("synth-goal", "synth-render", "synth-patterns", "synth-sounding")
    checks += [Check(claim=CLAIMS[name], contender=judged, judged=False) for name in goals]
    return Case(
        name="block",
        question="How long does a block of a program take? (44.1 kHz, one core; one of 512 lasts 11.6 ms)",
        unit="blocks",
        contenders=(numpy, *ours.values()),
        checks=tuple(checks),
    )


def _voices(signalflow: str | None, *, trial: bool) -> Case:
    limit = IN_TRIAL if trial else MOST
    many, few = min(16_384, limit), min(FEW, limit)
    others, notes = [], []
    what = "the most that take 70 % of a block's time; saw, envelope, filter, pan"
    numpy = _contender(
        "NumPy", f"{what}: the same steps", synth_numpy.most_voices, first=few, limit=limit
    )
    python = synth_signalflow.python_with_signalflow(signalflow)
    if python is None:
        notes.append(WITHOUT_SIGNALFLOW)
    else:
        others.append(
            _contender(
                "SignalFlow",
                "its own nodes",
                synth_signalflow.most_voices,
                python=python,
                first=few,
                limit=limit,
            )
        )
    server = _contender(
        "scsynth",
        "its own units, without real time",
        synth_scsynth.most_voices,
        first=few,
        limit=limit,
    )
    if synth_scsynth.server() is None:
        notes.append(WITHOUT_SERVER)
    else:
        others.append(server)
    cpp = _contender("C++", "the same steps", synth_cpp.most_voices, first=many, limit=limit)
    moving_cpp = _contender(
        "C++, moving", "envelopes fall", synth_cpp.most_voices, first=many, limit=limit, moving=True
    )
    if synth_cpp.compiler() is None:
        notes.append(WITHOUT_COMPILER)
    else:
        others += [cpp, moving_cpp]
    make = synth_bank.most_voices
    bank = _contender("bank", "the bank's kernel, without patterns", make, first=many, limit=limit)
    moving = _contender(
        "bank, moving", "the same, envelopes fall", make, first=many, limit=limit, moving=True
    )
    two = _contender(
        "bank, 2 threads", "two banks, a thread each", make, first=many, limit=limit, threads=2
    )
    driven = _contender(
        "patterns",
        "voices of eight seconds that patterns start; asking them counts",
        synth_program.most_voices,
        first=min(1024, limit),
        limit=min(MOST_DRIVEN, limit),
    )
    ours = (bank, moving, two, driven)
    checks = [Check(claim=CLAIMS["synth-voices"], contender=bank.name)]
    checks += [
        Check(claim=CLAIMS["synth-voices"], contender=one.name, judged=False)
        for one in (numpy, *others, moving, two)
    ]
    checks += [
        Check(claim=CLAIMS["synth-voices-goal"], contender=bank.name, judged=False),
        Check(claim=CLAIMS["synth-driven"], contender=driven.name),
        Check(claim=CLAIMS["synth-driven-goal"], contender=driven.name, judged=False),
    ]
    claim = CLAIMS["synth-against-scsynth"]
    if server in others:
        checks.append(Check(claim=claim, contender=bank.name, against=server.name))
    if cpp in others:
        claim = CLAIMS["synth-against-cpp"]
        checks.append(Check(claim=claim, contender=bank.name, against=cpp.name))
        checks.append(
            Check(claim=claim, contender=moving.name, against=moving_cpp.name, judged=False)
        )
    return Case(
        name="voices",
        question="How many voices can there be? (44.1 kHz, blocks of 512, one core)",
        unit="voice-seconds",
        contenders=(numpy, *others, *ours),
        checks=tuple(checks),
        notes=tuple(notes),
    )


def _scaling(*, trial: bool) -> Case:
    counts = COUNTS[:1] if trial else COUNTS
    numpy = _contender(
        f"NumPy, {NUMPY_COUNT}", "the same steps", synth_numpy.voices, count=NUMPY_COUNT
    )
    bank = [
        _contender(f"bank, {count}", "the bank's kernel", synth_bank.voices, count=count)
        for count in counts
    ]
    cpp = [
        _contender(f"C++, {count}", "the same steps", synth_cpp.voices, count=count)
        for count in counts
    ]
    present = synth_cpp.compiler() is not None
    contenders = (numpy, *(cpp if present else ()), *bank)
    return Case(
        name="scaling",
        question="What does a voice cost, a few or many? (44.1 kHz, blocks of 512, one core)",
        unit="voice-seconds",
        contenders=contenders,
        checks=tuple(
            Check(claim=CLAIMS["synth-voice-cost"], contender=one.name) for one in contenders
        ),
        notes=() if present else (WITHOUT_COMPILER,),
    )


def _events() -> Case:
    again = _contender(
        "read again",
        "q.ph is read anew for every look of 512 samples",
        synth_events.read_again,
        look_samples=BLOCK,
    )
    ours = [
        _contender(f"{name}, {samples}", what, make, warm_up=True, look_samples=samples)
        for samples in LOOKS
        for name, what, make in (
            ("queries", "q.ph is asked what it would play", synth_events.queries),
            ("triggers", "the same, made into what the engine takes", synth_events.triggers),
        )
    ]
    return Case(
        name="events",
        question="How many events do patterns give? (one core, no sound; looks of so many samples)",
        unit="events",
        contenders=(again, *ours),
        checks=tuple(Check(claim=CLAIMS["synth-events"], contender=one.name) for one in ours),
    )


def _start() -> Case:
    bare = _contender("Python", "starts, imports NumPy and Numba", synth_start.interpreter)
    warm, cold = (
        _contender(name, what, synth_start.first_sound, cold=cold)
        for name, what, cold in (
            ("warm", "q.ph, from the start of the process to its first samples", False),
            ("cold", "the same, and no kernel was ever compiled", True),
        )
    )
    claim = CLAIMS["synth-start"]
    return Case(
        name="start",
        question="How soon is there sound?",
        unit="starts",
        contenders=(bare, warm, cold),
        checks=(
            Check(claim=claim, contender=warm.name),
            Check(claim=claim, contender=cold.name, judged=False),
        ),
    )
