"""Claims of `gapless bench api`: requests over HTTP."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

MIB: Final = 2**20

API_CLAIMS: Final = (
    Claim(
        name="api-cached",
        row="A1",
        bench="api",
        says="answers a second from memory, 100 connections, the server on one core",
        figure="rate_per_s",
        bound=1_200,
    ),
    Claim(
        name="api-cached-p95",
        row="A1",
        bench="api",
        says="time of these, p95",
        figure="p95_us",
        sense="at most",
        bound=50_000,
    ),
    Claim(
        name="api-cached-stack",
        row="A1",
        bench="api",
        says="answers a second from memory, against the same HTTP stack answering a constant",
        figure="rate_per_s",
        bound=0.8,
        times=True,
    ),
    Claim(
        name="api-cached-goal",
        row="A1",
        bench="api",
        says="answers a second from memory, the goal",
        figure="rate_per_s",
        bound=20_000,
    ),
    Claim(
        name="api-pipeline",
        row="A2",
        bench="api",
        says="new questions a second: computed in batches, a row kept of each",
        figure="rate_per_s",
        bound=1_000,
    ),
    Claim(
        name="api-pipeline-p95",
        row="A2",
        bench="api",
        says="time of these while as many come as are answered, p95",
        figure="p95_us",
        sense="at most",
        bound=50_000,
    ),
    Claim(
        name="api-pipeline-goal",
        row="A2",
        bench="api",
        # Beyond the target: how far it is is told, and the row does not fail for it.
        says="new questions a second, beside the goal of 3,000",
        figure="rate_per_s",
    ),
    Claim(
        name="api-pipeline-gain",
        row="A2",
        bench="api",
        says="new questions a second, against a row a call",
        figure="rate_per_s",
        times=True,
    ),
    Claim(
        name="api-offered-p95",
        row="A2",
        bench="api",
        says="from the moment a question is due to its answer, 1,000 new ones a second, p95",
        figure="p95_us",
        sense="at most",
        bound=50_000,
    ),
    Claim(
        name="api-offered",
        row="A2",
        bench="api",
        says="of these, the share that is answered well",
        figure="answered_share",
        bound=1,
    ),
    Claim(
        name="api-kept",
        row="A2",
        bench="api",
        says="rows kept of the questions that were answered",
        figure="kept_share",
        bound=1,
    ),
    Claim(
        name="api-memory",
        row="A3",
        bench="api",
        says="memory of the server's processes meanwhile, shared pages by their share, the middle of all looks",
        figure="pss_typical_mib",
        sense="at most",
        bound=1.5e9 / MIB,
    ),
    Claim(
        name="api-memory-peak",
        row="A3",
        bench="api",
        says="the same, at most",
        figure="pss_peak_mib",
        sense="at most",
        bound=2.5e9 / MIB,
    ),
    Claim(
        name="api-processor",
        row="A4",
        bench="api",
        says="all cores that the server's processes keep busy with 1,000 new questions a second",
        figure="server_share",
        sense="at most",
        bound=0.6,
    ),
)
