"""Take the pictures of the console and of its status page that the README and the docs show.

    .venv/bin/python tools/make_screenshots.py              writes docs/images/{console,status}-{light,dark}.png
    .venv/bin/python tools/make_screenshots.py --out DIR    writes them elsewhere, to compare

Nothing in them is staged but the choice of the moment: a real server with an empty store transcribes recordings of
``tests/data/speech``, then listens to another one through Chromium's microphone, and the picture is taken while the
last utterance is still being spoken. `gapless load` puts a load on another server for some minutes, under which the
pictures of its status are taken. Needs a Chromium on the path and the ``browser`` dependencies.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal, TypeAlias

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from gapless.audio.files import read_audio, write_audio
from gapless.engine import Engine
from gapless.observe.logs import configure_logs
from gapless.settings import Settings
from gapless.testing.server import running_server

ROOT: Final = Path(__file__).resolve().parent.parent
SPEECH: Final = ROOT / "tests" / "data" / "speech"
CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
WINDOW: Final = ViewportSize(width=1280, height=800)
STATUS_WINDOW: Final = ViewportSize(width=1280, height=1240)
MICROPHONE_HZ: Final = 48_000

Theme: TypeAlias = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")

HEARD_BEFORE: Final = ("sentence.flac", "news.flac", "two_voices.flac")
HEARD_NOW: Final = "utterances.flac"
SEARCHED: Final = "united"
FINALS_SHOWN: Final = 2
WORDS_SHOWN: Final = 5
"""The picture is taken when so many utterances are final and the next one has so many words."""

LOADS: Final = ((2, 20), (5, 60), (3, 40))
"""Live streams, and questions a second, one load after the other; the pictures are taken under the last."""
LOAD_S: Final = 90


def main() -> None:
    """Start the server and the browser, and take one picture per theme."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out: Path = parser.parse_args().out
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if chromium is None:
        sys.exit("no Chromium on the path; install the package chromium")
    out.mkdir(parents=True, exist_ok=True)
    configure_logs("warning", "console")
    with tempfile.TemporaryDirectory() as scratch:
        microphone = Path(scratch) / "microphone.wav"
        write_audio(microphone, read_audio(SPEECH / HEARD_NOW, MICROPHONE_HZ), MICROPHONE_HZ)
        flags = [
            "--no-sandbox",
            "--disable-gpu",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        ]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            with serving() as url:
                fill_history(browser, url)
                for theme in THEMES:
                    take_picture(browser, url, theme, out / f"console-{theme}.png")
            with serving() as url, ExitStack() as load:
                for streams, rate in LOADS:
                    load.close()
                    load.enter_context(loaded(url, streams, rate))
                for theme in THEMES:
                    take_status(browser, url, theme, out / f"status-{theme}.png")
            browser.close()


@contextmanager
def serving() -> Iterator[str]:
    """A server with an empty store; its address."""
    with (
        tempfile.TemporaryDirectory() as data,
        Engine(Settings(port=0, data_dir=data)) as engine,
    ):
        engine.start()
        with running_server(engine) as server:
            yield server.url


def fill_history(browser: Browser, url: str) -> None:
    """Let the server hear some recordings, so that there are transcripts to see."""
    page = browser.new_page()
    page.goto(url)
    page.get_by_text("File", exact=True).click()
    page.locator("#pace").select_option("fast")
    for name in HEARD_BEFORE:
        page.locator("#file").set_input_files(SPEECH / name)
        page.locator("#main-button").click()
        page.locator("#finals li").first.wait_for()
        wait_until_idle(page)
    page.close()


def take_picture(browser: Browser, url: str, theme: Theme, target: Path) -> None:
    """Listen to the microphone, and take the picture in the middle of an utterance."""
    page = browser.new_page(viewport=WINDOW, color_scheme=theme)
    page.goto(url)
    wait_until_idle(page)
    page.locator("#search").fill(SEARCHED)
    page.locator("mark").first.wait_for()
    page.locator("#main-button").click()
    page.wait_for_function(
        """([finals, words]) =>
          document.querySelectorAll("#finals li").length >= finals &&
          (document.querySelector("#pending .said")?.textContent.split(" ").length ?? 0) >= words""",
        arg=[FINALS_SHOWN, WORDS_SHOWN],
    )
    page.screenshot(path=target)
    page.locator("#main-button").click()
    wait_until_idle(page)
    page.context.close()
    print(f"{target} ({target.stat().st_size // 1024} KiB)")


@contextmanager
def loaded(url: str, streams: int, rate: int) -> Iterator[None]:
    """A server under load for ``LOAD_S``, and within the context."""
    load = [sys.executable, "-m", "gapless", "load"]
    speech = ["stream", url.replace("http", "ws", 1), "--streams", str(streams)]
    commands = (
        [*load, *speech, "--model", "commands-en", "--duration", "3600"],
        [*load, "infer", url, "--rate", str(rate), "--duration", "3600"],
    )
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    try:
        time.sleep(LOAD_S)
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def take_status(browser: Browser, url: str, theme: Theme, target: Path) -> None:
    """Take the picture of the status page when its charts are drawn."""
    page = browser.new_page(viewport=STATUS_WINDOW, color_scheme=theme)
    page.goto(f"{url}/status")
    page.get_by_text("targets are met").first.wait_for()
    page.locator("canvas, svg").first.wait_for()
    page.screenshot(path=target)
    page.context.close()
    print(f"{target} ({target.stat().st_size // 1024} KiB)")


def wait_until_idle(page: Page) -> None:
    """Wait until the server is found and nothing is being heard."""
    page.locator("#connection[data-state=ready]").wait_for()
    page.locator("#main-button[data-state=idle]").wait_for()


if __name__ == "__main__":
    main()
