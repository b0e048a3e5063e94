"""The view: bars, colours, and what is left out where there is no room."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import msgspec
import pytest
from rich.console import Console

from gapless.clean.mic.control import Change
from gapless.clean.mic.plan import MicPlan
from gapless.clean.mic.report import Happening, MicReport
from gapless.clean.mic.running import RunningMic
from gapless.cli import mic_shows
from gapless.cli.mic_shows import Controls, json_lines, lines, quiet, view
from gapless.cli.mic_view import HOLD_MS, Meter, MicView
from gapless.cli.mic_words import duration, how_to_pick, status_text
from gapless.testing.fake_mic_engine import FakeMicEngine
from gapless.testing.fake_sound_server import FakeSound, make_device


@pytest.fixture
def report() -> MicReport:
    sound = FakeSound(make_device("usb", default=True, description="A USB Microphone"))
    mic = RunningMic(
        MicPlan(name="Gapless Microphone"), open_engine=FakeMicEngine, find_server=sound.find
    )
    mic.tick()
    made = mic.sample()
    mic.close()
    return made


def with_engine(report: MicReport, **changes: object) -> MicReport:
    engine = msgspec.structs.replace(report.engine, **changes)
    return msgspec.structs.replace(report, engine=engine)


def test_a_wide_view_says_everything(report: MicReport) -> None:
    text = MicView().render(report, 0, 80).plain

    assert text.splitlines()[0] == "A USB Microphone → Gapless Microphone · PipeWire"
    for part in ("in ", "out ", "-20 dB", "-32 dB", "noise down by 12 dB", "adds 4.0 ms"):
        assert part in text
    for part in ("rnnoise 5% busy", "late blocks 0", "block 256 (5.3 ms)", "heard: the full model"):
        assert part in text
    for key in ("q quit", "b bypass off", "m mute off", "g gate off", "+ - amount 100%"):
        assert key in text


@pytest.mark.parametrize("width", [1, 5, 10, 20, 33, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_it_fits_80_by_24(
    report: MicReport, width: int
) -> None:
    text = MicView().render(with_engine(report, input_peak=1.0), 0, width)

    rows = text.split("\n")
    assert len(rows) <= 12
    assert max(row.cell_len for row in rows) <= width


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_view_still_says_how_to_end_it(report: MicReport, width: int) -> None:
    assert "q quit" in MicView().render(report, 0, width).plain


@pytest.mark.parametrize(
    ("peak", "colour"),
    [(0.0, "green"), (0.79, "green"), (0.81, "dark_orange"), (1.0, "red"), (3.0, "red")],
)
def test_bars_are_orange_when_loud_and_red_when_clipping(peak: float, colour: str) -> None:
    meter = Meter()
    meter.update(peak, 0)

    assert meter.colour == colour
    assert meter.bar(30).style == colour


def test_a_bar_is_as_long_as_its_level() -> None:
    lengths = []
    for peak in (0.0, 0.001, 0.01, 0.1, 1.0):
        meter = Meter()
        meter.update(peak, 0)
        lengths.append(meter.bar(30).plain.count("█"))

    assert lengths == [0, 0, 10, 20, 30]


def test_a_peak_is_held_and_then_falls() -> None:
    meter = Meter()
    meter.update(0.5, 0)
    held = meter.held_db
    seen = []
    for ms in range(80, 5 * HOLD_MS, 80):
        meter.update(0.0, ms)
        seen.append((ms, meter.shown_db, meter.held_db))

    assert all(after == held for ms, _, after in seen if ms < HOLD_MS)
    assert all(shown <= before for (_, before, _), (_, shown, _) in pairwise(seen))
    assert seen[-1][2] == -60
    assert "▏" in _held_bar()


def _held_bar() -> str:
    meter = Meter()
    meter.update(0.5, 0)
    meter.update(0.0, 500)
    return meter.bar(30).plain


def test_clipping_is_shown_long_enough_to_be_seen(report: MicReport) -> None:
    picture = MicView()
    picture.render(with_engine(report, output_peak=1.2), 0, 80)

    assert "CLIP" in picture.render(report, HOLD_MS - 100, 80).plain
    assert "CLIP" not in picture.render(report, HOLD_MS + 100, 80).plain


@pytest.mark.parametrize(
    ("changes", "heard"),
    [
        ({"bypass": True}, "not cleaned (bypass)"),
        ({"muted": True, "bypass": True}, "silence (muted)"),
        ({"path": "cheaper"}, "the quick model, the full one is late"),
        ({"path": "dry"}, "not cleaned, the model is too slow"),
        ({"path": "half-open"}, "not cleaned, the model is tried again"),
    ],
    ids=["bypass", "muted", "cheaper", "dry", "half-open"],
)
def test_what_is_heard_in_words(report: MicReport, changes: dict[str, object], heard: str) -> None:
    changed = with_engine(report, **changes)

    assert f"heard: {heard}" in MicView().render(changed, 0, 80).plain
    assert f"heard: {heard}" in status_text(changed)


def test_a_model_that_failed_is_the_first_of_its_line(report: MicReport) -> None:
    text = MicView().render(with_engine(report, model_error="it broke; pull it again"), 0, 80)

    assert text.plain.splitlines()[4].startswith("the model failed: it broke")


def test_before_the_model_is_there_nobody_makes_up_its_name(report: MicReport) -> None:
    loading = with_engine(report, worker="", worker_load=0.0)

    assert "no model yet" in MicView().render(loading, 0, 80).plain
    assert "model    no model yet;" in status_text(loading)


def test_the_status_in_words(report: MicReport) -> None:
    stale = msgspec.structs.replace(
        report, wanted="headset", uptime_s=3_725.0, pid=7, device_description="Array"
    )

    assert status_text(stale) == (
        "“Gapless Microphone” runs (process 7, 1 h 2 min)\n"
        "  hears    Array (until “headset” is back)\n"
        "  server   PipeWire, blocks of 256 frames (5.3 ms)\n"
        "  mode     low-delay, amount 100%\n"
        "  switches bypass off, mute off, gate off\n"
        "  adds     4.0 ms\n"
        "  levels   in -20 dB, out -32 dB, noise down by 12 dB\n"
        "  model    rnnoise 5% busy; heard: the full model\n"
        "  late     0 blocks by the model, 0 by the machine; 0 times not cleaned for a moment"
    )


def test_without_a_server_the_status_says_so(report: MicReport) -> None:
    nothing = msgspec.structs.replace(
        report, server="", running=False, stream=msgspec.structs.replace(report.stream, rate_hz=0)
    )

    text = status_text(nothing)

    assert "server   none at the moment" in text
    assert "hears    nothing at the moment" in text
    assert "no sound server" in MicView().render(nothing, 0, 80).plain


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (7260, "2 h 1 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("kind", "server", "part"),
    [
        ("microphone", "PipeWire", "choose “X” as the microphone"),
        ("microphone", "PortAudio", "choose “X” as the microphone"),
        ("speaker", "PulseAudio", "choose “X” as the speaker"),
        ("microphone", "JACK", "connect “X” to the inputs"),
        ("speaker", "JACK", "connect “X” to the outputs"),
    ],
)
def test_how_to_pick_it(kind: str, server: str, part: str) -> None:
    assert part in how_to_pick(kind, server, "X")


class Pressed:
    """What keys asked for."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.stops = 0

    @property
    def controls(self) -> Controls:
        return Controls(self.changes.append, self.stop)

    def stop(self) -> None:
        self.stops += 1


VIRTUAL = Happening(at_s=0.0, kind="virtual", text="other programs can pick “X”")
LOST = Happening(at_s=1.0, kind="lost", text="the USB Microphone is gone")


def test_the_view_has_keys_and_events(report: MicReport, monkeypatch: pytest.MonkeyPatch) -> None:
    pressed = Pressed()
    keys = ["bmg", "+-=", "x\x1b", "q"]

    @contextmanager
    def typed() -> Iterator[object]:
        yield lambda: keys.pop(0)

    monkeypatch.setattr(mic_shows, "open_keys", typed)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24)
    with view(pressed.controls, console) as shown:
        shown.show(with_engine(report, amount=0.95), [VIRTUAL, LOST])
        for _ in range(3):
            shown.show(with_engine(report, amount=0.95), [])

    assert pressed.changes == [
        Change(bypass="toggle"),
        Change(mute="toggle"),
        Change(gate="toggle"),
        Change(amount=1.0),
        Change(amount=0.8),
        Change(amount=1.0),
    ]
    assert pressed.stops == 1
    text = out.getvalue()
    assert text.count("the USB Microphone is gone") == 1
    assert "choose “Gapless Microphone” as the microphone" in text
    assert "\x1b[?25h" in text  # the cursor is back


def test_lines_for_a_pipe(
    report: MicReport, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mic_shows, "LINES_S", 0.0)
    with lines() as shown:
        shown.show(report, [VIRTUAL, LOST])

    told = capsys.readouterr().out.splitlines()
    assert [line[10:] for line in told[:1]] == ["other programs can pick “X”"]
    assert told[1].startswith("in an application, choose")
    assert told[2].endswith("the USB Microphone is gone")
    assert told[3] == (
        "in -20 dB  out -32 dB  noise down by 12 dB  adds 4.0 ms  rnnoise 5% busy  "
        "heard: the full model"
    )


def test_json_for_programs(report: MicReport, capsys: pytest.CaptureFixture[str]) -> None:
    with json_lines() as shown:
        shown.show(report, [LOST])
        shown.show(report, [])  # a moment later: no event, no status

    told = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0] == {"event": {"at_s": 1.0, "kind": "lost", "text": LOST.text}}
    assert msgspec.convert(told[1]["status"], MicReport) == report
    assert len(told) == 2


def test_quiet_says_only_what_goes_wrong(
    report: MicReport, capsys: pytest.CaptureFixture[str]
) -> None:
    with quiet() as shown:
        shown.show(report, [VIRTUAL, LOST])

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "gapless: the USB Microphone is gone\n"
