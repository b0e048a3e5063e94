"""Requests, live streams and feature flags. In: their counts. Out: families. Thread: any."""

from __future__ import annotations

from collections import Counter
from typing import Final

from gapless.serve.flags.flags import Flags
from gapless.serve.metrics import declared
from gapless.serve.metrics.families import Families
from gapless.serve.metrics.requests import Requests
from gapless.serve.stream.registry import Streams
from gapless.settings.flags import ON

MS_PER_S: Final = 1000


def add_requests(out: Families, requests: Requests) -> None:
    """What was asked."""
    for one in requests.snapshot():
        of = (one.dialect, one.method, one.route)
        for status, count in one.statuses.items():
            out.add(declared.REQUESTS, count, *of, str(status))
        out.histogram(declared.REQUEST_SECONDS, one.seconds, *of)


def add_rejects(out: Families, requests: Requests, streams: Streams) -> None:
    """What was refused: requests, and streams of the same dialects, which may have the same reasons."""
    rejected = Counter(requests.rejected())
    for counts in streams.counts.snapshot():
        for reason, count in counts.rejected.items():
            rejected[counts.dialect, reason] += count
    for (dialect, reason), count in sorted(rejected.items()):
        out.add(declared.REJECTS, count, dialect, reason)


def add_flags(out: Families, flags: Flags) -> None:
    """How both sides of flags fare."""
    for flag, percent in flags.shares.items():
        out.add(declared.FLAG_SHARE, percent / ON, flag)
    for figures in flags.snapshot():
        of = (figures.flag, "on" if figures.on else "off")
        out.add(declared.FLAG_CALLS, figures.calls, *of)
        out.add(declared.FLAG_FAILURES, figures.failed, *of)
        out.histogram(declared.FLAG_SECONDS, figures.seconds, *of)


def add_streams(out: Families, streams: Streams) -> None:
    """What is said and heard."""
    sessions = streams.sessions()
    stats = streams.stats()
    for counts in streams.counts.snapshot():
        dialect = counts.dialect
        mine = [session for session in sessions if session.dialect == dialect]
        parked = sum(session.parked for session in mine)
        out.add(declared.STREAMS, len(mine) - parked, dialect, "live")
        out.add(declared.STREAMS, parked, dialect, "parked")
        out.add(declared.STREAMS_OPENED, counts.opened, dialect)
        out.histogram(declared.STREAM_LAG, counts.lag, dialect)
    backlogs_s = [session.backlog_ms / MS_PER_S for session in sessions]
    out.add(declared.STREAMS_HELD_BACK, stats.held_back)
    out.add(declared.STREAMS_MAX, streams.settings.max_sessions)
    out.add(declared.STREAM_BACKLOG, sum(backlogs_s))
    out.add(declared.STREAM_WORST_BACKLOG, max(backlogs_s, default=0.0))
