"""The play page's small modules, in the browser that will run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

Visit: TypeAlias = Callable[..., Page]

PROGRAM = 'bpm: 120 # fast\n~x: saw 440 # lpf 800\n-- o9: a "b"\no1: s "~x(7,17)" # note -1.5\n'


@pytest.fixture
def page(visit: Visit, server: str) -> Page:
    return visit(server)


def test_places_are_what_python_slices(page: Page) -> None:
    text = "one\n😀 two 語\n\nthree"
    places = [(1, 1, 3), (2, 1, 1), (2, 3, 3), (2, 7, 1), (4, 2, 4), (4, 6, 0)]

    words = page.evaluate(
        """async ([text, places]) => {
          const { Source } = await import("./play-places.js");
          const source = new Source(text);
          return places.map((place) => text.slice(...source.span(...place)));
        }""",
        [text, places],
    )

    lines = text.split("\n")
    assert words == [lines[line - 1][at - 1 : at - 1 + n] for line, at, n in places]


def test_a_line_that_is_not_there_has_no_place(page: Page) -> None:
    found = page.evaluate(
        """async () => {
          const { Source } = await import("./play-places.js");
          return new Source("a\\nb").span(3, 1, 1);
        }"""
    )

    assert found is None


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ("bd sn hh", ["bd", "sn", "hh"]),
        ("bd cp hh", ["bd", None, "hh"]),
        ("-- x\nbd sn hh", ["bd", "sn", "hh"]),
        ("bd sn", ["bd", "sn", None]),
        ("bd bd sn hh", ["bd", "sn", "hh"]),
        ("", [None, None, None]),
    ],
    ids=["same", "word", "above", "end", "doubled", "all"],
)
def test_places_follow_an_edit(page: Page, after: str, words: list[str | None]) -> None:
    spans = page.evaluate(
        """async (after) => {
          const { Edit } = await import("./play-places.js");
          const edit = new Edit("bd sn hh", after);
          return [[0, 2], [3, 5], [6, 8]].map((span) => edit.map(span));
        }""",
        after,
    )

    assert [span and after[slice(*span)] for span in spans] == words


def test_words_of_a_program_are_told_apart(page: Page) -> None:
    found = page.evaluate(
        """async (text) => {
          const { syntaxOf } = await import("./play-syntax.js");
          const words = [...syntaxOf(text)].map(([kind, spans]) => [kind, spans.map((span) => text.slice(...span))]);
          return Object.fromEntries(words);
        }""",
        PROGRAM,
    )

    assert found == {
        "comment": ["# fast", '-- o9: a "b"'],
        "string": ['"~x(7,17)"'],
        "head": ["bpm", "o1"],
        "bus": ["~x"],
        "number": ["120", "440", "800", "1.5"],
        "operator": ["#", "#", "-"],
    }


def test_the_tempo_holds_from_its_sample_on(page: Page) -> None:
    positions = page.evaluate(
        """async () => {
          const { Tempo } = await import("./play-tempo.js");
          const tempo = new Tempo();
          tempo.reset(1000);
          tempo.push({ sample: 0, cycle: 0, cps: 0.5 });
          tempo.push({ sample: 4000, cycle: 2, cps: 1 });
          return [-1, 0, 2000, 3999, 4000, 4500].map((sample) => tempo.at(sample)?.cycle ?? null);
        }"""
    )

    assert positions == [None, 0, 1, 1.9995, 2, 2.5]


def run_worklet(page: Page, blocks: list[int], *, later: int = 0, **options: int) -> Any:
    """What it plays of blocks of ones of these lengths, and of a ramp that comes later; and its last report."""
    return page.evaluate(
        """async ([blocks, later, processorOptions]) => {
          const context = new OfflineAudioContext(2, 16384, 48000);
          await context.audioWorklet.addModule("./play-worklet.js");
          const node = new AudioWorkletNode(context, "play", {
            numberOfInputs: 0, outputChannelCount: [2], processorOptions,
          });
          let report = null;
          node.port.onmessage = ({ data }) => (report = data);
          // What is posted has to arrive before time, which is not real here, goes on.
          const pause = () => new Promise((resume) => setTimeout(resume, 100));
          const post = (frames, valueOf) => {
            const block = new Float32Array(2 * frames).map((_, i) => (i % 2 ? -1 : 1) * valueOf(i >> 1));
            node.port.postMessage(block.buffer, [block.buffer]);
            return pause();
          };
          for (const frames of blocks) await post(frames, () => 1);
          node.connect(context.destination);
          if (later) {
            context.suspend(4096 / 48000).then(async () => {
              await post(later, (i) => 1 + i / later);
              context.resume();
            });
          }
          const sound = await context.startRendering();
          await pause();
          return { left: [...sound.getChannelData(0)], right: [...sound.getChannelData(1)], report };
        }""",
        [blocks, later, {"ringFrames": 8192, "primeFrames": 512, "fadeFrames": 240, **options}],
    )


def test_what_came_is_played_to_the_end_and_fades_where_nothing_follows(page: Page) -> None:
    played = run_worklet(page, [1000, 777, 1223])

    left, right = np.asarray(played["left"]), np.asarray(played["right"])
    heard = np.flatnonzero(left)
    assert np.array_equal(left, -right)
    assert len(heard) == 3000
    sound = left[heard[0] : heard[0] + 3000]
    assert np.all(sound[: 3000 - 240] == 1)
    assert np.abs(np.diff(sound)).max() < 1.01 / 240
    assert sound[-1] < 1e-6
    assert played["report"] == {"frame": 16384, "played": 3000, "gaps": 1}


def test_after_a_gap_the_sound_goes_on_with_a_fade_and_the_ring_keeps_the_order(
    page: Page,
) -> None:
    played = run_worklet(page, [600], later=650, ringFrames=700)

    left = np.asarray(played["left"])[4096:]
    begin = np.flatnonzero(left)[0]
    sound = left[begin : begin + 650]
    ramp = 1 + np.arange(650) / 650
    assert np.allclose(sound[240 : 650 - 240], ramp[240 : 650 - 240])
    assert np.abs(np.diff(np.concatenate([[0], sound, [0]]))).max() < 2.1 / 240
    assert played["report"] == {"frame": 16384, "played": 1250, "gaps": 2}


def test_it_waits_until_enough_has_come(page: Page) -> None:
    played = run_worklet(page, [511])

    assert not np.any(played["left"])
    assert played["report"] == {"frame": 16384, "played": 0, "gaps": 0}


def test_more_than_it_has_room_for_is_said(page: Page) -> None:
    played = run_worklet(page, [1000], ringFrames=999)

    assert played["report"] == {"overflow": True}
    assert not np.any(played["left"])
