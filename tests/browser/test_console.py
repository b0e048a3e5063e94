"""The console in a real Chromium against a real server: what a person sees, with and without a mouse."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, Download, Page, WebSocketRoute, expect

from gapless.audio.types import LISTEN_RATE_HZ, Samples
from gapless.engine import Engine
from gapless.store.contract import SessionRecord, Store, TranscriptQuery
from gapless.testing.contrast import contrast
from gapless.testing.server import running_server
from gapless.transcript import Utterance

pytestmark = pytest.mark.browser

Visit: TypeAlias = Callable[..., Page]

WAIT_MS = 20_000
SPOKEN = re.compile("evidence")
"""A word of the recording that the microphone hears."""

expect.set_options(timeout=WAIT_MS)


def test_words_spoken_into_the_microphone_appear_while_they_are_spoken_and_then_for_good(
    visit: Visit, server: str
) -> None:
    page = visit(server)

    press_start(page)

    expect(page.locator("#pending .said")).to_have_text(re.compile("[a-z]+"))
    expect(page.locator("#finals li").first).to_contain_text(SPOKEN)
    expect(page.locator("#connection")).to_have_text("listening")
    expect(page.locator("#level .meter-value")).to_have_text(re.compile(r"\d+ dB"))
    expect(page.locator("#lag .meter-value")).to_have_text(re.compile(r"\d m?s"))
    page.get_by_role("button", name="Stop").click()
    expect_idle(page)
    expect(page.locator(".result").first).to_contain_text(SPOKEN)


def test_the_waveform_shades_what_was_spoken(visit: Visit, server: str) -> None:
    page = visit(server, color_scheme="light")
    shaded = shaded_pixels(page)

    play_sample(page)

    assert shaded == 0
    assert shaded_pixels(page) > 1000


def test_the_sample_is_heard_and_its_captions_are_those_that_the_server_keeps(
    visit: Visit, server: str, store: Store
) -> None:
    page = visit(server)

    play_sample(page)

    expect(page.locator("#finals")).to_contain_text("officials")
    kept = newest(store)
    url = f"{server}/v1/transcripts/{kept}"
    for action in ("txt", "srt", "vtt"):
        with page.expect_download() as download:
            page.locator(f"#caption-actions [data-action={action}]").click()
        assert content(download.value) == page.request.get(f"{url}?format={action}").text()


def test_the_page_says_which_model_is_the_default_and_why(visit: Visit, server: str) -> None:
    page = visit(server)

    expect(page.locator("#model-why")).to_contain_text("pocketsphinx is the default: ")
    expect(page.locator("#model")).to_have_value("pocketsphinx")
    expect(page.locator("#model option")).to_have_text(["pocketsphinx", "commands-en"])


def test_the_captions_can_be_copied(visit: Visit, server: str) -> None:
    page = visit(server, permissions=["clipboard-read", "clipboard-write"])
    play_sample(page)

    page.get_by_role("button", name="Copy").click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert lines == page.locator("#finals .said").all_text_contents()


@pytest.mark.parametrize(("pace", "priority"), [("live", "live"), ("fast", "bulk")])
def test_a_chosen_file_is_transcribed_at_either_pace(
    visit: Visit, server: str, speech_dir: Path, pace: str, priority: str
) -> None:
    page = visit(server)
    page.get_by_text("File", exact=True).click()
    page.locator("#file").set_input_files(speech_dir / "sentence.flac")
    page.locator("#pace").select_option(pace)

    with page.expect_websocket() as opened:
        press_start(page)

    # What is sent faster than it is spoken lets those who speak go first, and says nothing of how late these are told.
    assert f"priority={priority}" in opened.value.url
    expect(page.locator("#finals li")).to_contain_text(SPOKEN)
    expect_idle(page)


def test_a_recording_without_a_stated_length_is_sent_as_it_is(
    visit: Visit, server: str, load_speech: Callable[[str], Samples], tmp_path: Path
) -> None:
    recording = tmp_path / "recorded-by-a-browser.webm"
    write_endless_webm(recording, load_speech("sentence.flac"))
    page = visit(server)
    page.get_by_text("File", exact=True).click()
    page.locator("#file").set_input_files(recording)

    press_start(page)

    expect(page.locator("#finals li")).to_contain_text(SPOKEN)
    expect(page.locator("#elapsed")).not_to_have_text("0:00")
    expect_idle(page)


def test_a_file_that_is_no_recording_is_refused_with_advice(
    visit: Visit, server: str, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.wav"
    letter.write_text("Dear friend, this is not a recording.\n" * 100)
    page = visit(server)
    page.get_by_text("File", exact=True).click()

    press_start(page)
    expect(page.locator("#notice")).to_contain_text("Choose a recording")
    page.locator("#file").set_input_files(letter)
    press_start(page)

    expect(page.locator("#notice")).to_contain_text(re.compile("audio|recording"))
    expect_idle(page)
    page.keyboard.press("Escape")
    expect(page.locator("#notice")).to_be_hidden()


def test_a_word_said_before_is_found_shown_taken_along_and_forgotten(
    visit: Visit, server: str, store: Store
) -> None:
    keep(store, "zebra", "a zebra crossed the road")
    page = visit(server)
    expect_idle(page)

    page.keyboard.press("/")
    page.keyboard.type("zebr")
    result = page.locator(".result").filter(has_text="crossed")
    expect(result.locator("mark")).to_have_text("zebra")
    result.click()
    expect(page.locator("#transcript-lines li")).to_have_text(
        re.compile("a zebra crossed the road")
    )
    with page.expect_download() as download:
        page.locator("#transcript-actions [data-action=srt]").click()
    assert "--> " in content(download.value)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good?").click()

    expect(page.locator("#transcript")).to_be_hidden()
    expect(page.locator("#search-status")).to_contain_text("Nobody said “zebr”")
    page.locator("#search").press("Escape")
    expect(page.locator("#search")).to_have_value("")


def test_text_is_shown_as_text_and_highlights_count_characters_as_the_server_does(
    visit: Visit, server: str, store: Store
) -> None:
    keep(store, "markup", "😀😀 <img src=x onerror=alert(1)> quagga & co", name="<b>bold</b>.wav")
    page = visit(server)

    page.locator("#search").fill("quagga")

    result = page.locator(".result").filter(has_text="<img src=x onerror=alert(1)>")
    expect(result.locator("mark")).to_have_text("quagga")
    expect(result.locator(".name")).to_have_text("<b>bold</b>.wav")
    result.click()
    expect(page.locator("#transcript-title")).to_have_text("<b>bold</b>.wav")
    store.delete("markup")


def test_everything_is_done_by_keyboard(visit: Visit, server: str) -> None:
    page = visit(server)
    expect_idle(page)
    reached = tab_order(page)
    page.locator("#sources input").first.focus()
    page.keyboard.press("ArrowLeft")
    page.locator("#pace").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#pace")).to_have_value("fast")

    page.locator("#main-button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#finals")).to_contain_text("officials")
    expect_idle(page)
    page.keyboard.press("/")
    page.keyboard.type("officials")
    expect(page.locator("mark").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#transcript-lines li").first).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.locator("#transcript")).to_be_hidden()
    expect(page.locator(".result").first).to_be_focused()
    assert {
        "theme-button",
        "model",
        "denoise",
        "main-button",
        "captions-scroll",
        "search",
    } <= reached


def test_space_starts_and_stops_from_anywhere_on_the_page(visit: Visit, server: str) -> None:
    page = visit(server)
    expect_idle(page)

    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("Space")

    expect_idle(page)


def test_the_theme_follows_the_system_until_it_is_chosen_and_is_remembered(
    visit: Visit, server: str
) -> None:
    page = visit(server, color_scheme="dark")
    button = page.get_by_role("button", name="Dark")
    dark = background(page)
    expect(button).to_have_attribute("aria-pressed", "true")

    button.click()
    light = background(page)
    page.reload()

    expect(button).to_have_attribute("aria-pressed", "false")
    assert background(page) == light != dark
    page.emulate_media(color_scheme="light")
    assert background(page) == light


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(visit: Visit, server: str, theme: str) -> None:
    page = visit(server, color_scheme=theme)
    pairs = [
        *((text, ground) for text in ("fg", "muted") for ground in ("bg", "card", "sunk")),
        *((text, "card") for text in ("accent", "live", "hot")),
        *((text, "soft") for text in ("fg", "accent")),
        ("on-accent", "accent"),
        ("fg", "mark"),
        ("bg", "fg"),
    ]

    too_faint = {pair: ratio for pair in pairs if (ratio := contrast(page, *pair)) < 4.5}

    assert too_faint == {}


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_scrolls_sideways(visit: Visit, server: str, width: int) -> None:
    page = visit(server, viewport={"width": width, "height": 740})
    expect(page.locator("#connection")).to_have_text("ready")
    assert overhang(page) <= 0

    play_sample(page)
    assert overhang(page) <= 0
    page.locator(".result").first.click()
    expect(page.locator("#transcript-lines li").first).to_be_visible()

    assert overhang(page) <= 0


def test_a_server_with_a_key_asks_for_it_and_streams_with_a_ticket(
    visit: Visit, guarded_server: str, complaints: list[str]
) -> None:
    page = visit(guarded_server)
    field = page.get_by_label("This server asks for its API key")
    expect(field).to_be_visible()
    expect(page.locator("#connection")).to_have_text("needs a key")
    field.fill("wrong")
    field.press("Enter")
    expect(page.locator("#key-help")).to_contain_text("does not know this key")
    # The browser itself notes every refused request in the console.
    assert all("401" in complaint for complaint in complaints)
    complaints.clear()

    field.fill("secret")
    field.press("Enter")
    expect(page.locator("#connection")).to_have_text("ready")
    play_sample(page)
    expect(page.locator("#finals")).to_contain_text("officials")
    page.reload()

    expect(page.locator("#connection")).to_have_text("ready")
    expect(field).to_be_hidden()
    assert "secret" not in str(page.evaluate("Object.values(localStorage)"))


def test_a_machine_without_a_microphone_is_told_what_to_do(
    visit: Visit, server: str, launch: Callable[..., Browser]
) -> None:
    page = visit(server, browser=launch(), permissions=["microphone"])

    press_start(page)

    expect(page.locator("#notice")).to_contain_text("No microphone was found. Plug one in")
    expect_idle(page)


def test_a_blocked_microphone_is_told_what_to_do(
    visit: Visit, server: str, launch: Callable[..., Browser]
) -> None:
    page = visit(server, browser=launch("--use-fake-device-for-media-stream"))

    press_start(page)

    expect(page.locator("#notice")).to_contain_text("microphone is blocked for this page. Allow it")
    expect_idle(page)


def test_a_broken_connection_is_taken_up_again_and_no_word_is_lost(
    visit: Visit, server: str, speech_dir: Path, store: Store
) -> None:
    page = visit(server)
    sides: list[WebSocketRoute] = []
    page.route_web_socket(
        "**/v1/stream*", lambda near: sides.extend((near, near.connect_to_server()))
    )
    page.reload()
    page.get_by_text("File", exact=True).click()
    page.locator("#file").set_input_files(speech_dir / "sentence.flac")

    press_start(page)
    expect(page.locator("#pending .said")).to_have_text(re.compile("[a-z]+"))
    for side in sides[:2]:
        side.close(code=3001)

    expect(page.locator("#finals li .said")).to_have_text("officials said there was no evidence")
    expect_idle(page)
    assert len(sides) == 4
    recording_ms = 3408
    assert store.get(newest(store)).session.audio_ms == recording_ms


def test_a_lost_server_is_said_and_found_again(
    visit: Visit, engine: Engine, complaints: list[str]
) -> None:
    with running_server(engine) as running:
        page = visit(running.url)
        press_start(page)
        expect(page.get_by_role("button", name="Stop")).to_be_visible()

    expect_idle(page)
    expect(page.locator("#notice")).to_be_visible()
    expect(page.locator("#connection")).to_have_text("disconnected")
    complaints.clear()


# --- what the tests do with the page ------------------------------------------------------------------


def press_start(page: Page) -> None:
    expect_idle(page)
    page.get_by_role("button", name="Start").click()


def expect_idle(page: Page) -> None:
    expect(page.locator("#main-button")).to_have_attribute("data-state", "idle")
    expect(page.locator("#model option").first).not_to_have_text("default")


def play_sample(page: Page) -> None:
    """Send the built-in sample as fast as possible, to the end."""
    page.get_by_text("Sample", exact=True).click()
    page.locator("#pace").select_option("fast")
    press_start(page)
    expect(page.locator("#finals li").first).to_be_visible()
    expect_idle(page)


def tab_order(page: Page) -> set[str]:
    """Press Tab until the focus leaves the page; the ids that it came by."""
    reached: set[str] = set()
    while True:
        page.keyboard.press("Tab")
        element = page.evaluate("document.activeElement.id || document.activeElement.tagName")
        if element in reached or element == "BODY":
            return reached
        if element.islower():
            reached.add(element)


def shaded_pixels(page: Page) -> int:
    """How many pixels of the waveform have the colour of speech without a bar on them."""
    count: int = page.evaluate(
        """() => {
          const canvas = document.getElementById("wave");
          const { width, height } = canvas;
          const copy = new OffscreenCanvas(width, height).getContext("2d");
          copy.drawImage(canvas, 0, 0);
          const { data } = copy.getImageData(0, 0, width, height);
          let shaded = 0;
          for (let i = 3; i < data.length; i += 4) if (data[i] > 10 && data[i] < 40) shaded++;
          return shaded;
        }"""
    )
    return count


def overhang(page: Page) -> int:
    """CSS pixels by which the page is wider than its window."""
    pixels: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return pixels


def background(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def content(download: Download) -> str:
    return download.path().read_bytes().decode()


def write_endless_webm(target: Path, samples: Samples) -> None:
    """A WebM file as browsers record it: its header knows no length."""
    with av.open(str(target), "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
        frame.rate = LISTEN_RATE_HZ
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48_000, frame_size=960)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


# --- what the tests keep in the store -----------------------------------------------------------------


def keep(store: Store, session_id: str, text: str, name: str | None = None) -> None:
    """A transcript of one utterance."""
    record = SessionRecord(session_id, "file", "pocketsphinx", started_at_ms=1, name=name)
    store.begin_session(record)
    store.add_utterance(session_id, Utterance("u1", text, 0, 1000))
    store.end_session(session_id, ended_at_ms=2, audio_ms=1000)


def newest(store: Store) -> str:
    return store.list(TranscriptQuery(limit=1)).items[0].session.id
