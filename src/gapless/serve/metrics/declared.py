"""Every metric that there is: its name, what it means, its labels, and how those of several workers become one.

In: nothing. Out: ``METRICS``, from which ``/metrics`` and ``docs/reference/metrics.md`` are made. Invariants: names are
stable; units are seconds, bytes and plain numbers; the values of every label come from a bounded set, never from what
a client sends. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "summary"]

Merge: TypeAlias = Literal["sum", "max"]
"""What is said of all workers together."""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """One metric."""

    name: str
    """As in queries, with ``_total`` where it is a counter."""
    kind: Kind
    says: str
    """A sentence."""
    labels: tuple[str, ...] = ()
    merge: Merge = "sum"
    when: str = ""
    """Where it is there, if not always: ``with Redis``."""

    @property
    def family(self) -> str:
        """Its name without the ending of counters, as Prometheus' libraries have it."""
        return self.name.removesuffix("_total") if self.kind == "counter" else self.name


def _counter(name: str, says: str, *labels: str, when: str = "") -> Declared:
    return Declared(
        name=f"gapless_{name}_total", kind="counter", says=says, labels=labels, when=when
    )


def _gauge(name: str, says: str, *labels: str, merge: Merge = "sum", when: str = "") -> Declared:
    return Declared(
        name=f"gapless_{name}", kind="gauge", says=says, labels=labels, merge=merge, when=when
    )


def _histogram(name: str, says: str, *labels: str, when: str = "") -> Declared:
    return Declared(name=f"gapless_{name}", kind="histogram", says=says, labels=labels, when=when)


def _summary(name: str, says: str, *labels: str, when: str = "") -> Declared:
    return Declared(name=f"gapless_{name}", kind="summary", says=says, labels=labels, when=when)


# --- requests -------------------------------------------------------------------------------------

_OF_ROUTE: Final = ("dialect", "method", "route")

REQUESTS: Final = _counter(
    "requests",
    "Requests that were answered, and upgrades to WebSockets; 499: the client went away first.",
    *_OF_ROUTE,
    "status",
)
REQUEST_SECONDS: Final = _histogram(
    "request_duration_seconds",
    "From a request until its answer was sent whole; of a WebSocket, until the upgrade was answered.",
    *_OF_ROUTE,
)
REJECTS: Final = _counter(
    "rejects",
    "Requests and frames that were refused, by the code of the error.",
    "dialect",
    "reason",
)

# --- streams --------------------------------------------------------------------------------------

STREAMS: Final = _gauge(
    "streams",
    "Live streams; parked: those that wait for their clients to come back.",
    "dialect",
    "state",
)
STREAMS_HELD_BACK: Final = _gauge(
    "streams_held_back", "Live streams that are not read from: too much of their audio waits."
)
STREAMS_MAX: Final = _gauge("streams_max", "Live streams that there may be.")
STREAMS_OPENED: Final = _counter("streams_opened", "Streams that were begun.", "dialect")
STREAM_LAG: Final = _histogram(
    "stream_lag_seconds",
    "From the last sample of a chunk received until all that it causes was sent, of streams that are not bulk.",
    "dialect",
)
STREAM_BACKLOG: Final = _gauge(
    "stream_backlog_seconds", "Audio that was received and waits to be heard, of all streams."
)
STREAM_WORST_BACKLOG: Final = _gauge(
    "stream_worst_backlog_seconds", "The same, of the stream that is furthest behind.", merge="max"
)

# --- recognisers ----------------------------------------------------------------------------------

PLACES: Final = _gauge("recogniser_places", "Utterances that it can hear at a time.", "model")
PLACES_USED: Final = _gauge("recogniser_places_used", "Utterances that it hears.", "model")
PLACES_WAITING: Final = _gauge(
    "recogniser_waiting", "Utterances that wait for a place at it.", "model"
)
SUPPRESSED: Final = _counter(
    "suppressed_texts",
    "Texts that a recogniser invented and that were dropped, by what noticed it.",
    "model",
    "guard",
    when="for recognisers that have guards",
)

# --- models ---------------------------------------------------------------------------------------

_OF_MODEL: Final = ("model", "version")

MODEL_CALLS: Final = _counter("model_calls", "Calls of a model: batches.", *_OF_MODEL)
MODEL_ROWS: Final = _counter("model_rows", "Rows that were answered.", *_OF_MODEL)
MODEL_REQUESTS: Final = _counter(
    "model_requests",
    "Requests to a model, by what became of them: ok, failed, refused, expired or cancelled.",
    *_OF_MODEL,
    "outcome",
)
MODEL_QUEUE_SECONDS: Final = _histogram(
    "model_queue_seconds", "From a request's acceptance until its batch was begun.", *_OF_MODEL
)
MODEL_STEP_SECONDS: Final = _histogram(
    "model_step_seconds",
    "A batch as a whole: putting rows together, the model, and taking the answer apart.",
    *_OF_MODEL,
)
MODEL_COMPUTE_SECONDS: Final = _histogram(
    "model_compute_seconds", "A batch, in the model alone.", *_OF_MODEL
)
MODEL_BATCH_ROWS: Final = _histogram(
    "model_batch_rows", "Rows of a batch, without padding.", *_OF_MODEL
)
MODEL_WAITING_ROWS: Final = _gauge("model_waiting_rows", "Rows that wait.", *_OF_MODEL)
MODEL_SEQUENCES: Final = _gauge("model_sequences", "Sequences that are open.", *_OF_MODEL)
MODEL_SEQUENCES_MAX: Final = _gauge(
    "model_sequences_max", "Sequences that may be open; 0: it keeps none.", *_OF_MODEL
)

# --- servers that are asked -----------------------------------------------------------------------

_OF_ENDPOINT: Final = ("model", "endpoint")
_TRITON: Final = "for models on a Triton server"

POOL_CHANNELS: Final = _gauge(
    "pool_channels",
    "Channels to a Triton server: idle, lent or checking.",
    *_OF_ENDPOINT,
    "state",
    when=_TRITON,
)
POOL_CHANNELS_MAX: Final = _gauge(
    "pool_channels_max", "Channels that there may be.", *_OF_ENDPOINT, when=_TRITON
)
POOL_WAITING: Final = _gauge(
    "pool_waiting", "Calls that wait for a channel.", *_OF_ENDPOINT, when=_TRITON
)
POOL_GRANTS: Final = _counter(
    "pool_grants", "Calls that got a channel.", *_OF_ENDPOINT, when=_TRITON
)
POOL_REFUSALS: Final = _counter(
    "pool_refusals",
    "Calls that got none: timeout, or refused because too many waited or the server was away.",
    *_OF_ENDPOINT,
    "reason",
    when=_TRITON,
)
POOL_OPENED: Final = _counter(
    "pool_opened", "Channels that were opened.", *_OF_ENDPOINT, when=_TRITON
)
BREAKER_STATE: Final = _gauge(
    "breaker_state",
    "Workers that have this breaker in this state: closed (all is well), half-open or open.",
    "breaker",
    "state",
    when="with Redis, and for models on a Triton server",
)
BREAKER_OPENED: Final = _counter(
    "breaker_opened",
    "How often a breaker opened.",
    "breaker",
    when="with Redis, and for models on a Triton server",
)

# --- cache ----------------------------------------------------------------------------------------

CACHE_HITS: Final = _counter(
    "cache_hits",
    "Answers that were there: in memory, in redis, or in flight for somebody else.",
    "namespace",
    "tier",
)
CACHE_MISSES: Final = _counter("cache_misses", "Answers that were computed.", "namespace")
CACHE_STALE: Final = _counter(
    "cache_stale_hits",
    "Hits on what was past its lifetime, and was computed anew meanwhile.",
    "namespace",
)
CACHE_NEGATIVE: Final = _counter(
    "cache_negative_hits", "Hits on the answer that there is nothing.", "namespace"
)
CACHE_FAILURES: Final = _counter(
    "cache_failures", "Computations that failed; nothing is kept of them.", "namespace"
)
CACHE_EVICTIONS: Final = _counter(
    "cache_evictions", "Answers that were pushed out by others.", "namespace"
)
CACHE_REFUSED: Final = _counter(
    "cache_refused", "Answers that were too large, or not worth a place.", "namespace"
)
CACHE_ENTRIES: Final = _gauge("cache_entries", "Answers in memory.", "namespace")
CACHE_BYTES: Final = _gauge("cache_bytes", "What they take.", "namespace")
CACHE_BUDGET_BYTES: Final = _gauge("cache_budget_bytes", "What they may take.", "namespace")

# --- store ----------------------------------------------------------------------------------------

_STORE: Final = "while transcripts are kept"

STORE_SECONDS: Final = _histogram(
    "store_operation_seconds",
    "An operation of the database, waiting included: get, list, search, write (until it is durable) or commit "
    "(a transaction with all writes that share it).",
    "operation",
    when=_STORE,
)
STORE_CONNECTION_SECONDS: Final = _histogram(
    "store_connection_wait_seconds", "Waiting for a connection, for reads.", when=_STORE
)
STORE_WAITING_ROWS: Final = _gauge(
    "store_waiting_rows", "Rows that wait to be written.", when=_STORE
)
STORE_ROWS: Final = _counter("store_rows_written", "Rows that were written.", when=_STORE)
STORE_REFUSED: Final = _counter(
    "store_rows_refused", "Rows for which the queue had no room.", when=_STORE
)
STORE_CONNECTIONS: Final = _gauge(
    "store_connections", "Connections for reads: idle or lent.", "state", when=_STORE
)
STORE_CONNECTIONS_MAX: Final = _gauge(
    "store_connections_max", "Connections for reads that there may be.", when=_STORE
)
STORE_TROUBLE: Final = _gauge(
    "store_trouble", "Workers whose store cannot be written or reached.", when=_STORE
)

CALL_ROWS: Final = _counter(
    "inference_rows",
    "Rows of calls of models: kept, or dropped because the store could not take them in time.",
    "result",
    when="with save_inferences",
)
CALL_ROWS_WAITING: Final = _gauge(
    "inference_rows_waiting", "Rows of calls that wait for the store.", when="with save_inferences"
)

# --- jobs -----------------------------------------------------------------------------------------

JOB_WORKERS: Final = _gauge("job_workers", "Recordings that may be heard at a time.", when=_STORE)
JOB_RUNNING: Final = _gauge("job_recordings_running", "Recordings being heard.", when=_STORE)
JOB_RECORDINGS: Final = _counter(
    "job_recordings",
    "Recordings of jobs, by what became of them: done, failed, retried, lost or given_back.",
    "result",
    when=_STORE,
)

# --- feature flags --------------------------------------------------------------------------------

_FLAG: Final = (
    "for flags that are, or were, on for a share of the sessions or changed since the start"
)

FLAG_SHARE: Final = _gauge(
    "flag_share_ratio", "Share of the sessions for which it is on.", "flag", merge="max"
)
FLAG_CALLS: Final = _counter(
    "flag_calls", "Calls, by the side of the flag that they were on.", "flag", "side", when=_FLAG
)
FLAG_FAILURES: Final = _counter(
    "flag_failures", "Those that failed by the fault of the server.", "flag", "side", when=_FLAG
)
FLAG_SECONDS: Final = _histogram(
    "flag_call_seconds", "What requests took.", "flag", "side", when=_FLAG
)

# --- process --------------------------------------------------------------------------------------

BUILD: Final = _gauge("build_info", "1, with what runs here.", "version", "python", merge="max")
WORKERS: Final = _gauge("workers", "Processes that serve.")
WORKERS_READY: Final = _gauge("workers_ready", "Those that can be given work.")
UPTIME: Final = _gauge("uptime_seconds", "Since the eldest worker began.", merge="max")
CPU_SECONDS: Final = _counter(
    "process_cpu_seconds", "Time on processors, in the program and for it."
)
CPUS: Final = _gauge("process_cpus", "Processors that it may use.", merge="max")
RESIDENT_BYTES: Final = _gauge(
    "process_resident_memory_bytes",
    "Memory that is held; what workers share is counted in each.",
    when="on Linux",
)
PROPORTIONAL_BYTES: Final = _gauge(
    "process_proportional_memory_bytes",
    "Memory that is held; what processes share is divided among them (PSS).",
    when="on Linux",
)
OPEN_FILES: Final = _gauge(
    "process_open_files", "Open files and sockets.", when="on Linux and macOS"
)
OPEN_FILES_MAX: Final = _gauge(
    "process_open_files_max", "How many there may be.", when="on Linux and macOS"
)
THREADS: Final = _gauge("process_threads", "Threads of Python.")
LOOP_LATENESS: Final = _histogram(
    "event_loop_lateness_seconds", "How much later than asked a timer of the event loop was called."
)
TRACE_SPANS: Final = _counter(
    "trace_spans",
    "Spans of traces: sent, dropped for want of room, or refused by a collector that may be away.",
    "result",
    when="with traces_url",
)

# --- virtual microphones of the same user, on the same machine --------------------------------------

_MIC: Final = "while one runs"

MIC_RUNNING: Final = _gauge(
    "mic_running", "1 while sound goes through a virtual microphone.", "microphone", when=_MIC
)
MIC_BLOCKS: Final = _counter("mic_blocks", "Blocks of its audio callback.", "microphone", when=_MIC)
MIC_XRUNS: Final = _counter(
    "mic_xruns", "Overruns and underruns that the sound server reports.", "microphone", when=_MIC
)
MIC_UNDERRUN: Final = _counter(
    "mic_ring_underrun_samples",
    "Samples that the ring between two clocks did not have when they were due.",
    "microphone",
    when=_MIC,
)
MIC_OVERRUN: Final = _counter(
    "mic_ring_overrun_samples",
    "Samples that the ring between two clocks had no room for, or too many of.",
    "microphone",
    when=_MIC,
)
MIC_LATE_BLOCKS: Final = _counter(
    "mic_late_blocks", "Blocks for which the model's answer came too late.", "microphone", when=_MIC
)
MIC_OPENED: Final = _counter(
    "mic_breaker_opened", "How often it went over to the dry signal.", "microphone", when=_MIC
)
MIC_INVALID: Final = _counter(
    "mic_invalid_samples", "Samples that were no numbers or far too loud.", "microphone", when=_MIC
)
MIC_PATH: Final = _gauge(
    "mic_path",
    "1 for what is heard: full, cheaper, dry or half-open.",
    "microphone",
    "path",
    when=_MIC,
)
MIC_CALLBACK: Final = _summary(
    "mic_callback_seconds",
    "Time in its audio callback; quantile 1: the longest.",
    "microphone",
    when=_MIC,
)
MIC_LATENESS: Final = _summary(
    "mic_callback_lateness_seconds",
    "How late blocks came; quantile 1: the latest.",
    "microphone",
    when=_MIC,
)
MIC_LATENCY: Final = _gauge(
    "mic_latency_seconds", "What its engine adds, without the devices.", "microphone", when=_MIC
)
MIC_WORKER_LOAD: Final = _gauge(
    "mic_worker_load_ratio", "Share of real time that its model takes.", "microphone", when=_MIC
)
MIC_WORKER_LATENESS: Final = _gauge(
    "mic_worker_lateness_seconds",
    "How late the model's newest answer was.",
    "microphone",
    when=_MIC,
)

TITLES: Final[tuple[tuple[str, Declared], ...]] = (
    ("Requests", REQUESTS),
    ("Streams", STREAMS),
    ("Recognisers", PLACES),
    ("Models", MODEL_CALLS),
    ("Servers that are asked", POOL_CHANNELS),
    ("Cache", CACHE_HITS),
    ("Store", STORE_SECONDS),
    ("Jobs", JOB_WORKERS),
    ("Feature flags", FLAG_SHARE),
    ("Process", BUILD),
    ("Virtual microphones", MIC_RUNNING),
)
"""Headings of the reference, and the metric that each begins with."""

METRICS: Final[tuple[Declared, ...]] = tuple(
    metric for metric in list(globals().values()) if isinstance(metric, Declared)
)
"""All, in the order above."""

BY_FAMILY: Final = {metric.family: metric for metric in METRICS}
