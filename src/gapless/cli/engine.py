"""The engine as commands use it that do one thing and end: quiet, and closed whatever happens.

In: resolved settings. Out: an ``Engine``. Thread: main.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gapless.engine import Engine
from gapless.observe.logs import configure_logs
from gapless.settings import Resolved


@contextmanager
def open_engine(resolved: Resolved) -> Iterator[Engine]:
    """An engine for the time of a command; its store stays shut until ``start``.

    Logs are warnings and worse unless a level was asked for: standard error is for progress and failures.
    """
    settings = resolved.settings
    asked = resolved.sources["log_level"].kind != "default"
    configure_logs(settings.log_level if asked else "warning", settings.log_format)
    with Engine(resolved) as engine:
        yield engine
