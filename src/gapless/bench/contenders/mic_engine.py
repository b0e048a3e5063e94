"""The engine of a microphone, started, for as long as a contender needs it. Thread: main."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from gapless.clean.mic.engine import MicEngine
from gapless.clean.mic.status import MicOptions


@contextmanager
def engine_of(mode: str) -> Iterator[MicEngine]:
    """An engine with the defaults.

    Args:
        mode: "low-delay" or "quality".
    """
    engine = MicEngine(msgspec.convert({"mode": mode}, MicOptions))
    try:
        engine.start()
        yield engine
    finally:
        engine.close()
