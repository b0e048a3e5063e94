"""``gapless bench console``: how long a frame of the console takes while it listens, in a real browser.

In: nothing. Out: cases. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gapless.bench.browser import chromium_path
from gapless.bench.case import Case, Cases, Check, Contender
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import console

EXTRA_S: Final = 300.0
"""To start a server and a browser, and to hear the first words."""

CLAIMED: Final = ("console-frame", "console-own")


@contextmanager
def console_cases(*, trial: bool = False) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        trial: see that everything runs; there is nothing to shorten.

    Raises:
        MissingDependencyError: there is no Chromium here, or nothing that drives it.
    """
    del trial
    chromium_path()
    yield {"frames": _frames}


def _frames() -> Case:
    idle = Contender(
        name="idle page",
        what="the same page, nothing to do, a frame each time the screen can show one",
        make=console.idle_page,
        warm_up=False,
        extra_s=EXTRA_S,
    )
    live = Contender(
        name="live captions",
        what="a stream from the microphone: waveform, meters, words as they are spoken",
        make=console.live_captions,
        extra_s=EXTRA_S,
    )
    return Case(
        name="frames",
        question="How long does a frame of the console keep the browser busy? (Chromium's trace of the main thread)",
        unit="frames",
        contenders=(idle, live),
        checks=(
            Check(claim=CLAIMS["console-frame"], contender=idle.name, judged=False),
            *(Check(claim=CLAIMS[name], contender=live.name) for name in CLAIMED),
        ),
    )
