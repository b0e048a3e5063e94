"""The play page in a real Chromium against a real server: what a musician sees, and what the meters say is heard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from gapless.engine import Engine
from gapless.play import load
from gapless.settings import Settings
from gapless.testing.contrast import contrast
from gapless.testing.server import running_server

pytestmark = pytest.mark.browser

Visit: TypeAlias = Callable[..., Page]

FIRST_SOUND_MS = 120_000
"""Bound of the wait for a program: units are compiled when they are used for the first time on a machine."""

WAIT_MS = 20_000
"""Bound of every other wait; all of them are for conditions."""

LOUD = re.compile(r"\d+ dB")
SILENT = "\N{EN DASH}"
TONE = 'o1: s "saw*4" # gain 0.5 # legato 1'

expect.set_options(timeout=WAIT_MS)


def test_a_program_is_heard_until_it_is_stopped(visit: Visit, server: str) -> None:
    page = open_play(visit, server)

    play(page, TONE)

    expect(meter(page, "left")).to_have_text(LOUD)
    expect(meter(page, "right")).to_have_text(LOUD)
    expect(page.locator("#connection")).to_have_text("playing")
    expect(page.locator("#outputs li")).to_have_text(["o1"])
    expect(page.locator("#bpm")).to_have_text("120 bpm")
    expect(page.locator("#cycle")).to_have_text(re.compile(r"[1-9]"))
    page.get_by_role("button", name="Stop").click()
    expect_idle(page)
    expect(meter(page, "left")).to_have_text(SILENT)
    expect(page.locator("#connection")).to_have_text("ready")


def test_the_sides_are_heard_where_the_program_puts_them(visit: Visit, server: str) -> None:
    page = open_play(visit, server)

    play(page, f"{TONE} # pan 0")

    expect(meter(page, "left")).to_have_text(LOUD)
    assert meter(page, "right").text_content() == SILENT
    play(page, f"{TONE} # pan 1")
    expect(meter(page, "right")).to_have_text(LOUD)
    expect(meter(page, "left")).to_have_text(SILENT)


def test_words_are_marked_while_what_they_made_sounds(visit: Visit, server: str) -> None:
    page = open_play(visit, server)
    play(page, '-- 😀\ncps: 1\no1: s "bd sn"')

    seen = watch_marks(page, {"bd", "sn"})

    # Each word has one half of the cycle, and so two of its four beats.
    assert seen == {("bd", 0), ("bd", 1), ("sn", 2), ("sn", 3)}


def test_marks_follow_their_words_through_edits_that_are_not_played_yet(
    visit: Visit, server: str
) -> None:
    page = open_play(visit, server)
    play(page, 'cps: 1\no1: s "bd sn"')
    watch_marks(page, {"bd"})

    page.locator("#program").press("ControlOrMeta+Home")
    page.keyboard.type("-- above\n")

    assert {word for word, _ in watch_marks(page, {"bd", "sn"})} == {"bd", "sn"}
    expect(page.locator("#main-button")).to_have_attribute("data-differs", "")


def test_a_mistake_is_shown_where_it_is_and_the_sound_goes_on(visit: Visit, server: str) -> None:
    page = open_play(visit, server)
    play(page, TONE)
    expect(meter(page, "left")).to_have_text(LOUD)

    play(page, f'{TONE}\no2: s "bd*2" # lfp 300', good=False)

    verdict = page.locator("#verdict")
    expect(verdict).to_contain_text("There is no function called lfp")
    expect(verdict).to_contain_text("did you mean lpf?")
    assert marked(page, "mistake") == ["lfp"]
    before = int(page.locator("#cycle").text_content() or "0")
    expect(page.locator("#cycle")).not_to_have_text(str(before))
    expect(meter(page, "left")).to_have_text(LOUD)
    page.get_by_role("button", name="Line 2, column 16").click()
    page.keyboard.type("lpf")
    page.keyboard.press("ControlOrMeta+Enter")
    expect(verdict).to_have_attribute("data-state", "good", timeout=FIRST_SOUND_MS)
    assert marked(page, "mistake") == []
    expect(page.locator("#outputs li")).to_have_text(["o1", "o2"])


def test_a_program_that_never_was_right_shows_its_mistake_and_may_be_mended(
    visit: Visit, server: str
) -> None:
    page = open_play(visit, server)

    play(page, 'o1: s "bd', good=False)

    assert marked(page, "mistake") != []
    play(page, TONE)
    expect(meter(page, "left")).to_have_text(LOUD)


def test_remarks_are_listed_and_underlined(visit: Visit, server: str) -> None:
    page = open_play(visit, server)

    play(page, f'{TONE}\no2: s "bdd*4"')

    # Found missing when it is to sound, for which more may have to be compiled.
    expect(page.locator("#remarks li")).to_contain_text("bdd", timeout=FIRST_SOUND_MS)
    assert marked(page, "remark") == ["bdd"]


def test_hush_silences_and_update_begins_again(visit: Visit, server: str) -> None:
    page = open_play(visit, server)
    play(page, TONE)
    expect(meter(page, "left")).to_have_text(LOUD)

    page.get_by_role("button", name="Hush").click()

    expect(page.locator("#verdict")).to_contain_text("Hushed")
    expect(meter(page, "left")).to_have_text(SILENT)
    assert marked(page, "sounding") == []
    page.get_by_role("button", name="Update").click()
    expect(meter(page, "left")).to_have_text(LOUD)


def test_pictures_show_the_sound_and_are_still_without_it(visit: Visit, server: str) -> None:
    page = open_play(visit, server)
    still = [picture(page, name) for name in ("scope", "spectrum")]

    play(page, TONE)
    expect(meter(page, "left")).to_have_text(LOUD)

    assert all(
        picture(page, name) != before
        for name, before in zip(("scope", "spectrum"), still, strict=True)
    )
    page.get_by_role("button", name="Stop").click()
    expect_idle(page)
    assert [picture(page, name) for name in ("scope", "spectrum")] == still


def test_the_text_and_the_settings_survive_a_reload(visit: Visit, server: str) -> None:
    page = open_play(visit, server)
    page.locator("#program").fill("-- mine 😀\n")
    page.locator("#volume").fill("35")
    page.locator("#buffer").select_option("500")

    page.reload()

    expect(page.locator("#program")).to_have_value("-- mine 😀\n")
    expect(page.locator("#volume-value")).to_have_text("35 %")
    expect(page.locator("#buffer")).to_have_value("500")


def test_an_example_takes_the_place_of_the_text_and_undo_brings_it_back(
    visit: Visit, server: str
) -> None:
    page = open_play(visit, server)
    page.locator("#program").fill("-- mine")

    page.get_by_label("Example").select_option("Slow chords")

    expect(page.locator("#program")).to_have_value(re.compile("chords that come and go"))
    page.locator("#program").press("ControlOrMeta+z")
    expect(page.locator("#program")).to_have_value("-- mine")


def test_every_example_is_a_program_without_a_remark(visit: Visit, server: str) -> None:
    page = open_play(visit, server)

    examples = page.evaluate('import("./play-examples.js").then((module) => module.EXAMPLES)')

    assert len(examples) >= 3
    for example in examples:
        program = load(example["text"])
        assert program.events(0, 1)


def test_everything_is_done_by_keyboard(visit: Visit, server: str) -> None:
    page = open_play(visit, server)
    editor = page.locator("#program")
    editor.focus()

    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("o1:")
    page.keyboard.press("Tab")
    page.keyboard.insert_text('s "saw*4"\n')
    page.keyboard.type("  # gain 0.5\n# legato 1")
    expect(editor).to_have_value('o1: s "saw*4"\n  # gain 0.5\n  # legato 1')
    page.keyboard.press("ControlOrMeta+Enter")
    expect(page.locator("#verdict")).to_have_attribute("data-state", "good", timeout=FIRST_SOUND_MS)
    expect(meter(page, "left")).to_have_text(LOUD)
    page.keyboard.press("ControlOrMeta+/")
    expect(editor).to_have_value('o1: s "saw*4"\n  # gain 0.5\n--   # legato 1')
    page.keyboard.press("ControlOrMeta+/")
    expect(editor).to_have_value('o1: s "saw*4"\n  # gain 0.5\n  # legato 1')
    page.keyboard.press("ControlOrMeta+.")
    expect(meter(page, "left")).to_have_text(SILENT)
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(editor).not_to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(editor).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(editor).not_to_be_focused()
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")

    expect_idle(page)
    expect(page.locator("#main-button")).to_be_focused()


def test_a_server_with_a_key_asks_for_it_and_plays_with_a_ticket(
    visit: Visit, guarded_server: str, complaints: list[str]
) -> None:
    page = visit(f"{guarded_server}/play")
    field = page.get_by_label("This server asks for its API key")
    expect(field).to_be_visible()
    assert all("401" in complaint for complaint in complaints)
    complaints.clear()

    field.fill("secret")
    field.press("Enter")
    expect(page.locator("#connection")).to_have_text("ready")
    expect(page.locator("#main-button")).to_be_focused()
    play(page, TONE)

    expect(meter(page, "left")).to_have_text(LOUD)
    assert "secret" not in str(page.evaluate("Object.values(localStorage)"))


def test_no_room_is_said(visit: Visit, complaints: list[str], tmp_path: Path) -> None:
    settings = Settings(port=0, data_dir=str(tmp_path), max_players=0)
    with Engine(settings) as engine, running_server(engine) as running:
        page = open_play(visit, running.url)
        page.locator("#main-button").click()

        expect(page.locator("#notice")).to_contain_text("no room for one more player")
        expect_idle(page)
        expect(page.get_by_role("button", name="Play again")).to_be_visible()
    assert all("WebSocket" in complaint for complaint in complaints)
    complaints.clear()


def test_a_lost_connection_is_said_and_play_again_brings_the_sound_back(
    visit: Visit, server: str
) -> None:
    page = open_play(visit, server)
    sides: list[WebSocketRoute] = []
    page.route_web_socket(
        "**/v1/play*", lambda near: sides.extend((near, near.connect_to_server()))
    )
    page.reload()
    play(page, TONE)
    expect(meter(page, "left")).to_have_text(LOUD)

    for side in sides[:2]:
        side.close(code=3001)

    expect(page.locator("#notice")).to_contain_text("connection to the server was lost")
    expect(page.locator("#connection")).to_have_text("disconnected")
    expect(meter(page, "left")).to_have_text(SILENT)
    page.get_by_role("button", name="Play again").click()
    expect(meter(page, "left")).to_have_text(LOUD)


def test_nothing_is_left_of_a_player_that_went_to_another_page(visit: Visit, server: str) -> None:
    page = open_play(visit, server)
    play(page, TONE)

    # One more than the server has room for: each has to leave with its page.
    for _ in range(Settings().max_players):
        page.get_by_role("link", name="Console").click()
        expect(page.locator("#history-title")).to_be_visible()
        page.go_back()
        expect_idle(page)
        play(page, TONE)

    expect(meter(page, "left")).to_have_text(LOUD)


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_no_width_scrolls_sideways(visit: Visit, server: str, width: int) -> None:
    page = visit(f"{server}/play", viewport={"width": width, "height": 740})
    expect(page.locator("#connection")).to_have_text("ready")
    page.locator("summary").click()
    page.locator("#program").fill(f"-- {'long ' * 60}")

    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_code_has_the_contrast_of_wcag_aa(visit: Visit, server: str, theme: str) -> None:
    page = visit(f"{server}/play", color_scheme=theme)
    kinds = ("comment", "string", "head", "bus", "number", "operator")
    pairs = [
        *((f"code-{kind}", "sunk") for kind in kinds),
        ("fg", "sounding"),
        ("on-onset", "onset"),
    ]

    too_faint = {pair: ratio for pair in pairs if (ratio := contrast(page, *pair)) < 4.5}

    assert too_faint == {}


# --- what the tests do with the page ------------------------------------------------------------------


def open_play(visit: Visit, server: str) -> Page:
    page = visit(f"{server}/play")
    expect(page.locator("#connection")).to_have_text("ready")
    return page


def play(page: Page, text: str, *, good: bool = True) -> None:
    """Write a program, play it or put it in place of the one that plays, and wait for the answer."""
    page.locator("#program").fill(text)
    page.evaluate("document.getElementById('verdict').dataset.state = 'none'")
    page.locator("#main-button").click()
    state = "good" if good else "mistake"
    expect(page.locator("#verdict")).to_have_attribute("data-state", state, timeout=FIRST_SOUND_MS)


def expect_idle(page: Page) -> None:
    expect(page.locator("#main-button")).to_have_attribute("data-state", "idle")


def meter(page: Page, side: str) -> Locator:
    return page.locator(f"#{side} .meter-value")


def marked(page: Page, name: str) -> list[str]:
    """The words that a highlight is on, as the browser has them."""
    words: list[str] = page.evaluate(
        """(name) => [...(CSS.highlights.get(name) ?? [])].map((range) =>
             range.startContainer.data.slice(range.startOffset, range.endOffset))""",
        name,
    )
    return words


def watch_marks(page: Page, words: set[str]) -> set[tuple[str, int]]:
    """Look at every frame until all these words were marked and another cycle is over.

    Returns:
        each marked word with the beat of the cycle that was lit in the same frame.
    """
    seen: list[tuple[str, int]] = page.evaluate(
        """(words) => new Promise((resolve) => {
          const seen = new Map();
          let cycles = 0, last = document.getElementById("cycle").textContent;
          const look = () => {
            const beat = [...document.getElementById("beats").children].findIndex((light) => "on" in light.dataset);
            for (const range of CSS.highlights.get("sounding") ?? []) {
              const word = range.startContainer.data.slice(range.startOffset, range.endOffset);
              seen.set(`${word} ${beat}`, [word, beat]);
            }
            const cycle = document.getElementById("cycle").textContent;
            if (cycle !== last) cycles++;
            last = cycle;
            const found = new Set([...seen.values()].map(([word]) => word));
            if (cycles >= 2 && words.every((word) => found.has(word))) resolve([...seen.values()]);
            else requestAnimationFrame(look);
          };
          requestAnimationFrame(look);
        })""",
        sorted(words),
    )
    return {(word, beat) for word, beat in seen}


def picture(page: Page, name: str) -> str:
    """What is drawn on a canvas."""
    drawn: str = page.evaluate("(name) => document.getElementById(name).toDataURL()", name)
    return drawn
