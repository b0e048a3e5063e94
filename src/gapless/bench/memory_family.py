"""``gapless bench memory``: what the server, the engine and the microphone hold, beside the libraries alone.

In: nothing. Out: cases. Thread: main. What the server holds under its full load is judged by ``gapless bench api``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from gapless.bench.case import Case, Cases, Check, Contender, Make
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import memory_held, mic_processor
from gapless.bench.held import MODEL
from gapless.bench.speech import SOUNDS

EXTRA_S: Final = 300.0
STREAMS: Final = (8, 32)
STREAMS_IN_TRIAL: Final = (1,)
MIC_BLOCK: Final = 256


@contextmanager
def memory_cases(*, trial: bool = False) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        trial: see that everything runs, with one stream.
    """
    yield {
        "server": partial(_server, STREAMS_IN_TRIAL if trial else STREAMS),
        "engine": _engine,
        "microphone": _microphone,
    }


def _contender(name: str, what: str, make: Make, **options: Any) -> Contender:
    return Contender(
        name=name, what=what, make=make, options=options, warm_up=False, extra_s=EXTRA_S
    )


def _libraries() -> Contender:
    return _contender(
        "libraries",
        "a Python that has imported the libraries of a server, and waits",
        memory_held.holding,
        thing="libraries",
    )


def _server(counts: tuple[int, ...]) -> Case:
    what = f"gapless serve --model {MODEL}, asked for nothing"
    own = [_contender("idle", what, memory_held.idle_server, model=MODEL)]
    own += [
        _contender(
            f"{count} streams",
            f"the same, while so many people speak to {MODEL}",
            memory_held.server_with_streams,
            model=MODEL,
            count=count,
            speech=str(SOUNDS),
        )
        for count in counts
    ]
    return Case(
        name="server",
        question="What does the server hold? (proportional share, all its processes)",
        unit="looks",
        contenders=(_libraries(), *own),
        checks=tuple(Check(claim=CLAIMS["memory-server"], contender=one.name) for one in own),
    )


def _engine() -> Case:
    own = [
        _contender(name, told, memory_held.holding, thing=thing)
        for name, told, thing in (
            ("engine", "a Python with a started engine, asked for nothing", "engine"),
            ("spoken", f"the same, after a recording was heard with {MODEL}", "spoken"),
        )
    ]
    return Case(
        name="engine",
        question="What does the engine hold in a process of one's own? (proportional share)",
        unit="looks",
        contenders=(_libraries(), *own),
        checks=tuple(Check(claim=CLAIMS["memory-engine"], contender=one.name) for one in own),
    )


def _microphone() -> Case:
    own = [
        _contender(
            mode,
            "gapless mic, removing noise from speech, with all it started",
            mic_processor.running,
            mode=mode,
            bypassed=False,
            block_frames=MIC_BLOCK,
        )
        for mode in ("low-delay", "quality")
    ]
    return Case(
        name="microphone",
        question="What does a cleaned microphone hold? (resident memory, all its processes)",
        unit="looks",
        contenders=(_libraries(), *own),
        checks=tuple(Check(claim=CLAIMS["memory-microphone"], contender=one.name) for one in own),
    )
