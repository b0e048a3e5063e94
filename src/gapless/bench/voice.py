"""``gapless bench voice``: how late live text is, how many can speak at a time, and what each part of it costs.

In: a recogniser, what is said. Out: cases. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from gapless.bench.case import Case, Cases, Check, Contender
from gapless.bench.claims import CLAIMS
from gapless.bench.contenders import features, live, recognisers
from gapless.bench.speech import SOUNDS

MODEL: Final = "commands-en"

FEW: Final = 4
"""Streams of the cases that ask how late text is when the machine is not full."""

FIRST: Final = 8
"""Streams that the search begins with."""

MOST: Final = 1024
MOST_IN_TRIAL: Final = 4

EXTRA_S: Final = 1800.0
"""Some ten numbers of streams are tried, each after it was heard alone."""

AS_MODEL_SAYS: Final = 0
NO_BATCHES: Final = 1


@contextmanager
def voice_cases(
    model: str | None = None,
    streams: int | None = None,
    speech: Path | None = None,
    *,
    trial: bool = False,
) -> Iterator[Cases]:
    """The cases; they may be run while the context is open.

    Args:
        model: recogniser of the live streams; None: the one that comes with Gapless.
        streams: how many at a time; None: search for the most.
        speech: folder of what is said; None: what comes with Gapless.
        trial: see that everything runs, with a few streams.
    """
    said = {"model": model or MODEL, "speech": str(speech or SOUNDS)}
    most = MOST_IN_TRIAL if trial else MOST
    yield {
        "features": _features,
        "live-lag": partial(_live_lag, said, max(2, min(streams or FEW, most))),
        "most-streams": partial(_most_streams, said, streams, most),
        "recognisers": partial(_recognisers, said["speech"]),
    }


def _features() -> Case:
    baseline = Contender(
        name="NumPy, 10 s at once",
        what="windows, rfft, a product with the mel bands, log: as it is usually written",
        make=features.numpy_batch,
    )
    whole = Contender(
        name="LogMel, 10 s at once", what="kernels of our own", make=features.log_mel_whole
    )
    stream = Contender(
        name="LogMel, 40 ms at a time",
        what="the same as a live stream comes in",
        make=features.log_mel_stream,
    )
    voice = Contender(
        name="VoiceFeatures, 100 ms",
        what="other work: pitch, loudness and colour of a voice",
        make=features.voice,
    )
    return Case(
        name="features",
        question="What do features cost? (40 mel bands every 10 ms, one core)",
        unit="seconds",
        contenders=(baseline, whole, stream, voice),
        checks=tuple(
            Check(claim=CLAIMS["features"], contender=one.name, judged=one is stream)
            for one in (baseline, whole, stream, voice)
        ),
    )


def _live_lag(said: dict[str, str], count: int) -> Case:
    alone, together = (
        Contender(
            name=name,
            what="paced on the wall clock in chunks of 40 ms; an operation is a partial result",
            make=live.streams,
            options={**said, "count": number, "max_batch": AS_MODEL_SAYS},
            warm_up=False,
            extra_s=EXTRA_S,
        )
        for name, number in (("1 stream", 1), (f"{count} streams", count))
    )
    return Case(
        name="live-lag",
        question=f"How late is live text? ({said['model']}, over the native WebSocket)",
        unit="seconds",
        contenders=(alone, together),
        checks=tuple(
            Check(claim=CLAIMS[claim], contender=one.name)
            for one in (alone, together)
            for claim in ("live-lag", "live-position", "live-final")
        ),
    )


def _most_streams(said: dict[str, str], count: int | None, most: int) -> Case:
    contenders = []
    for name, what, max_batch in (
        ("batches of one", "the same server with max_batch = 1", NO_BATCHES),
        ("batches", "rows of all streams that wait at a time go together", AS_MODEL_SAYS),
    ):
        options = {**said, "max_batch": max_batch}
        if count is None:
            options |= {"first": min(FIRST, most), "most": most}
        else:
            options |= {"count": count}
        contenders.append(
            Contender(
                name=name,
                what=what,
                make=live.most_streams if count is None else live.streams,
                options=options,
                warm_up=False,
                extra_s=EXTRA_S,
            )
        )
    single, batched = contenders
    number = CLAIMS["live-streams"]
    checks = [
        Check(claim=number, contender=single.name, judged=False),
        # Fewer than are claimed cannot disprove it.
        Check(
            claim=number,
            contender=batched.name,
            judged=count is None or number.holds(count) is True,
        ),
    ]
    if count is None:
        gain = CLAIMS["live-streams-gain"]
        checks.append(Check(claim=gain, contender=batched.name, against=single.name))
    checks += [
        Check(claim=CLAIMS[claim], contender=batched.name)
        for claim in ("live-streams-server", "live-streams-thread", "live-streams-client")
    ]
    return Case(
        name="most-streams",
        question=f"How many can speak at a time? ({said['model']}, p95 lag under a chunk of 40 ms, no errors)",
        unit="seconds",
        contenders=(single, batched),
        checks=tuple(checks),
    )


def _recognisers(speech: str) -> Case:
    from gapless.listen.recogniser.shelf.shelf import Shelf
    from gapless.settings import load_settings

    shelf = Shelf(load_settings().settings)
    try:
        present = shelf.list()
    finally:
        shelf.close()
    contenders = tuple(
        Contender(
            name=info.name,
            what=f"{info.kind}; {info.description}",
            make=recognisers.transcribes,
            options={"model": info.name, "speech": speech},
        )
        for info in present
    )
    return Case(
        name="recognisers",
        question="What does each recogniser that is here cost? (20 s of speech at once)",
        unit="seconds",
        contenders=contenders,
        checks=tuple(
            Check(claim=CLAIMS["recogniser-speed"], contender=one.name) for one in contenders
        ),
    )
