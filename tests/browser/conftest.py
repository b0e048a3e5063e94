"""A real server, a real Chromium with a recording for its microphone, and a watch on what the page may not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    sync_playwright,
)

from gapless.audio.files import read_audio, write_audio
from gapless.engine import Engine
from gapless.settings import Settings
from gapless.store.contract import Store
from gapless.testing.server import running_server

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 20_000
"""Bound of every wait; all of them are for conditions."""

QUIET_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


LaunchChromium: TypeAlias = Callable[..., Browser]
Visit: TypeAlias = Callable[..., Page]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Iterator[LaunchChromium]:
    """Starts the machine's Chromium with further flags; closes it after the last test."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        reason = f"no Chromium on the path (looked for {', '.join(CHROMIUM_NAMES)})"
        if os.environ.get("GAPLESS_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)

    started: list[Browser] = []

    def start(*flags: str) -> Browser:
        browser = playwright.chromium.launch(executable_path=path, args=[*QUIET_FLAGS, *flags])
        started.append(browser)
        return browser

    yield start
    for browser in started:
        browser.close()


@pytest.fixture(scope="session")
def chromium(
    launch: LaunchChromium, speech_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Browser:
    """A Chromium whose microphone hears "officials said there was no evidence" over and over."""
    microphone = tmp_path_factory.mktemp("microphone") / "speech.wav"
    write_audio(microphone, read_audio(speech_dir / "sentence.flac", 48_000), 48_000)
    return launch(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    )


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One engine for all tests, its models loaded."""
    with Engine(Settings(port=0, data_dir=str(tmp_path_factory.mktemp("data")))) as engine:
        engine.start()
        yield engine


@pytest.fixture(scope="session")
def server(engine: Engine) -> Iterator[str]:
    """Address of a server without a key."""
    with running_server(engine) as running:
        yield running.url


@pytest.fixture(scope="session")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server whose key is "secret"."""
    settings = Settings(port=0, data_dir=str(tmp_path_factory.mktemp("guarded")), api_key="secret")
    with Engine(settings) as engine:
        engine.start()
        with running_server(engine) as running:
            yield running.url


@pytest.fixture
def store(engine: Engine) -> Store:
    """What the server keeps transcripts in."""
    assert engine.store is not None
    return engine.store


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What a page did that it should not have; a test that expects something of it empties the list."""
    noted: list[str] = []
    yield noted
    assert noted == []


@pytest.fixture
def visit(chromium: Browser, complaints: list[str]) -> Iterator[Visit]:
    """Opens the console as a new visitor: ``visit(url, browser=..., **options of new_context)``."""
    contexts: list[BrowserContext] = []

    def open_page(url: str, *, browser: Browser = chromium, **options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        _watch(page, url, complaints)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()


def _watch(page: Page, url: str, complaints: list[str]) -> None:
    """Note errors in the console, uncaught exceptions, and requests to other origins."""
    origin = urlsplit(url).netloc

    def check_origin(address: str) -> None:
        if not address.startswith("blob:") and urlsplit(address).netloc != origin:
            complaints.append(f"request to another origin: {address}")

    def note_console(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            complaints.append(f"console: {said.text}")

    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.on("console", note_console)
    page.on("request", lambda request: check_origin(request.url))
    page.on("websocket", lambda socket: check_origin(socket.url))
