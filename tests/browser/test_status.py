"""The status page in a real Chromium: verdict, charts and tables in every state a server can be in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from gapless.observe.status import History, Status
from gapless.testing.contrast import contrast
from gapless.testing.statuses import MET, MISSED, NEVER, NEWEST_MS, POINTS, STATUS, UNKNOWN, hour

pytestmark = pytest.mark.browser

Visit: TypeAlias = Callable[..., Page]

WAIT_MS = 20_000
NOTHING = "\N{EN DASH}"
"""What stands where nothing was measured."""

expect.set_options(timeout=WAIT_MS)


class Told:
    """What the page is told instead of what the server says; may be changed while it is open."""

    status: Status = STATUS
    history: History = hour()
    refusal: tuple[int, dict[str, Any]] | None = None

    def __init__(self) -> None:
        self.since: list[str] = []
        """The queries of the history, in order."""

    def answer_status(self, route: Route) -> None:
        if self.refusal is not None:
            status, body = self.refusal
            route.fulfill(status=status, body=msgspec.json.encode(body))
        else:
            route.fulfill(body=msgspec.json.encode(self.status))

    def answer_history(self, route: Route) -> None:
        self.since.append(route.request.url.partition("?")[2])
        route.fulfill(body=msgspec.json.encode(self.history))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def open_status(visit: Visit, server: str, told: Told) -> Callable[..., Page]:
    """Opens the page, which is told what ``told`` says."""

    def open_page(**options: Any) -> Page:
        page = visit(server, **options)
        expect(page.locator("#connection")).to_have_text("ready")
        page.route("**/v1/status", told.answer_status)
        page.route("**/v1/status/history*", told.answer_history)
        page.goto(f"{server}/status")
        return page

    return open_page


@pytest.fixture
def page(open_status: Callable[..., Page]) -> Page:
    page = open_status()
    expect(page.locator("#connection")).to_have_text("live")
    return page


# --- the verdict --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("judgement", "sentence"),
    [
        ("all met", "All targets are met"),
        ("good", "Most targets are met"),
        ("attention", "This server needs attention"),
    ],
)
def test_the_judgement_is_a_sentence(
    open_status: Callable[..., Page], told: Told, judgement: Any, sentence: str
) -> None:
    told.status = msgspec.structs.replace(STATUS, judgement=judgement)

    page = open_status()

    expect(page.get_by_role("heading", name=sentence)).to_be_visible()
    expect(page.locator("#verdict-count")).to_have_text(
        "3 of 4 in the last 60 s; for 1 there was nothing to measure"
    )
    expect(page.locator("#facts")).to_have_text(
        re.compile(r"up\s*3 h 12 min\s*processes\s*2\s*version\s*1\.2\.3")
    )
    expect(page.locator("#troubles li")).to_have_text(list(STATUS.troubles))


def test_each_target_says_in_words_whether_it_is_met(page: Page) -> None:
    rows = page.get_by_role("list", name="Targets").get_by_role("listitem")

    expect(rows.locator(".says")).to_have_text(
        [target.says for target in (MET, MISSED, UNKNOWN, NEVER)]
    )
    expect(rows.locator(".state")).to_have_text(["met", "not met", "not measured", "met"])
    expect(rows.locator(".figure")).to_have_text(
        ["12.3 ms of 45 ms", "1.25 s of 50 ms", f"{NOTHING} of 60 %", "0 /min of 0 /min"]
    )
    widths = rows.locator(".bar i").evaluate_all("bars => bars.map(({style}) => style.width)")
    assert [round(float(width.rstrip("%"))) for width in widths] == [19, 100, 0, 0]


def test_figures_follow_the_server(page: Page, told: Told) -> None:
    told.status = msgspec.structs.replace(
        STATUS,
        judgement="all met",
        targets_met=4,
        targets=(
            MET,
            msgspec.structs.replace(MISSED, value=20.0, met=True),
            UNKNOWN,
            msgspec.structs.replace(NEVER, value=0.5, met=False),
        ),
        streams=msgspec.structs.replace(STATUS.streams, live=13),
    )

    expect(page.get_by_role("heading", name="All targets are met")).to_be_visible()
    expect(page.locator("[data-target=latency] .state")).to_have_text("met")
    never = page.locator("[data-target='refused or failed']")
    expect(never.locator(".state")).to_have_text("not met")
    assert never.locator(".bar i").evaluate("bar => bar.style.width") == "100%"
    expect(page.locator(".tile").first.locator("strong")).to_have_text("13")


# --- charts -------------------------------------------------------------------------------------------


def test_each_figure_of_the_hour_has_a_chart_that_says_its_range(page: Page, told: Told) -> None:
    lag, streams, latency = told.history.series
    known = [value for value in lag.values if value is not None]

    expect(page.locator("figure h3")).to_have_text(["Lag, p95", "Streams live", "Latency p95"])
    described = chart(page, lag.name).get_attribute("aria-label") or ""
    assert described.startswith("Lag, p95: ")
    assert f"{min(known):.0f} ms to {max(known):.0f} ms in the last hour" in described
    assert described.endswith("target 45 ms")
    expect(card(page, streams.name).locator(".chart-value")).to_have_text("11")
    expect(card(page, latency.name).locator(".chart-value")).to_have_text(NOTHING)


def test_the_line_is_drawn_where_there_are_values_and_not_in_the_hole(page: Page) -> None:
    columns = drawn_columns(chart(page, "lag_p95"))

    left, right = round(0.42 * len(columns)), round(0.455 * len(columns))
    assert not any(columns[left:right])
    assert all(columns[: left - 6])
    assert all(columns[right + 6 :])


def test_what_is_over_the_target_has_another_colour(page: Page) -> None:
    assert pixels_like(chart(page, "lag_p95"), "--hot") > 20
    assert pixels_like(chart(page, "streams_live"), "--hot") == 0


@pytest.mark.parametrize("how", ["click", "keys"])
def test_a_chart_is_one_click_or_key_from_what_it_means(page: Page, told: Told, how: str) -> None:
    lag = told.history.series[0]
    figure = card(page, lag.name)
    expect(figure.get_by_text(lag.says)).to_be_hidden()

    if how == "click":
        figure.get_by_text("What is this?").click()
    else:
        chart(page, lag.name).focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")

    expect(figure.get_by_text(lag.says)).to_be_visible()
    expect(figure.locator("dd")).to_have_text(
        ["ms", "at most 45 ms: the dashed line", "gapless_stream_lag_seconds"]
    )


def test_the_table_of_a_chart_has_the_data_of_the_chart(page: Page, told: Told) -> None:
    lag = told.history.series[0]
    expected: dict[int, list[float]] = {}
    for at_ms, value in zip(told.history.at_ms, lag.values, strict=True):
        if value is not None:
            expected.setdefault(at_ms // 300_000, []).append(value)

    card(page, lag.name).get_by_text("What is this?").click()

    cells = (
        card(page, lag.name)
        .locator("tbody tr")
        .evaluate_all(
            "rows => rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent))"
        )
    )
    shown = [[float(cell.removesuffix(" ms")) for cell in row] for row in cells]
    whole = [
        [min(values), sorted(values)[len(values) // 2], max(values)]
        for _, values in sorted(expected.items(), reverse=True)
    ]
    assert len(shown) == len(whole)
    for row, values in zip(shown, whole, strict=True):
        assert row == pytest.approx(values, abs=0.06)


def test_pointing_at_a_chart_reads_the_same_moment_in_all_of_them(page: Page) -> None:
    box = chart(page, "lag_p95").bounding_box()
    assert box is not None

    chart(page, "lag_p95").hover(position={"x": box["width"] - 60, "y": 60})

    expect(card(page, "streams_live").locator(".chart-when")).not_to_be_empty()
    whens = page.locator(".chart-when").all_text_contents()
    assert len(set(whens)) == 1
    expect(card(page, "streams_live").locator(".chart-value")).to_have_text(
        re.compile("^(8|9|10)$")
    )
    page.mouse.move(1, 1)
    expect(card(page, "streams_live").locator(".chart-value")).to_have_text("11")


def test_arrow_keys_read_a_chart_value_by_value(page: Page, told: Told) -> None:
    values = told.history.series[0].values
    canvas = chart(page, "lag_p95")
    canvas.focus()

    page.keyboard.press("ArrowLeft")

    before = values[-2]
    assert before is not None
    expect(canvas).to_have_attribute("aria-valuenow", str(POINTS - 2))
    expect(canvas).to_have_attribute("aria-valuetext", re.compile(rf"^{before:.1f}".rstrip("0.")))
    page.keyboard.press("Home")
    expect(canvas).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("Escape")
    expect(canvas).to_have_attribute("aria-valuenow", str(POINTS - 1))


def test_only_what_is_new_is_asked_for_and_the_chart_goes_on(page: Page, told: Told) -> None:
    told.history = msgspec.structs.replace(
        told.history,
        at_ms=(NEWEST_MS + 5000,),
        series=tuple(
            msgspec.structs.replace(series, values=(99.0,)) for series in told.history.series
        ),
    )

    expect(card(page, "latency_p95").locator(".chart-value")).to_have_text("99 ms")

    assert told.since[:2] == ["", f"since_ms={NEWEST_MS}"]
    expect(card(page, "streams_live").locator("canvas")).to_have_attribute(
        "aria-label", re.compile("99, 0 to 99 in the last hour")
    )


def test_a_server_that_listens_shows_its_stream_and_its_lag(visit: Visit, server: str) -> None:
    console = visit(server)
    expect(console.locator("#connection")).to_have_text("ready")
    console.get_by_role("button", name="Start").click()
    expect(console.get_by_role("button", name="Stop")).to_be_visible()

    page = visit(f"{server}/status")

    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#targets li")).to_have_count(5)
    expect(page.locator(".tile").first.locator("strong")).to_have_text(re.compile("^[1-9]"))
    expect(page.locator(".tile").nth(1).locator("strong")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    lag = card(page, "lag_p95")
    expect(lag.locator(".chart-value")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    lag.get_by_text("What is this?").click()
    expect(lag.locator("dd").last).to_have_text("gapless_stream_lag_seconds")
    expect(lag.locator("tbody tr").first).to_have_text(re.compile(r"\d m?s$"))


# --- figures ------------------------------------------------------------------------------------------


def test_every_part_of_the_server_has_its_figures_as_text(page: Page) -> None:
    expect(page.locator(".tile strong")).to_have_text(
        ["12", "12.3 ms", "37.5 %", "812 MB", "0.5 /s"]
    )
    expect(page.locator("#dialects tbody th")).to_have_text(["kserve", "native <b>"])
    expect(page.locator("#dialects tbody tr").first.locator("td")).to_have_text(
        ["1,241 /s", "0 /s", "3.2 ms", "12.3 ms", "31 ms"]
    )
    expect(page.locator("#models tbody td")).to_have_text(
        ["80 /s", "5", "12.3 ms", "12.3 ms", "3", "12 of 64"]
    )
    expect(page.locator("#caches tbody td")).to_have_text(["90 %", "100 /s", "12 MB", "512 MB"])
    expect(page.locator("#breakers li")).to_have_text(["tritonopen: left alone, it failed"])
    expect(page.locator("#refused li")).to_have_text(["overloaded0.5 /s"])
    expect(page.locator("#microphone strong")).to_have_text(
        [
            "on for 2 min",
            "Webcam",
            "low-delay, muted",
            "4 ms",
            "18.5 dB",
            "0 by the model, 2 by the machine",
        ]
    )


def test_a_server_that_did_nothing_yet_says_so(
    open_status: Callable[..., Page], told: Told
) -> None:
    told.status = msgspec.structs.replace(
        STATUS,
        dialects=(),
        models=(),
        caches=(),
        breakers=(),
        rejected_per_s={},
        processor_share=None,
        memory_bytes=None,
        streams=msgspec.structs.replace(STATUS.streams, live=0, parked=0, lag=None),
        troubles=(),
        microphone=None,
    )
    told.history = hour(points=1)

    page = open_status()

    expect(page.locator(".tile strong")).to_have_text(["0", NOTHING, NOTHING, NOTHING, "0 /s"])
    for part in ("dialects", "models", "caches", "breakers", "refused"):
        expect(page.locator(f"#{part} .hint")).to_be_visible()
    expect(page.locator("#microphone-card")).to_be_hidden()
    expect(page.locator("#browser-card")).to_be_hidden()
    expect(card(page, "streams_live").locator(".chart-value")).to_have_text("0")


def test_the_frames_of_the_console_are_shown_beside_the_server(page: Page) -> None:
    page.evaluate(
        """localStorage.setItem("gapless.frames",
          JSON.stringify({ frames: 600, p50: 1.5, p95: 17.25, max: 30, atMs: 0 }))"""
    )
    page.reload()

    row = page.locator("#browser .target")
    expect(row.locator(".figure")).to_have_text("17.3 ms of 16 ms")
    expect(row.locator(".state")).to_have_text("not met")
    expect(page.locator("#browser-says")).to_contain_text("600 frames")


# --- away, refused, narrow, dark ----------------------------------------------------------------------


def test_a_lost_server_is_said_and_what_was_known_stays_until_it_is_back(
    page: Page, complaints: list[str]
) -> None:
    page.unroute("**/v1/status")
    page.route("**/v1/status", lambda route: route.abort())

    expect(page.locator("#connection")).to_have_text("no server")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    expect(page.get_by_role("alert")).to_contain_text("What you see is from")
    expect(page.locator("#targets li")).to_have_count(4)
    expect(page.locator("#status")).to_have_attribute("data-stale", "")
    page.unroute("**/v1/status")
    page.route("**/v1/status", lambda route: route.fulfill(body=msgspec.json.encode(STATUS)))

    expect(page.locator("#connection")).to_have_text("live")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert page.locator("#status").get_attribute("data-stale") is None
    complaints.clear()


def test_a_server_with_a_key_asks_for_it(
    visit: Visit, guarded_server: str, complaints: list[str]
) -> None:
    page = visit(f"{guarded_server}/status")
    field = page.get_by_label("This server asks for its API key")
    expect(field).to_be_visible()
    expect(page.locator("#connection")).to_have_text("needs a key")
    field.fill("wrong")
    field.press("Enter")
    expect(page.locator("#key-help")).to_contain_text("does not know this key")
    expect(field).to_be_focused()
    # The browser itself notes every refused request in the console.
    assert all("401" in complaint for complaint in complaints)
    complaints.clear()

    field.fill("secret")
    field.press("Enter")

    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("#targets li")).to_have_count(5)
    expect(field).to_be_hidden()


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_no_width_scrolls_sideways(open_status: Callable[..., Page], width: int) -> None:
    page = open_status(viewport={"width": width, "height": 740})
    expect(page.locator("#connection")).to_have_text("live")
    card(page, "lag_p95").get_by_text("What is this?").click()

    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_of_states_can_be_read_on_their_cards(
    open_status: Callable[..., Page], theme: str
) -> None:
    page = open_status(color_scheme=theme)

    ratios = {text: contrast(page, text, "card") for text in ("accent", "live", "hot", "muted")}

    assert {text: ratio for text, ratio in ratios.items() if ratio < 4.5} == {}


def test_charts_are_drawn_anew_in_the_colours_of_the_other_theme(
    open_status: Callable[..., Page],
) -> None:
    page = open_status(color_scheme="light")
    expect(page.locator("#connection")).to_have_text("live")
    light = chart(page, "streams_live").evaluate("canvas => canvas.toDataURL()")

    page.get_by_role("button", name="Dark").click()

    assert chart(page, "streams_live").evaluate("canvas => canvas.toDataURL()") != light
    assert pixels_like(chart(page, "streams_live"), "--accent") > 20


@pytest.mark.parametrize("path", ["/", "/play"])
def test_the_other_pages_lead_here(visit: Visit, server: str, path: str) -> None:
    page = visit(f"{server}{path}")

    assert page.get_by_role("link", name="Status").get_attribute("href") == "status"


# --- what the tests do with the page ------------------------------------------------------------------


def card(page: Page, series: str) -> Locator:
    return page.locator(f"[data-series={series}]")


def chart(page: Page, series: str) -> Locator:
    return card(page, series).locator("canvas")


def drawn_columns(canvas: Locator) -> list[bool]:
    """Whether each column of the plot's pixels has a filled area in its lowest rows."""
    columns: list[bool] = canvas.evaluate(
        """(canvas) => {
          const { width, height } = canvas;
          const pen = new OffscreenCanvas(width, height).getContext("2d");
          pen.drawImage(canvas, 0, 0);
          const scale = devicePixelRatio;
          const [left, right, y] = [46 * scale, width - 8 * scale, height - 23 * scale];
          const { data } = pen.getImageData(left, y, right - left, 1);
          return Array.from({ length: right - left }, (_, x) => data[4 * x + 3] > 0);
        }"""
    )
    return columns


def pixels_like(canvas: Locator, name: str) -> int:
    """How many pixels have a colour of the style sheet."""
    count: int = canvas.evaluate(
        """(canvas, name) => {
          const probe = document.createElement("i");
          probe.style.color = `var(${name})`;
          document.body.append(probe);
          const wanted = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
          probe.remove();
          const { width, height } = canvas;
          const pen = new OffscreenCanvas(width, height).getContext("2d");
          pen.drawImage(canvas, 0, 0);
          const { data } = pen.getImageData(0, 0, width, height);
          let found = 0;
          for (let i = 0; i < data.length; i += 4)
            if (data[i + 3] > 200 && wanted.every((part, j) => Math.abs(part - data[i + j]) < 12)) found++;
          return found;
        }""",
        name,
    )
    return count
