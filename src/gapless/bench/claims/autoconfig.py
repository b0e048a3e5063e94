"""Claims of `gapless bench autoconfig`: the plan."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

AUTOCONFIG_CLAIMS: Final = (
    Claim(
        name="autoconfig-infer-p95",
        row="G1",
        bench="autoconfig",
        says="what a call of a model takes under the plan, against static settings, p95",
        figure="infer_p95_us",
        sense="at most",
        bound=1.1,
        times=True,
    ),
    Claim(
        name="autoconfig-lag",
        row="G1",
        bench="autoconfig",
        says="the same, how late live text is, p95",
        figure="lag_p95_us",
        sense="at most",
        bound=1.1,
        times=True,
    ),
    Claim(
        name="autoconfig-recording",
        row="G1",
        bench="autoconfig",
        says="the same, what a recording takes that is sent, median",
        figure="recording_p50_us",
        sense="at most",
        bound=1.1,
        times=True,
    ),
    Claim(
        name="autoconfig-start",
        row="G1",
        bench="autoconfig",
        says="from the start of the server until it is ready, against static settings",
        figure="start_us",
        sense="at most",
        bound=1.1,
        times=True,
    ),
    Claim(
        name="autoconfig-overall",
        row="G1",
        bench="autoconfig",
        says="all of these rows, the geometric mean of how much faster, against static settings",
        figure="overall_score",
        bound=1.0,
        times=True,
    ),
    Claim(
        name="autoconfig-infer",
        row="G1",
        bench="autoconfig",
        says="calls a second when everybody asks as much as is answered, against static settings",
        figure="infer_per_s",
        times=True,
    ),
    Claim(
        name="autoconfig-files",
        row="G1",
        bench="autoconfig",
        says="the same, recordings a minute",
        figure="files_per_min",
        times=True,
    ),
    Claim(
        name="autoconfig-memory",
        row="G1",
        bench="autoconfig",
        says="resident memory under this load, against static settings",
        figure="resident_mib",
        sense="at most",
        times=True,
    ),
)
