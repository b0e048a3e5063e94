"""A real Chromium for benches, whose microphone hears what it is given.

In: samples. Out: a page. Invariants: it ends with the block. Thread: the caller's (Playwright's synchronous interface).
"""

from __future__ import annotations

import shutil
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from gapless.audio.types import LISTEN_RATE_HZ
from gapless.errors import MissingDependencyError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from gapless.bench.speech import Pcm

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
"""Also where there is neither a graphics card nor anybody who could be asked for the microphone."""


def chromium_path() -> str:
    """Where Chromium is.

    Raises:
        MissingDependencyError: it is not here, or what drives it is not.
    """
    if find_spec("playwright") is None:
        raise MissingDependencyError(
            "the console cannot be measured without Playwright; install it: pip install playwright"
        )
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise MissingDependencyError(
            f"the console cannot be measured without a Chromium on the path (looked for {', '.join(NAMES)}); "
            "install the package chromium"
        )
    return path


@contextmanager
def browser_page(heard: Pcm) -> Iterator[tuple[Browser, Page]]:
    """A browser and an empty page of it.

    Args:
        heard: what the microphone hears, over and over.

    Raises:
        MissingDependencyError: there is no Chromium here.
    """
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory(prefix="gapless-bench-") as folder, sync_playwright() as playwright:
        sound = Path(folder, "microphone.wav")
        with wave.open(str(sound), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(LISTEN_RATE_HZ)
            out.writeframes(heard.astype("<i2").tobytes())
        browser = playwright.chromium.launch(
            executable_path=path, args=[*FLAGS, f"--use-file-for-fake-audio-capture={sound}"]
        )
        try:
            yield browser, browser.new_page()
        finally:
            browser.close()
