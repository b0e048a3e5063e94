"""``gapless monitor``: what is shown in how much room, rows, exit codes, and servers that are away or odd."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.report import MicReport
from gapless.clean.mic.running import RunningMic
from gapless.cli import monitor_ask, monitor_shows
from gapless.cli.main import main
from gapless.cli.monitor_ask import Look, look, server_url
from gapless.cli.monitor_log import open_log
from gapless.cli.monitor_shows import Watch, dashboard
from gapless.cli.monitor_view import render
from gapless.cli.monitor_words import CSV_COLUMNS, amount, csv_row, number, status_line
from gapless.errors import AccessError, ConfigError
from gapless.observe.status import Judgement, Status
from gapless.testing.fake_mic_engine import FakeMicEngine
from gapless.testing.fake_sound_server import FakeSound, make_device
from gapless.testing.statuses import STATUS

URL = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def no_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_ask, "microphone_here", lambda: None)
    monkeypatch.setenv("GAPLESS_API_KEY", "")


@pytest.fixture
def report() -> MicReport:
    sound = FakeSound(make_device("usb", default=True))
    mic = RunningMic(MicPlan(name="Desk"), open_engine=FakeMicEngine, find_server=sound.find)
    mic.tick()
    made = mic.sample()
    mic.close()
    return made


def seen(status: Status | None = STATUS, microphone: MicReport | None = None) -> Look:
    trouble = "" if status is not None else "no server answers; start one"
    return Look(at_ms=0, url=URL, status=status, trouble=trouble, microphone=microphone)


@contextmanager
def answering(body: bytes, code: int = 200, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """A server that answers everything alike; its URL, and the keys that it was shown."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers.get("Authorization", ""))
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()
            thread.join()


# --- the view ---------------------------------------------------------------------------------------


def test_a_wide_view_says_everything(report: MicReport) -> None:
    text = render(seen(microphone=report), 140, 60).plain

    for target in STATUS.targets:
        assert target.name in text
        assert target.row in text
    for words in ("✓", "✗", "not measured", "not met", "good, 3 of ", "p50", "p95", "p99"):
        assert words in text
    for model in STATUS.models:
        assert model.name in text
    for breaker in STATUS.breakers:
        assert breaker.name in text
        assert breaker.state in text
    for trouble in STATUS.troubles:
        assert trouble in text
    assert "microphone “Desk”" in text
    assert text.splitlines()[-1] == "q quit"


@pytest.mark.parametrize("width", [1, 7, 20, 39, 60, 80, 200])
@pytest.mark.parametrize("height", [3, 10, 24, 80])
def test_it_fits_the_terminal_and_says_how_to_end_it(
    report: MicReport, width: int, height: int
) -> None:
    rows = render(seen(microphone=report), width, height).split("\n")

    assert len(rows) < height
    assert max(row.cell_len for row in rows) <= width
    assert "q quit".startswith(rows[-1].plain.rstrip("…"))


def test_a_narrow_view_still_has_the_verdict() -> None:
    lines = render(seen(), 30, 40).plain.splitlines()

    assert "good, 3 of" in lines[0]


def test_columns_that_do_not_fit_are_left_out_whole() -> None:
    text = render(seen(), 60, None).plain

    rows = [line for line in text.splitlines() if line.startswith("  ")]
    assert rows
    assert not any(row.endswith("…") for row in rows)


def test_what_does_not_fit_is_said_to_be_missing() -> None:
    assert "more in a higher terminal" in render(seen(), 100, 12).plain
    assert "more in a higher terminal" not in render(seen(), 100, 200).plain


def test_a_server_that_is_away_is_said_to_be_and_its_microphone_is_shown(
    report: MicReport,
) -> None:
    text = render(seen(None, report), 100, 24).plain

    assert "away  no server answers; start one" in text
    assert "microphone “Desk”" in text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.123, "0.12"),
        (4.25, "4.25"),
        (12.34, "12.3"),
        (123.4, "123"),
        (45.0, "45"),
        (2500, "2500"),
    ],
)
def test_figures_have_three_digits(value: float, said: str) -> None:
    assert number(value) == said


def test_what_was_not_measured_is_no_figure() -> None:
    assert amount(None, "ms") == "not measured"
    assert amount(0, "/min") == "0/min"


# --- lines and rows ---------------------------------------------------------------------------------


def test_a_line_has_the_verdict_and_all_targets() -> None:
    line = status_line(seen())

    assert "\n" not in line
    assert "good, 3 of " in line
    assert "latency 1250 ms NOT MET" in line
    assert all(target.name in line for target in STATUS.targets)
    assert "away: no server answers" in status_line(seen(None))


def test_a_row_has_a_cell_for_each_column_and_empty_ones_for_what_was_not_measured() -> None:
    for each in (seen(), seen(None)):
        assert len(csv_row(each)) == len(CSV_COLUMNS)
    row = dict(zip(CSV_COLUMNS, csv_row(seen()), strict=True))
    assert row["time"] == "1970-01-01T00:00:00.000+00:00"
    assert (row["judgement"], row["processor_percent"]) == ("good", "")
    assert row["calls_p95_ms"] == "1250"
    assert dict(zip(CSV_COLUMNS, csv_row(seen(None)), strict=True))["judgement"] == "away"


def test_a_log_is_added_to_and_has_one_header(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    for text in ("1", "2,3"):
        with open_log(file, ("a", "b")) as log:
            log.write([text, ""])
            # In the file at once, not when it is closed.
            assert text in file.read_text()

    with file.open(newline="") as opened:
        assert list(csv.reader(opened)) == [["a", "b"], ["1", ""], ["2,3", ""]]


def test_a_file_with_other_columns_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("name,age\n")

    with pytest.raises(ConfigError, match="other columns"), open_log(file, ("a", "b")):
        pass
    assert file.read_text() == "name,age\n"


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name another file"), open_log(tmp_path, ("a",)):
        pass


# --- asking -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://a:1/", "http://a:1"),
        ("a:8000", "http://a:8000"),
        ("https://a.lan/gapless", "https://a.lan/gapless"),
    ],
)
def test_addresses_as_people_write_them(text: str, url: str) -> None:
    assert server_url(text) == url


@pytest.mark.parametrize("text", ["file:///etc/passwd", "ftp://a", "http://", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no address of a server"):
        server_url(text)


def test_the_key_is_sent() -> None:
    with answering(msgspec.json.encode(STATUS)) as (url, keys):
        assert look(url, "sesame").status == STATUS
    assert keys == ["Bearer sesame"]


def test_the_key_is_not_carried_elsewhere() -> None:
    with (
        answering(msgspec.json.encode(STATUS)) as (elsewhere, keys),
        answering(b"", 302, Location=f"{elsewhere}/v1/status") as (url, _),
    ):
        found = look(url, "sesame")

    assert found.status is None
    assert "answers 302" in found.trouble
    assert keys == []


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"<html>", 200, "answers what is no status"),
        (b"{}", 200, "answers what is no status"),
        (b"", 404, "answers 404"),
        (b"", 500, "answers 500"),
    ],
)
def test_what_is_no_gapless_is_told(body: bytes, code: int, said: str) -> None:
    with answering(body, code) as (url, _):
        found = look(url, None)

    assert found.status is None
    assert said in found.trouble


def test_a_microphone_that_a_server_tells_of_is_shown(report: MicReport) -> None:
    told = msgspec.structs.replace(STATUS, microphone=msgspec.to_builtins(report))
    with answering(msgspec.json.encode(told)) as (url, _):
        found = look(url, None)

    assert found.microphone == report


def test_a_microphone_of_another_version_is_left_out() -> None:
    told = msgspec.structs.replace(STATUS, microphone={"version": 9})
    with answering(msgspec.json.encode(told)) as (url, _):
        assert look(url, None).microphone is None


# --- the command ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("judgement", "code"), [("all met", 0), ("good", 1), ("attention", 2)])
def test_the_exit_code_says_how_it_does(judgement: Judgement, code: int) -> None:
    told = msgspec.structs.replace(STATUS, judgement=judgement)
    with answering(msgspec.json.encode(told)) as (url, _):
        result = CliRunner().invoke(main, ["monitor", url, "--once", "--json"])

    assert result.exit_code == code
    assert json.loads(result.stdout)["judgement"] == judgement
    assert result.stderr == ""


def test_a_server_that_is_away_ends_with_2_and_a_sentence(report: MicReport) -> None:
    with answering(b"", 404) as (url, _):
        result = CliRunner().invoke(main, ["monitor", url, "--once"])

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "is this a Gapless server of this version?" in result.stderr


def test_where_only_a_microphone_runs_it_is_shown(
    report: MicReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_ask, "microphone_here", lambda: report)
    with answering(b"", 404) as (url, _):
        result = CliRunner().invoke(main, ["monitor", url, "--once"])

    assert result.exit_code == 2
    assert "microphone “Desk”" in result.stdout


def test_a_wrong_key_ends_it() -> None:
    with answering(b"", 401) as (url, _):
        result = CliRunner().invoke(main, ["monitor", url])

    assert result.exit_code == 1
    assert "wants a key, or another one" in result.stderr


# --- watching ---------------------------------------------------------------------------------------


def test_a_watch_looks_again_and_again_and_gives_each_look_once() -> None:
    count = iter(range(1000))

    def ask() -> Look:
        return msgspec.structs.replace(seen(), at_ms=next(count))

    with Watch(ask, 0.0) as watch:
        found = [watch.take(10.0) for _ in range(3)]

    assert [each.at_ms for each in found if each is not None] == [0, 1, 2]


def test_a_server_that_does_not_answer_keeps_no_key_from_being_answered() -> None:
    held = threading.Event()

    def ask() -> Look:
        held.wait(30)
        return seen()

    with Watch(ask, 1.0) as watch:
        assert watch.take(0.01) is None
        held.set()
        assert watch.take(10.0) == seen()


def test_what_makes_no_sense_to_ask_again_is_raised() -> None:
    def ask() -> Look:
        raise AccessError("wrong key; use another")

    with Watch(ask, 1.0) as watch, pytest.raises(AccessError):
        watch.take(10.0)


def test_the_dashboard_ends_with_q(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = iter(["", "x", "q"])

    @contextmanager
    def pressed() -> Iterator[Callable[[], str]]:
        yield lambda: next(keys)

    monkeypatch.setattr(monitor_shows, "open_keys", pressed)
    written = StringIO()
    console = Console(file=written, force_terminal=True, width=100, height=40)
    with dashboard(console) as show:
        assert show(None)
        assert show(seen())
        assert not show(None)
    assert "good, 3 of " in written.getvalue()
