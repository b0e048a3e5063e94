"""The view of a running virtual microphone: level bars, what is heard, what it costs, and the keys.

In: reports and the time. Out: lines of styled text. Invariants: no line is wider than the terminal; what matters least
is left out first; a peak is held long enough to be seen. Thread: one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from gapless.clean.mic.report import MicReport
from gapless.cli.mic_words import model_words, on_off, sound_path

LOUD: Final = 0.8
"""From this peak on a bar is orange."""
CLIPPING: Final = 0.999
FLOOR_DB: Final = -60.0
HOLD_MS: Final = 1_500
FALL_DB_PER_S: Final = 30.0
MOST_BAR: Final = 60
KEYS: Final = (
    ("b", "bypass"),
    ("m", "mute"),
    ("g", "gate"),
    ("+ -", "amount"),
    ("q", "quit"),
)


class Meter:
    """A level as people can follow it: up at once, down slowly, its peak held."""

    def __init__(self) -> None:
        self.shown_db = FLOOR_DB
        self.held_db = FLOOR_DB
        self._held_since_ms = 0
        self._clipped_ms: int | None = None
        self._seen_ms: int | None = None
        self._peak = 0.0

    def update(self, peak: float, now_ms: int) -> None:
        """Take in the largest sample since the last time; ``now_ms`` never goes back."""
        self._peak = peak
        db = max(FLOOR_DB, 20 * math.log10(peak)) if peak > 0 else FLOOR_DB
        passed_ms = now_ms - (now_ms if self._seen_ms is None else self._seen_ms)
        self._seen_ms = now_ms
        fallen_db = FALL_DB_PER_S * passed_ms / 1000
        self.shown_db = max(db, self.shown_db - fallen_db)
        if self.shown_db >= self.held_db or now_ms - self._held_since_ms >= HOLD_MS:
            self.held_db, self._held_since_ms = self.shown_db, now_ms
        if peak >= CLIPPING:
            self._clipped_ms = now_ms

    @property
    def clipping(self) -> bool:
        """Whether it clipped a moment ago."""
        return (
            self._clipped_ms is not None
            and self._seen_ms is not None
            and self._seen_ms - self._clipped_ms < HOLD_MS
        )

    @property
    def colour(self) -> str:
        """Red while clipping, orange while loud, else green."""
        if self.clipping:
            return "red"
        return "dark_orange" if self.shown_db >= 20 * math.log10(LOUD) else "green"

    def bar(self, width: int) -> Text:
        """The bar: ``width`` cells from silence to full scale."""
        filled = _cells(self.shown_db, width)
        held = max(_cells(self.held_db, width) - 1, 0)
        bar = Text("█" * filled, self.colour)
        bar.append("·" * (width - filled), "bright_black")
        if held >= filled and self.held_db > FLOOR_DB:
            bar = Text.assemble(bar[:held], ("▏", "bold"), bar[held + 1 :])
        return bar


class MicView:
    """Makes the lines. Keeps the meters between two reports."""

    def __init__(self) -> None:
        self._input = Meter()
        self._output = Meter()

    def render(self, report: MicReport, now_ms: int, width: int) -> Text:
        """All lines, each at most ``width`` cells wide.

        Args:
            report: the newest; each report once, for the levels are those since the one before.
            now_ms: the time; never goes back.
            width: of the terminal, in cells.
        """
        engine = report.engine
        self._input.update(engine.input_peak if report.running else 0.0, now_ms)
        self._output.update(engine.output_peak if report.running else 0.0, now_ms)
        lines = [
            self._title(report, width),
            self._level("in", self._input, engine.input_rms_db, width),
            self._level("out", self._output, engine.output_rms_db, width),
            _fitting(_sound(report), width),
            _fitting(_cost(report), width),
            _fitting(_keys(report), width, joint="  "),
        ]
        return Text("\n").join(lines)

    def _title(self, report: MicReport, width: int) -> Text:
        if report.kind == "microphone":
            ends = (report.device_description or "no microphone", report.name)
        else:
            ends = (report.name, report.device_description or "no output")
        parts = [Text(" → ".join(ends), "bold")]
        parts.append(Text(report.server or "no sound server", "dim"))
        return _fitting(parts, width)

    def _level(self, label: str, meter: Meter, rms_db: float, width: int) -> Text:
        room = width - 4
        value = f"{max(rms_db, FLOOR_DB):4.0f} dB"
        clip = " CLIP" if meter.clipping else "     "
        bar = min(room - len(value) - len(clip) - 1, MOST_BAR)
        line = Text(f"{label:<4}", "dim")
        if bar < 8:
            return _cut(Text.assemble(line, (value, meter.colour)), width)
        return Text.assemble(line, meter.bar(bar), f" {value}", (clip, "bold red"))


def _sound(report: MicReport) -> list[Text]:
    engine = report.engine
    clean = report.running and engine.path == "full" and not (engine.bypass or engine.muted)
    return [
        Text(f"heard: {sound_path(report)}", "" if clean else "yellow"),
        Text(f"noise down by {engine.reduction_db:.0f} dB"),
        Text(f"adds {engine.latency_ms:.1f} ms ({engine.mode})"),
    ]


def _cost(report: MicReport) -> list[Text]:
    engine, stream = report.engine, report.stream
    late = engine.late_blocks + stream.xruns
    parts = [
        Text(
            model_words(report),
            "red" if engine.worker_load >= 1 else "",
        ),
        Text(f"late blocks {late}", "yellow" if late else ""),
    ]
    if stream.rate_hz:
        block_ms = 1000 * stream.block_frames / stream.rate_hz
        parts.append(Text(f"block {stream.block_frames} ({block_ms:.1f} ms)"))
    if stream.took is not None and stream.took.count:
        parts.append(Text(f"callback p99 {stream.took.p99_ms:.2f} ms"))
    if engine.model_error:
        parts.insert(0, Text(f"the model failed: {engine.model_error}", "red"))
    return parts


def _keys(report: MicReport) -> list[Text]:
    engine = report.engine
    values = {
        "bypass": on_off(on=engine.bypass),
        "mute": on_off(on=engine.muted),
        "gate": on_off(on=engine.gate),
        "amount": f"{engine.amount:.0%}",
    }
    # What is left out first stands last, and everybody has to know how to end it.
    order = [KEYS[-1], *KEYS[:-1]]
    return [
        Text.assemble(
            (key, "bold cyan"),
            f" {name}",
            (f" {values[name]}", "yellow" if values[name] == "on" else "dim")
            if name in values
            else "",
        )
        for key, name in order
    ]


def _fitting(parts: Sequence[Text], width: int, joint: str = " · ") -> Text:
    """As many parts as fit, from the first on; the first is cut if it does not fit alone."""
    line = _cut(parts[0], width)
    for part in parts[1:]:
        if line.cell_len + len(joint) + part.cell_len > width:
            break
        line = Text.assemble(line, (joint, "dim"), part)
    return line


def _cut(text: Text, width: int) -> Text:
    cut = text.copy()
    cut.truncate(width, overflow="ellipsis")
    return cut


def _cells(db: float, width: int) -> int:
    return min(width, round(width * (db - FLOOR_DB) / -FLOOR_DB))
