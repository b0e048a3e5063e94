"""A recogniser, one stream as fast as it goes. In: its name. Out: work: whole recordings. Thread: main."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from gapless.bench.drive import Samples, Work, alone

SECONDS: Final = 20.0
"""Of the recording."""


@contextmanager
def transcribes(*, model: str, speech: str) -> Iterator[Work]:
    """The whole story, from samples to text: voice detection and recognition, in this process."""
    from gapless.audio.types import LISTEN_RATE_HZ
    from gapless.bench.speech import read_utterances, stream_of
    from gapless.dsp.pcm import from_s16le
    from gapless.engine import Engine
    from gapless.listen.listener import settle
    from gapless.settings import load_settings

    pcm = stream_of(0, read_utterances(Path(speech)), SECONDS)
    sound = from_s16le(pcm.tobytes())
    sound_s = len(sound) / LISTEN_RATE_HZ
    settings = msgspec.structs.replace(load_settings().settings, model=model, save=False)
    with Engine(settings) as engine:

        def transcribe() -> None:
            listener = engine.open_listener(model, engine.listen_options)
            try:
                for _ in settle(listener, listener.accept(sound)):
                    pass
                for _ in settle(listener, listener.flush()):
                    pass
            finally:
                listener.close()

        work = alone(transcribe)

        def counted(seconds: float) -> Samples:
            samples = work(seconds)
            done_s = samples.units * sound_s
            return msgspec.structs.replace(
                samples,
                units=round(done_s),
                figures={"realtime_share": samples.elapsed_ns / 1e9 / done_s},
            )

        yield counted
