"""Claims of `gapless bench voice`: live speech."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim

VOICE_CLAIMS: Final = (
    Claim(
        name="live-lag",
        row="V1",
        bench="voice",
        says="from the sending of the chunk that causes a partial result to its arrival, p95",
        figure="p95_us",
        sense="at most",
        bound=45_000,
    ),
    Claim(
        name="live-position",
        row="V1",
        bench="voice",
        says="from the sending of the last audio that a partial result is about to its arrival, p95",
        figure="position_p95_us",
    ),
    Claim(
        name="live-streams",
        row="V2",
        bench="voice",
        says="streams at a time whose partial results are less than a chunk late (p95), with the text they have alone",
        figure="streams",
        bound=30,
    ),
    Claim(
        name="live-streams-gain",
        row="V2",
        bench="voice",
        says="streams at a time, against the same server without batches",
        figure="streams",
        times=True,
    ),
    Claim(
        name="live-streams-server",
        row="V2",
        bench="voice",
        says="cores that the server kept busy with the most streams",
        figure="server_cores",
    ),
    Claim(
        name="live-streams-thread",
        row="V2",
        bench="voice",
        says="of these, its busiest thread",
        figure="server_thread_cores",
    ),
    Claim(
        name="live-streams-client",
        row="V2",
        bench="voice",
        says="cores that the client took meanwhile",
        figure="client_cores",
    ),
    Claim(
        name="features",
        row="V3",
        bench="voice",
        says="time for the features of a second of sound, one core",
        figure="realtime_share",
        sense="at most",
        bound=0.005,
    ),
    Claim(
        name="live-final",
        row="V4",
        bench="voice",
        says="from the end of the silence that ends an utterance to its final text, p95",
        figure="final_p95_us",
        sense="at most",
        bound=12_000,
    ),
    Claim(
        name="recogniser-speed",
        row="V4",
        bench="voice",
        says="time for a second of sound, from samples to text, nobody else there",
        figure="realtime_share",
    ),
)
