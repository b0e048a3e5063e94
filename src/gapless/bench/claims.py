"""What Gapless claims, as rows that can come out red: the table that every bench takes its targets from.

In: nothing. Out: claims by name. Invariants: a target is written here and nowhere else; a claim without a bound is
reported, not judged. Thread: any.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Bench = Literal["inference", "pool", "batching", "voice"]
"""The command that measures a claim: ``gapless bench NAME``."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is claimed."""

    name: str
    row: str
    """Its family, as in "I2": claims of one family are about one promise."""
    bench: Bench
    says: str
    """What is measured, against what; without the bound."""
    figure: str
    """The figure of a contender that is judged; its unit is in its name (see ``quantity.py``)."""
    sense: Literal["at least", "at most"] = "at least"
    bound: float | None = None
    """None: reported, not judged."""
    times: bool = False
    """Whether what is judged is a multiple of another contender's figure."""

    def holds(self, value: float) -> bool | None:
        """Whether a measured value keeps the claim; None if it is only reported."""
        if self.bound is None:
            return None
        return value >= self.bound if self.sense == "at least" else value <= self.bound


_CLAIMS: Final = (
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
    Claim(
        name="one-row",
        row="I1",
        bench="inference",
        says="one row through queue, batcher and ONNX Runtime, nobody else there, p95",
        figure="p95_us",
        sense="at most",
        bound=1500,
    ),
    Claim(
        name="many-callers",
        row="I2",
        bench="inference",
        says="rows a second of 64 callers",
        figure="rate_per_s",
        bound=500,
    ),
    Claim(
        name="many-callers-gain",
        row="I2",
        bench="inference",
        says="rows a second of 64 callers, against a row a call for the same callers on the same threads",
        figure="rate_per_s",
        bound=3,
        times=True,
    ),
    Claim(
        name="many-callers-bare",
        row="I2",
        bench="inference",
        says="rows a second of 64 callers, against a row a call on as many threads without any callers",
        figure="rate_per_s",
        times=True,
    ),
    Claim(
        name="many-callers-cost",
        row="I2",
        bench="inference",
        says="rows a second of 64 callers, against bare calls of the largest batch on as many threads",
        figure="rate_per_s",
        bound=0.8,
        times=True,
    ),
    Claim(
        name="sessions-rate",
        row="I2",
        bench="inference",
        says="rows a second of a session for each thread, against one session shared by all",
        figure="rate_per_s",
        times=True,
    ),
    Claim(
        name="sessions-memory",
        row="I2",
        bench="inference",
        says="memory of a session for each thread, against one session shared by all",
        figure="sessions_mib",
        times=True,
    ),
    Claim(
        name="int8-speed",
        row="I3",
        bench="inference",
        says="rows a second with weights of 8 bits where those are used, against 32",
        figure="rate_per_s",
        bound=1,
        times=True,
    ),
    Claim(
        name="int8-error",
        row="I3",
        bench="inference",
        says="error of the outputs with weights of 8 bits where those are used, root mean square",
        figure="error_share",
        sense="at most",
        bound=0.05,
    ),
    Claim(
        name="first-call",
        row="I4",
        bench="inference",
        says="the first call after the warm-up",
        figure="first_us",
        sense="at most",
        bound=10_000,
    ),
    Claim(
        name="first-call-median",
        row="I4",
        bench="inference",
        says="the first call after the warm-up, in medians of the later ones",
        figure="first_in_medians",
        sense="at most",
        bound=2,
    ),
    Claim(
        name="take-channel",
        row="T1",
        bench="pool",
        says="taking a usable channel from the pool, p95",
        figure="p95_us",
        sense="at most",
        bound=100,
    ),
    Claim(
        name="pool-round-trip",
        row="T1",
        bench="pool",
        says="the median round trip on a channel from the pool, against one on a channel that is held",
        figure="p50_us",
        sense="at most",
        bound=1.1,
        times=True,
    ),
    Claim(
        name="new-channel",
        row="T1",
        bench="pool",
        says="the median round trip on a new channel each time, against one on a channel from the pool",
        figure="p50_us",
        times=True,
    ),
    Claim(
        name="pool-scaling",
        row="T2",
        bench="pool",
        says="calls a second with 1..N channels, of what N times one channel or the best of all would be",
        figure="rate_per_s",
        bound=0.8,
        times=True,
    ),
    Claim(
        name="batched-rows",
        row="B1",
        bench="batching",
        says="rows inserted a second in shared transactions, against one transaction a row",
        figure="rate_per_s",
        bound=10,
        times=True,
    ),
    Claim(
        name="batched-model",
        row="B1",
        bench="batching",
        says="rows a second through a small model in shared calls, against one call a row",
        figure="rate_per_s",
        bound=10,
        times=True,
    ),
)

CLAIMS: Final = {claim.name: claim for claim in _CLAIMS}
"""Every claim by its name, in the order of their families."""
