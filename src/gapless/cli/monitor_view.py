"""The dashboard of a running server: its targets first, then what they are made of.

In: what was seen, the size of the terminal. Out: lines of styled text. Invariants: no line is wider than the terminal
and there are no more of them than it has; what matters least is left out first, and that it was is said; nothing is
told by colour alone. Thread: any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from gapless.clean.mic.report import MicReport
from gapless.cli.mic_words import duration, level_line
from gapless.cli.monitor_ask import Look
from gapless.cli.monitor_words import AWAY, MB, NOT_MEASURED, amount, number, target_word, verdict
from gapless.observe.status import Judgement, Quantiles, Status, TargetStatus

MARKS: Final = {True: "✓", False: "✗", None: "·"}
STYLES: Final = {True: "green", False: "red", None: "dim"}
JUDGED: Final[dict[Judgement, str]] = {
    "all met": "bold green",
    "good": "bold yellow",
    "attention": "bold red",
}
BAR_CELLS: Final = 12
KEYS: Final = "q quit"

Rows = Sequence[Sequence[Text]]


def render(seen: Look, width: int, height: int | None) -> Text:
    """All lines.

    Args:
        seen: what is to be shown.
        width: of the terminal, in cells.
        height: of the terminal, in lines; None: as many as there are, and no keys, for it is shown once.
    """
    lines = _head(seen, width)
    for section in _sections(seen, width):
        lines += section
    if height is not None:
        room = max(height - 2, 1)
        if len(lines) > room:
            left_out = len(lines) - room + 1
            lines = [*lines[: room - 1], Text(f"… {left_out} more in a higher terminal", "dim")]
        lines.append(Text(KEYS, "dim"))
    return Text("\n").join(cut(line, width) for line in lines)


def _head(seen: Look, width: int) -> list[Text]:
    status = seen.status
    if status is None:
        return [Text.assemble((AWAY, "bold red"), f"  {seen.trouble}")]
    judged = Text(verdict(status), JUDGED[status.judgement])
    facts = [
        Text(seen.url, "bold"),
        judged,
        Text(f"up {duration(status.uptime_s)}", "dim"),
        Text(f"the last {number(status.window_s)} s", "dim"),
        Text(f"{status.workers} worker{'s' if status.workers > 1 else ''}", "dim"),
        Text(f"Gapless {status.version}", "dim"),
    ]
    # Where there is no room, the verdict stays.
    if judged.cell_len + len(seen.url) + 3 > width:
        facts = [judged, facts[0]]
    troubles = [Text.assemble(("! ", "bold yellow"), trouble) for trouble in status.troubles]
    return [fitting(facts, width), *troubles, *table(_targets(status), width)]


def _targets(status: Status) -> Rows:
    return [
        [
            Text(f"{MARKS[target.met]} {target.name}", STYLES[target.met]),
            Text(
                NOT_MEASURED
                if target.value is None
                else f"{amount(target.value, target.unit)}, at most {amount(target.bound, target.unit)}"
            ),
            Text(target_word(target) if target.value is not None else "", STYLES[target.met]),
            Text(_bar(target), STYLES[target.met]),
            Text(target.row, "dim"),
        ]
        for target in status.targets
    ]


def _bar(target: TargetStatus) -> str:
    """How much of the bound is used up."""
    if target.value is None or target.bound <= 0:
        return ""
    filled = min(round(BAR_CELLS * target.value / target.bound), BAR_CELLS)
    return "█" * filled + "·" * (BAR_CELLS - filled)


def _sections(seen: Look, width: int) -> list[list[Text]]:
    status, sections = seen.status, []
    if status is not None:
        sections = [
            _section("live streams", _streams(status), width),
            _section("requests", _dialects(status), width),
            _section("models", _models(status), width),
            _section("caches", _caches(status), width),
            _section("breakers", _breakers(status), width),
            _section("refused", _refused(status), width),
        ]
    return [*sections, _microphone(seen.microphone)]


def _section(title: str, rows: Rows, width: int) -> list[Text]:
    return [Text(title, "bold cyan"), *table(rows, width)] if rows else []


def _streams(status: Status) -> Rows:
    streams = status.streams
    waiting = f"{streams.parked} parked, {streams.held_back} held back"
    return [
        [
            Text(f"{streams.live} of {streams.most}"),
            _times("lag", streams.lag),
            Text(waiting, "dim"),
        ]
    ]


def _dialects(status: Status) -> Rows:
    return [
        [
            Text(dialect.dialect),
            Text(f"{number(dialect.per_s)}/s"),
            _times("took", dialect.took),
            _counted(f"{number(dialect.errors_per_s)} errors/s", dialect.errors_per_s),
        ]
        for dialect in status.dialects
    ]


def _models(status: Status) -> Rows:
    return [
        [
            Text(f"{model.name} {model.version}"),
            Text(f"{number(model.calls_per_s)} calls/s"),
            Text(
                "" if model.rows_per_call is None else f"{number(model.rows_per_call)} rows a call"
            ),
            _p95("queue", model.queue),
            _p95("compute", model.compute),
            _counted(f"{model.waiting_rows} wait", model.waiting_rows),
            Text(f"{model.sequences} of {model.max_sequences} sequences", "dim")
            if model.max_sequences
            else Text(""),
        ]
        for model in status.models
    ]


def _caches(status: Status) -> Rows:
    return [
        [
            Text(cache.namespace),
            Text(NOT_MEASURED if cache.hit_share is None else f"{cache.hit_share:.0%} hits"),
            Text(
                f"{number(cache.hits_per_s)} of {number(cache.hits_per_s + cache.misses_per_s)}/s"
            ),
            Text(f"{number(cache.bytes / MB)} of {number(cache.budget_bytes / MB)} MB", "dim"),
        ]
        for cache in status.caches
        if cache.bytes or cache.hit_share is not None
    ]


def _breakers(status: Status) -> Rows:
    return [
        [Text(each.name), Text(each.state, "green" if each.state == "closed" else "bold red")]
        for each in status.breakers
    ]


def _refused(status: Status) -> Rows:
    return [
        [Text(code), Text(f"{number(per_s)}/s", "yellow")]
        for code, per_s in sorted(status.rejected_per_s.items())
        if per_s > 0
    ]


def _microphone(report: MicReport | None) -> list[Text]:
    if report is None:
        return []
    stream = report.stream
    late = report.engine.late_blocks + stream.xruns
    took = "" if stream.took is None else f"  callback p99 {stream.took.p99_ms:.2f} ms"
    return [
        Text.assemble((f"microphone “{report.name}”", "bold cyan")),
        Text.assemble("  ", level_line(report)),
        Text.assemble("  ", _counted(f"late blocks {late}", late), took),
    ]


def _times(label: str, times: Quantiles | None) -> Text:
    if times is None:
        return Text(f"{label} {NOT_MEASURED}", "dim")
    told = f"p50 {number(times.p50_ms)}  p95 {number(times.p95_ms)}  p99 {number(times.p99_ms)} ms"
    return Text.assemble((f"{label} ", "dim"), told)


def _p95(label: str, times: Quantiles | None) -> Text:
    if times is None:
        return Text("")
    return Text.assemble((f"{label} p95 ", "dim"), f"{number(times.p95_ms)} ms")


def _counted(text: str, value: float) -> Text:
    """Something that is best 0."""
    return Text(text, "yellow" if value > 0 else "dim")


def table(rows: Rows, width: int) -> list[Text]:
    """Rows whose columns stand under each other; those on the right that do not fit are left out."""
    if not rows:
        return []
    widths = [max(row[i].cell_len for row in rows) for i in range(len(rows[0]))]
    while len(widths) > 1 and sum(widths) + 2 * len(widths) > width:
        widths.pop()
    return [_row(row, widths) for row in rows]


def _row(row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text("")
    for cell, cells in zip(row, widths, strict=False):
        if cells:
            line = Text.assemble(line, "  ", cell, " " * (cells - cell.cell_len))
    line.rstrip()
    return line


def fitting(parts: Sequence[Text], width: int) -> Text:
    """As many parts as fit, from the first on."""
    line = parts[0]
    for part in parts[1:]:
        if line.cell_len + 3 + part.cell_len > width:
            break
        line = Text.assemble(line, (" · ", "dim"), part)
    return line


def cut(text: Text, width: int) -> Text:
    """At most ``width`` cells of it."""
    shorter = text.copy()
    shorter.truncate(width, overflow="ellipsis")
    return shorter
