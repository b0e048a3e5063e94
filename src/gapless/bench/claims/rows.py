"""The promises of Gapless, one row each: what is timed, and what is to come out.

In: nothing. Out: rows by name, in the order of the table. Invariants: bounds are told here in words and judged by the
claims of the families, which name their row. Thread: any (immutable).
"""

from __future__ import annotations

from typing import Final

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One promise."""

    name: str
    title: str
    definition: str
    """What is timed, from where to where, under which load."""
    target: str


ROWS: Final = (
    Row(
        name="A1",
        title="Throughput of the API",
        definition="Answers of POST /api/infer that the cache holds, to 100 connections that are kept, on loopback.",
        target=">= 1,200 a second, p95 < 50 ms; the goal: 20,000 for each core, 80 % of what the same HTTP stack "
        "does with a constant answer",
    ),
    Row(
        name="A2",
        title="The whole pipeline",
        definition="A request that the cache does not hold: checked, answered by a batched model, kept as a row of "
        "the database.",
        target=">= 1,000 a second, p95 < 50 ms; the goal: 3,000",
    ),
    Row(
        name="A3",
        title="Memory of the server",
        definition="Proportional share (PSS) of all its processes under the load of A2; idle and with live streams "
        "beside it.",
        target="<= 1.5 GB in the middle, <= 2.5 GB at the most",
    ),
    Row(
        name="A4",
        title="Processor under the nominal load",
        definition="Share of all cores while 1,000 requests a second are offered, whether they are answered or not.",
        target="<= 60 %",
    ),
    Row(
        name="V1",
        title="Latency of live speech",
        definition="From the chunk that completes what an event is about to the arrival of the event.",
        target="p95 < 45 ms; the goal: 10 ms",
    ),
    Row(
        name="V2",
        title="Live streams at a time",
        definition="Different speech in each, sent at the pace of the clock; all in time (p95 under one chunk), "
        "without errors, with the text that each has alone.",
        target=">= 30; the goal on 2 cores: 300, and 5 times as many as without batches",
    ),
    Row(
        name="V3",
        title="Features of speech",
        definition="Window, Fourier transform and log-mel of one second of sound, on one core.",
        target="<= 0.5 % of the second",
    ),
    Row(
        name="V4",
        title="Latency of a final",
        definition="From the audio that ends the silence behind an utterance to its final text.",
        target="p95 <= 12 ms with the model that comes along",
    ),
    Row(
        name="I1",
        title="Latency of inference",
        definition="One row through queue, batcher and ONNX Runtime; a small model, nobody else there.",
        target="p95 < 1.5 ms",
    ),
    Row(
        name="I2",
        title="Throughput of inference",
        definition="64 callers of the same model, who each ask for the next row when they have the last.",
        target=">= 500 rows a second, >= 3 times a row a call on the same threads",
    ),
    Row(
        name="I3",
        title="Weights of 8 bits",
        definition="The same model with weights of 8 bits beside 32: speed and error.",
        target="used only where faster, with an error of at most 5 %",
    ),
    Row(
        name="I4",
        title="First call after the warm-up",
        definition="The first call beside the median of the later ones.",
        target="<= 2 medians, <= 10 ms",
    ),
    Row(
        name="T1",
        title="Channels from a pool",
        definition="Taking a channel to a real Triton that can be used, and a round trip through it; beside a channel "
        "that is held and a new one each time.",
        target="taking p95 <= 0.1 ms; the round trip within 10 % of a held channel",
    ),
    Row(
        name="T2",
        title="More channels",
        definition="Calls a second with one channel and more.",
        target="grows in step (>= 80 %) until the server has enough",
    ),
    Row(
        name="D1",
        title="Queries of the store",
        definition="Indexed look-ups and full-text searches over a million utterances.",
        target="p95 < 3 ms",
    ),
    Row(
        name="D2",
        title="Rate of queries",
        definition="Rows by their id, from eight threads through the pool.",
        target=">= 1,000 a second",
    ),
    Row(
        name="D3",
        title="Inserts together",
        definition="Rows in batches of 1,000, beside a transaction for each and beside the bare driver.",
        target=">= 10 times a transaction a row",
    ),
    Row(
        name="C1",
        title="A hit of the cache",
        definition="A value that is in memory, asked for and had.",
        target="p99 < 1 ms",
    ),
    Row(
        name="C2",
        title="Hits of the cache",
        definition="300,000 requests by Zipf's law over 20,000 keys, with room for 10 % and 60 % of them, with scans "
        "and without; beside least recently used and the best fixed set.",
        target="10 %: >= 95 % of the best fixed set; 60 %: >= 95 % of what was asked before; never below LRU",
    ),
    Row(
        name="B1",
        title="Batches",
        definition="The same work together and one by one: rows of a database, rows of a small model.",
        target=">= 10 times, told case by case",
    ),
    Row(
        name="G1",
        title="Automatic configuration",
        definition="The same load under settings that are the same everywhere and under the plan for this machine; "
        "both really run.",
        target="slower in no row (within 10 %), and faster in all",
    ),
    Row(
        name="M1",
        title="Latency of the microphone",
        definition="What the engine adds to copying, by cross-correlation through a real virtual microphone.",
        target="p95 < 10 ms in low-delay mode",
    ),
    Row(
        name="M2",
        title="Processor of the microphone",
        definition="Share of one core at 48 kHz, one channel, all its processes.",
        target="bypassed < 5 %, removing noise < 20 %",
    ),
    Row(
        name="M3",
        title="Memory of the microphone",
        definition="Resident memory of all its processes.",
        target="< 200 MB",
    ),
    Row(
        name="M4",
        title="Gaps in the sound",
        definition="Holes and clicks while its model is stalled and the interpreter is kept busy; an hour in the soak.",
        target="0",
    ),
    Row(
        name="M5",
        title="Memory taken by a block",
        definition="Pieces of memory that a block takes after the start.",
        target="0",
    ),
    Row(
        name="M6",
        title="Recovery",
        definition="From the moment the model is given up after a stall of 20 ms to the moment it is trusted again.",
        target="<= 25 ms, and no latency stays",
    ),
    Row(
        name="P1",
        title="A block of the synthesiser",
        definition="512 samples at 44.1 kHz of a program with 72 voices, effects and patterns, on one core.",
        target="p95 < 8.66 ms, p99 < 11.6 ms; the goal: p95 < 1 ms",
    ),
    Row(
        name="P2",
        title="Voices",
        definition="Voices with oscillator, envelope, filter and pan within 70 % of a block's time, on one core.",
        target=">= 1,000; the goal: 50,000 in the bare bank, 10 times SuperCollider, 80 % of the same steps in C++",
    ),
    Row(
        name="P3",
        title="Start",
        definition="From the start of the process to the first sound, and to the first request that is answered; "
        "with compiled code at hand (warm) and without (cold).",
        target="warm <= 2 s",
    ),
    Row(
        name="U1",
        title="A frame of the console",
        definition="Scripts and rendering of a frame in a real browser while a stream is live.",
        target="p95 < 16 ms",
    ),
)
"""Every row, in the order of the table."""
