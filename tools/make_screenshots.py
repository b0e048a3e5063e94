"""Take the pictures of the console that the README and the docs show.

    .venv/bin/python tools/make_screenshots.py              writes docs/images/console-{light,dark}.png
    .venv/bin/python tools/make_screenshots.py --out DIR    writes them elsewhere, to compare

Nothing in them is staged but the choice of the moment: a real server with an empty store transcribes recordings of
``tests/data/speech``, then listens to another one through Chromium's microphone, and the picture is taken while the
last utterance is still being spoken. Needs a Chromium on the path and the ``browser`` dependencies.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final, Literal

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
MICROPHONE_HZ: Final = 48_000

HEARD_BEFORE: Final = ("sentence.flac", "news.flac", "two_voices.flac")
HEARD_NOW: Final = "utterances.flac"
SEARCHED: Final = "united"
FINALS_SHOWN: Final = 2
WORDS_SHOWN: Final = 5
"""The picture is taken when so many utterances are final and the next one has so many words."""


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
        with Engine(Settings(port=0, data_dir=scratch)) as engine, sync_playwright() as playwright:
            engine.start()
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            with running_server(engine) as server:
                fill_history(browser, server.url)
                for theme in ("light", "dark"):
                    take_picture(browser, server.url, theme, out / f"console-{theme}.png")
            browser.close()


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


def take_picture(browser: Browser, url: str, theme: Literal["light", "dark"], target: Path) -> None:
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


def wait_until_idle(page: Page) -> None:
    """Wait until the server is found and nothing is being heard."""
    page.locator("#connection[data-state=ready]").wait_for()
    page.locator("#main-button[data-state=idle]").wait_for()


if __name__ == "__main__":
    main()
