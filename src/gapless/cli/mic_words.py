"""What is said of a virtual microphone, in words: one line, several, and how to pick it in an application.

In: a report. Out: text. Invariants: nothing is said that the report does not have. Thread: any.
"""

from __future__ import annotations

from datetime import datetime

from gapless.clean.mic.engine_news import PATH_WORDS
from gapless.clean.mic.report import Happening, MicReport


def how_to_pick(kind: str, server: str, label: str) -> str:
    """What a person does in another program.

    Args:
        kind: "microphone" or "speaker".
        server: name of the sound server.
        label: what people see of the virtual device.
    """
    if server == "JACK":
        what = "inputs" if kind == "microphone" else "outputs"
        return f"connect “{label}” to the {what} of a program, with qjackctl or jack_connect"
    if kind == "microphone":
        return f"in an application, choose “{label}” as the microphone (input device)"
    return (
        f"in the application that you listen to, or in the system's sound settings, "
        f"choose “{label}” as the speaker (output device)"
    )


def model_words(report: MicReport) -> str:
    """The model and how busy it is."""
    engine = report.engine
    return f"{engine.worker} {engine.worker_load:.0%} busy" if engine.worker else "no model yet"


def sound_path(report: MicReport) -> str:
    """What is heard of the engine now."""
    engine = report.engine
    if not report.running:
        return "nothing"
    if engine.muted:
        return "silence (muted)"
    if engine.bypass:
        return "not cleaned (bypass)"
    return PATH_WORDS[engine.path]


def level_line(report: MicReport) -> str:
    """How it goes, in a line."""
    engine = report.engine
    return (
        f"in {engine.input_rms_db:.0f} dB  out {engine.output_rms_db:.0f} dB  "
        f"noise down by {engine.reduction_db:.0f} dB  adds {engine.latency_ms:.1f} ms  "
        f"{model_words(report)}  heard: {sound_path(report)}"
    )


def event_line(happening: Happening) -> str:
    """An event, with its time of day."""
    return f"{time_of_day(happening)}  {happening.text}"


def time_of_day(happening: Happening) -> str:
    """When it was, on the clock of this machine."""
    return datetime.fromtimestamp(happening.at_s).astimezone().strftime("%H:%M:%S")


def status_text(report: MicReport) -> str:
    """All that people want to know, in several lines."""
    engine, stream = report.engine, report.stream
    verb = "hears" if report.kind == "microphone" else "plays on"
    device = report.device_description if report.running else "nothing at the moment"
    there = f"{report.device}\n{report.device_description}".casefold()
    if report.wanted is not None and report.wanted.casefold() not in there:
        device += f" (until “{report.wanted}” is back)"
    server = report.server or "none at the moment"
    if stream.rate_hz:
        block_ms = 1000 * stream.block_frames / stream.rate_hz
        server += f", blocks of {stream.block_frames} frames ({block_ms:.1f} ms)"
    switches = f"bypass {on_off(on=engine.bypass)}, mute {on_off(on=engine.muted)}"
    levels = f"in {engine.input_rms_db:.0f} dB, out {engine.output_rms_db:.0f} dB"
    late = f"{engine.late_blocks} blocks by the model, {stream.xruns} by the machine"
    rows = [
        (verb, device),
        ("server", server),
        ("mode", f"{engine.mode}, amount {engine.amount:.0%}"),
        ("switches", f"{switches}, gate {on_off(on=engine.gate)}"),
        ("adds", f"{engine.latency_ms:.1f} ms"),
        ("levels", f"{levels}, noise down by {engine.reduction_db:.0f} dB"),
        ("model", f"{model_words(report)}; heard: {sound_path(report)}"),
        ("late", f"{late}; {engine.opened} times not cleaned for a moment"),
    ]
    if engine.model_error:
        rows.append(("error", engine.model_error))
    head = f"“{report.name}” runs (process {report.pid}, {duration(report.uptime_s)})"
    return "\n".join([head, *(f"  {name:<9}{text}" for name, text in rows)])


def on_off(*, on: bool) -> str:
    """A switch in a word."""
    return "on" if on else "off"


def duration(seconds: float) -> str:
    """A time in its two largest units."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
