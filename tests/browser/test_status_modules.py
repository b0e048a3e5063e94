"""The small modules of the status page and of the measured frames, in the browser that will run them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import pytest
from playwright.sync_api import Page, expect

from gapless.bench.distribution import percentile
from gapless.observe.status import History, Series

pytestmark = pytest.mark.browser

Visit: TypeAlias = Callable[..., Page]


@pytest.fixture
def page(visit: Visit, server: str) -> Page:
    page = visit(server)
    expect(page.locator("#connection")).to_have_text("ready")
    return page


def call(page: Page, module: str, function: str, *arguments: Any) -> Any:
    """The result of an exported function."""
    return page.evaluate(
        "async ([module, name, given]) => (await import(`./${module}.js`))[name](...given)",
        [module, function, list(arguments)],
    )


def told(first_ms: int, *values: float | None, name: str = "lag") -> History:
    """Values of one figure, 5 s apart."""
    return History(
        every_s=5.0,
        at_ms=tuple(first_ms + 5000 * i for i in range(len(values))),
        series=(Series(name=name, says="", unit="", values=values),),
    )


def hour_of(page: Page, *histories: History) -> dict[str, Any]:
    """What the page has after it was told these, one after the other."""
    kept: dict[str, Any] = page.evaluate(
        """async (histories) => {
          const { Hour } = await import("./status-hour.js");
          const hour = new Hour();
          for (const history of histories) hour.take(history);
          const lines = Object.fromEntries([...hour.lines].map(([name, line]) => [name, line.values]));
          return { at: hour.atMs, lines, newest: hour.newestMs };
        }""",
        msgspec.to_builtins(list(histories)),
    )
    return kept


# --- the hour -----------------------------------------------------------------------------------------


def test_what_is_known_already_is_not_taken_twice(page: Page) -> None:
    kept = hour_of(page, told(0, 1.0, 2.0, None), told(5000, 8.0, 9.0, 3.0), told(0, 7.0))

    assert kept == {
        "at": [0, 5000, 10_000, 15_000],
        "lines": {"lag": [1, 2, None, 3]},
        "newest": 15_000,
    }


def test_figures_that_come_and_go_stay_aligned_with_their_moments(page: Page) -> None:
    kept = hour_of(
        page, told(0, 1.0, name="a"), told(5000, 2.0, name="b"), told(10_000, 3.0, name="a")
    )

    assert kept["lines"] == {"a": [1, None, 3], "b": [None, 2, None]}


def test_a_page_that_is_left_open_keeps_one_hour(page: Page) -> None:
    day = [told(1000 * at_s, *(1.0,) * 720) for at_s in range(0, 86_400, 3600)]

    kept = hour_of(page, *day)

    assert kept["newest"] - kept["at"][0] == 3_600_000
    assert len(kept["at"]) == len(kept["lines"]["lag"]) == 721


def test_spans_have_the_lowest_the_middle_and_the_highest(page: Page) -> None:
    spans = call(page, "status-hour", "spans", [0, 10, 99, 100, 350], [3, None, 1, 7, None], 100)

    assert spans == [
        {"fromMs": 0, "count": 2, "low": 1, "middle": 3, "high": 3},
        {"fromMs": 100, "count": 1, "low": 7, "middle": 7, "high": 7},
    ]


@pytest.mark.parametrize(("time_ms", "place"), [(-9, 0), (4, 0), (6, 1), (10, 1), (26, 2), (99, 2)])
def test_the_nearest_moment_is_found(page: Page, time_ms: int, place: int) -> None:
    assert call(page, "status-hour", "nearest", [0, 10, 40], time_ms) == place
    assert call(page, "status-hour", "nearest", [], time_ms) == -1


# --- scales and figures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("highest", "target", "top", "step", "shown"),
    [
        (55, 45, 60, 20, True),
        (12, 45, 60, 20, True),
        (3, 45, 4, 1, False),
        (0, 0, 1, 0.25, True),
        (0, None, 1, 0.25, False),
        (0.0031, None, 0.004, 0.001, False),
    ],
)
def test_scales_are_round_and_a_far_target_does_not_press_the_line_flat(
    page: Page, highest: float, target: float | None, top: float, step: float, *, shown: bool
) -> None:
    scale = call(page, "status-scale", "valueScale", highest, target, 4)

    assert scale == {
        "top": pytest.approx(top),
        "step": pytest.approx(step),
        "shown": shown,
    }


@pytest.mark.parametrize("highest", [10.0**power * 3.7 for power in range(-6, 10)])
def test_every_value_fits_on_its_scale_with_a_few_lines(page: Page, highest: float) -> None:
    scale = call(page, "status-scale", "valueScale", highest, None, 4)

    assert scale["top"] > highest
    assert 2 <= scale["top"] / scale["step"] <= 6


def test_times_on_the_clock_are_round_and_not_too_many(page: Page) -> None:
    begin = 1_790_000_123_456

    for span_ms in (300_000, 900_000, 3_600_000):
        ticks = call(page, "status-scale", "timeTicks", begin, begin + span_ms, 5)
        assert 2 <= len(ticks) <= 6
        assert all(tick % 30_000 == 0 for tick in ticks)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4.2, "ms", "4.2 ms"),
        (0.126, "ms", "0.13 ms"),
        (1250, "ms", "1.25 s"),
        (2512.3, "MB", "2.51 GB"),
        (-12, "dB", "\N{MINUS SIGN}12 dB"),
        (123_456.7, "/s", "123,457 /s"),
        (0, "", "0"),
        (None, "ms", "\N{EN DASH}"),
    ],
)
def test_figures_have_three_digits_and_a_unit(
    page: Page, value: float | None, unit: str, text: str
) -> None:
    assert call(page, "status-quantity", "quantity", value, unit) == text


# --- frames -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 1000])
def test_percentiles_of_frames_are_those_of_the_benches(page: Page, count: int) -> None:
    chance = random.Random(count)
    times = [chance.randrange(100_000) for _ in range(count)]

    summary = call(page, "frame-time", "summarise", times)

    ordered = sorted(times)
    assert summary == {
        "frames": count,
        "p50": percentile(ordered, 0.5),
        "p95": percentile(ordered, 0.95),
        "max": ordered[-1],
    }
    assert call(page, "frame-time", "summarise", []) is None


def test_a_frame_has_its_callback_its_layout_and_what_ran_before_it(page: Page) -> None:
    times = page.evaluate(
        """async () => {
          const { FrameTimes } = await import("./frame-time.js");
          const times = new FrameTimes();
          const spin = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ) ; };
          const frame = (between, inside) => new Promise((resolve) => {
            times.between(() => spin(between));
            requestAnimationFrame(() => {
              times.begin();
              spin(inside);
              setTimeout(resolve, 20);
            });
          });
          const maxima = [];
          for (const [between, inside] of [[0, 0], [30, 0], [0, 60], [60, 60]]) {
            times.reset();
            await frame(between, inside);
            maxima.push(times.summary.max);
          }
          times.reset();
          return { maxima, after: times.summary };
        }"""
    )

    for measured, least in zip(times["maxima"], (0, 30, 60, 120), strict=True):
        assert measured >= least
    assert times["after"] is None


def test_only_the_last_thousand_frames_are_remembered(page: Page) -> None:
    summary = page.evaluate(
        """async () => {
          const { FrameTimes } = await import("./frame-time.js");
          const times = new FrameTimes();
          for (let i = 0; i < 1500; i++) {
            times.begin();
            await new Promise((resolve) => {
              const { port1, port2 } = new MessageChannel();
              port1.onmessage = resolve;
              port2.postMessage(null);
            });
          }
          return { count: times.count, frames: times.summary.frames };
        }"""
    )

    assert summary == {"count": 1500, "frames": 1024}


def test_the_console_says_how_long_its_frames_take_and_keeps_it_for_the_status_page(
    page: Page,
) -> None:
    expect(page.locator("#frames")).to_be_hidden()

    page.get_by_role("button", name="Start").click()

    expect(page.locator("#frames")).to_contain_text("of 16 ms")
    page.wait_for_function("() => Number(document.getElementById('frames').dataset.frames) > 60")
    told = page.locator("#frames").evaluate("({ dataset }) => ({ ...dataset })")
    assert 0 < float(told["p50Ms"]) <= float(told["p95Ms"]) <= float(told["maxMs"])
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function("() => document.getElementById('main-button').dataset.state === 'idle'")
    kept = call(page, "frame-kept", "keptFrames")
    assert kept["frames"] >= int(told["frames"])
    assert kept["p95"] > 0
