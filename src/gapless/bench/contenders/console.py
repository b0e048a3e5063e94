"""The console in a real browser: how long a frame keeps its main thread busy.

In: nothing, or the page's state. Out: work whose operations are frames, each with everything that the main thread did
since the frame before. Invariants: Chromium's own trace measures; what the page measures of itself is a figure beside
it. Thread: main.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gapless.bench.browser import browser_page
from gapless.bench.drive import Samples, Work
from gapless.bench.frame_trace import CATEGORIES, frames_us, read_trace
from gapless.bench.live_server import live_server
from gapless.bench.speech import read_utterances, stream_of
from gapless.errors import GaplessError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HEARD_S: Final = 20.0
"""What the microphone hears, over and over."""

WAIT_MS: Final = 60_000
"""For the server, and for the first words."""

SHORTEST_S: Final = 2.0
"""Some words are to be spoken."""

PIECE_S: Final = 5.0
"""A longer trace is taken in pieces: one second is some megabytes."""

DRAW_NOTHING: Final = """() => {
  const frame = () => requestAnimationFrame(frame);
  requestAnimationFrame(frame);
}"""


@contextmanager
def idle_page() -> Iterator[Work]:
    """The console with nothing to do, asked for a frame as often as the screen can show one."""
    with _console() as (browser, page):
        page.evaluate(DRAW_NOTHING)
        yield lambda seconds: _watch(browser, page, seconds)


@contextmanager
def live_captions() -> Iterator[Work]:
    """The console while it listens: waveform, meters, and words as they are spoken."""
    with _console() as (browser, page):
        page.locator("#main-button").click()
        page.locator("#pending .said, #finals li").first.wait_for(timeout=WAIT_MS)
        yield lambda seconds: _watch(browser, page, seconds)


@contextmanager
def _console() -> Iterator[tuple[Browser, Page]]:
    heard = stream_of(0, read_utterances(), HEARD_S)
    with live_server({}) as server, browser_page(heard) as (browser, page):
        page.goto(server.url.replace("ws", "http", 1).removesuffix("v1/stream"))
        page.locator("#connection[data-state=ready]").wait_for(timeout=WAIT_MS)
        yield browser, page


def _watch(browser: Browser, page: Page, seconds: float) -> Samples:
    """Trace the page for a while.

    Raises:
        GaplessError: it drew nothing.
    """
    left_s = max(seconds, SHORTEST_S)
    busy_us: list[float] = []
    began = time.perf_counter_ns()
    while left_s > 0:
        piece_s = min(left_s, PIECE_S)
        browser.start_tracing(page=page, categories=list(CATEGORIES))
        page.wait_for_timeout(piece_s * 1000)
        # The first frame began before the trace did.
        busy_us += frames_us(read_trace(browser.stop_tracing()))[1:]
        left_s -= piece_s
    if not busy_us:
        raise GaplessError(
            "the page drew nothing while it was watched; open it in a browser to see why"
        )
    return Samples(
        took_ns=[round(us * 1000) for us in busy_us],
        elapsed_ns=time.perf_counter_ns() - began,
        units=len(busy_us),
        figures=_own(page),
    )


def _own(page: Page) -> dict[str, float]:
    """What the page says of its last thousand frames; nothing, where no stream was live."""
    told: dict[str, str] = page.locator("#frames").evaluate("({ dataset }) => ({ ...dataset })")
    names = {"own_p50_us": "p50Ms", "own_p95_us": "p95Ms", "own_max_us": "maxMs"}
    return {name: 1000 * float(told[said]) for name, said in names.items() if said in told}
