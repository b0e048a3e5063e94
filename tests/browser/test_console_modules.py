"""The console's small modules against their Python counterparts, in the browser that will run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pytest
from playwright.sync_api import Page

from gapless.transcript import Utterance, clock, to_srt, to_text, to_vtt

pytestmark = pytest.mark.browser

Visit: TypeAlias = Callable[..., Page]

UTTERANCES = (
    Utterance("u1", "plain words", 0, 1500),
    Utterance("u2", "fish & chips <b>now</b>", 59_999, 61_001),
    Utterance("u3", "two\n\nlines  and\ttabs", 3_599_000, 3_600_000),
    Utterance("u4", "größe 😀 語", 36_000_123, 36_001_456),
)


@pytest.fixture
def page(visit: Visit, server: str) -> Page:
    return visit(server)


def call(page: Page, module: str, function: str, *arguments: Any) -> Any:
    """The result of an exported function."""
    return page.evaluate(
        "async ([module, name, given]) => (await import(`./${module}.js`))[name](...given)",
        [module, function, list(arguments)],
    )


@pytest.mark.parametrize(
    ("function", "render"), [("toText", to_text), ("toSrt", to_srt), ("toVtt", to_vtt)]
)
def test_files_of_captions_are_those_of_the_server(
    page: Page, function: str, render: Callable[[tuple[Utterance, ...]], str]
) -> None:
    assert call(page, "formats", function, msgspec.to_builtins(UTTERANCES)) == render(UTTERANCES)
    assert call(page, "formats", function, []) == render(())


def test_texts_are_cut_by_code_points(page: Page) -> None:
    text = "a😀語 é👍🏽 z"

    for count in range(len(text) + 2):
        assert call(page, "codepoints", "splitAt", text, count) == [text[:count], text[count:]]


def test_ranges_mark_what_python_slices(page: Page) -> None:
    text = "😀 one two 語 three"
    ranges = [(2, 5), (10, 11)]

    parts = call(page, "codepoints", "cutRanges", text, ranges)

    assert "".join(part["text"] for part in parts) == text
    marked = [part["text"] for part in parts if part["marked"]]
    assert marked == [text[start:end] for start, end in ranges]


@pytest.mark.parametrize("ms", [0, 999, 59_999, 3_600_000, 360_000_001])
def test_cue_times_are_those_of_the_server(page: Page, ms: int) -> None:
    assert call(page, "clock", "cueTime", ms, ",") == clock(ms, ",")


def test_samples_become_16_bit_pcm_and_loud_ones_are_clipped(page: Page) -> None:
    samples = [0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 1e-9]

    values = page.evaluate(
        """async (samples) => {
          const { toPcm16 } = await import("./pcm.js");
          return Array.from(new Uint8Array(toPcm16(Float32Array.from(samples))));
        }""",
        samples,
    )

    expected = np.round(np.clip(samples, -1, 1) * 32_767)
    assert np.abs(np.frombuffer(bytes(values), "<i2") - expected).max() <= 1


def test_the_microphone_hands_over_every_sample_it_heard(page: Page) -> None:
    lengths = page.evaluate(
        """async () => {
          const context = new AudioContext();
          await context.audioWorklet.addModule("./capture-worklet.js");
          const node = new AudioWorkletNode(context, "capture", {
            numberOfOutputs: 0, processorOptions: { blockSamples: 1001 },
          });
          const source = new ConstantSourceNode(context);
          source.connect(node);
          source.start();
          await context.resume();
          const lengths = [];
          return new Promise((resolve) => {
            node.port.onmessage = ({ data }) => {
              if (data === null) resolve(lengths);
              else lengths.push(data.length);
              if (lengths.length === 5) node.port.postMessage("end");
            };
          });
        }"""
    )

    assert lengths[:5] == [1001] * 5
    quantum = 128
    assert sum(lengths) % quantum == 0
