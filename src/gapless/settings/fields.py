"""Every setting: its type, default, unit, bounds and help.

In: nothing. Out: the frozen ``Settings``. Invariants: nothing is read at import; what is said of a setting is said here
and nowhere else. Thread: any.

A setting that is planned can be left to ``gapless.tune``: one with an automatic value (0, or -1 where 0 means none)
when it has that value, one without when nobody set it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

ENV_PREFIX = "GAPLESS_"

AUTO_MODEL = "auto"
"""As a value of ``model``: the best recogniser that is here."""

GuardName = Literal[
    "no_speech", "no_voice", "repetition", "stock_phrase", "unlikely", "low_confidence"
]
"""Rules against invented text; ``listen/recogniser/guards.py`` says what each does."""

GUARDS: tuple[GuardName, ...] = get_args(GuardName)

KIB = 1024
MIB = 1024 * KIB


def _field(
    group: str, help_text: str, unit: str = "", *, ge: float | None = None, le: float | None = None
) -> Meta:
    return Meta(description=help_text, extra={"group": group, "unit": unit}, ge=ge, le=le)


def _planned(
    group: str,
    help_text: str,
    unit: str = "",
    *,
    ge: int,
    le: int | None = None,
    automatic: int | None = None,
) -> Meta:
    """A setting that ``gapless.tune`` chooses where nobody does; ``automatic`` is the value that says so."""
    extra = {"group": group, "unit": unit, "planned": True, "automatic": automatic}
    return Meta(description=help_text, extra=extra, ge=ge, le=le)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings. ``gapless config explain NAME`` prints what is written here."""

    # --- server ---
    host: Annotated[
        str, _field("server", "Address to listen on. Any but loopback needs an API key.")
    ] = "127.0.0.1"
    port: Annotated[
        int, _field("server", "TCP port to listen on; 0 picks a free one.", ge=0, le=65_535)
    ] = 8000
    grpc_port: Annotated[
        int,
        _field(
            "server",
            "TCP port of KServe over gRPC; 0 picks a free one, -1: none.",
            ge=-1,
            le=65_535,
        ),
    ] = -1
    wyoming_port: Annotated[
        int,
        _field(
            "server",
            "TCP port of Wyoming (Home Assistant), usually 10300; 0 picks a free one, -1: none.",
            ge=-1,
            le=65_535,
        ),
    ] = -1
    wyoming_host: Annotated[
        str,
        _field("server", "Address of Wyoming. It has no keys: whoever reaches it may use it."),
    ] = "127.0.0.1"
    api_key: Annotated[
        str | None,
        _field("server", "Secret that clients must send (Authorization: Bearer, or X-API-Key)."),
    ] = None
    allowed_origins: Annotated[
        tuple[str, ...],
        _field("server", "Browser origins besides our own that may connect, e.g. https://app.lan."),
    ] = ()

    workers: Annotated[
        int,
        _field(
            "server",
            "Processes that serve the port; each loads its models and has its share of the limits.",
            ge=1,
            le=64,
        ),
    ] = 1
    reload_drain_s: Annotated[
        int,
        _field(
            "server",
            "After a reload (SIGHUP), how long old processes go on with the streams they have.",
            "s",
            ge=0,
            le=86_400,
        ),
    ] = 600
    keep_alive_s: Annotated[
        int,
        _field("server", "An idle HTTP connection is closed after this.", "s", ge=1, le=3600),
    ] = 75
    backlog: Annotated[
        int,
        _field(
            "server",
            "Connections that may wait to be accepted; the system may allow fewer.",
            ge=1,
            le=65_535,
        ),
    ] = 8192
    compress_min_bytes: Annotated[
        int,
        _field(
            "server",
            "Answers from this size on are compressed for clients that accept it; 0: none are.",
            "bytes",
            ge=0,
        ),
    ] = 16_384

    # --- limits ---
    max_sessions: Annotated[
        int,
        _field("limits", "Live streams at a time; one more is refused with 503.", ge=1, le=10_000),
    ] = 64
    max_players: Annotated[
        int,
        _field(
            "limits", "Browsers that play at a time; one more is refused with 503.", ge=0, le=256
        ),
    ] = 4
    max_uploads: Annotated[
        int, _field("limits", "Files transcribed at a time; more wait.", ge=1, le=256)
    ] = 2
    max_waiting_uploads: Annotated[
        int, _field("limits", "Files that may wait; one more is refused with 503.", ge=0, le=10_000)
    ] = 16
    max_body_bytes: Annotated[
        int, _field("limits", "Largest request body.", "bytes", ge=KIB, le=16 * 1024 * MIB)
    ] = 256 * MIB
    max_frame_bytes: Annotated[
        int, _field("limits", "Largest WebSocket frame.", "bytes", ge=KIB, le=64 * MIB)
    ] = MIB
    pause_buffer_ms: Annotated[
        int,
        _field("limits", "Unprocessed audio of a stream at which reading pauses.", "ms", ge=100),
    ] = 30_000
    max_buffer_ms: Annotated[
        int, _field("limits", "Unprocessed audio of a stream that is an error.", "ms", ge=200)
    ] = 60_000
    max_outgoing: Annotated[
        int, _field("limits", "Messages that a slow reader may leave unread.", ge=16, le=100_000)
    ] = 1000
    max_file_ms: Annotated[
        int, _field("limits", "Longest recording accepted over HTTP.", "ms", ge=1000)
    ] = 4 * 3600 * 1000
    idle_timeout_ms: Annotated[
        int, _field("limits", "A stream without audio or keepalive ends after this.", "ms", ge=100)
    ] = 120_000
    ping_interval_ms: Annotated[
        int, _field("limits", "Time between WebSocket pings.", "ms", ge=100)
    ] = 10_000
    ping_timeout_ms: Annotated[
        int,
        _field("limits", "A peer that does not answer a ping for this long is gone.", "ms", ge=100),
    ] = 20_000
    resume_ms: Annotated[
        int,
        _field("limits", "How long a stream that lost its connection can be resumed.", "ms", ge=0),
    ] = 30_000
    drain_ms: Annotated[
        int,
        _field("limits", "Time that open streams get to finish when the server stops.", "ms", ge=0),
    ] = 5_000

    # --- listening ---
    model: Annotated[
        str,
        _field("listen", "Recogniser to use where none is asked for; auto: the best one present."),
    ] = AUTO_MODEL
    language: Annotated[
        str | None,
        _field("listen", "Language (ISO 639-1) where none is asked for; none: the model decides."),
    ] = None
    guards: Annotated[
        tuple[GuardName, ...],
        _field(
            "listen",
            "Rules by which text that a model invents is dropped; those left out are off.",
        ),
    ] = GUARDS
    decoders: Annotated[
        int,
        _planned(
            "listen", "Utterances recognised at a time (PocketSphinx: 95 MB each).", ge=1, le=64
        ),
    ] = 3
    threads: Annotated[
        int,
        _planned(
            "listen",
            "Threads for what computes or blocks; 0: as the plan says.",
            ge=0,
            le=256,
            automatic=0,
        ),
    ] = 0
    denoise: Annotated[
        float, _field("listen", "Amount of noise removed before listening; 0 is off.", ge=0, le=1)
    ] = 0.0
    vad_threshold: Annotated[
        float, _field("listen", "Speech probability at which speech begins.", ge=0.05, le=0.99)
    ] = 0.5
    speech_min_ms: Annotated[
        int, _field("listen", "Sounds shorter than this are no speech.", "ms", ge=0, le=2000)
    ] = 160
    endpointing_ms: Annotated[
        int, _field("listen", "Silence that ends an utterance.", "ms", ge=100, le=10_000)
    ] = 500
    endpoint_silence_ms: Annotated[
        int,
        _field(
            "listen",
            "Silence without a word, by the ear of a streaming recogniser, that ends an utterance where the voice "
            "detector hears speech in a noise; 0 leaves it to the voice detector.",
            "ms",
            ge=0,
            le=60_000,
        ),
    ] = 0
    endpoint_after_words_ms: Annotated[
        int,
        _field(
            "listen",
            "The same behind words. Where audio comes faster than it sounds, the place of the cut is left to chance.",
            "ms",
            ge=0,
            le=60_000,
        ),
    ] = 0
    padding_ms: Annotated[
        int, _field("listen", "Audio kept before and after the speech.", "ms", ge=0, le=2000)
    ] = 300
    max_utterance_ms: Annotated[
        int, _field("listen", "An utterance longer than this is split.", "ms", ge=1000, le=300_000)
    ] = 30_000

    # --- inference ---
    executors: Annotated[
        int,
        _planned(
            "inference",
            "Calls of models at a time; 0: as the plan says.",
            ge=0,
            le=256,
            automatic=0,
        ),
    ] = 0
    executor_threads: Annotated[
        int, _planned("inference", "Threads that one call of a model uses.", ge=1, le=256)
    ] = 1
    max_batch: Annotated[
        int,
        _planned(
            "inference",
            "Rows that one call of a model takes at most; 1: no batches, 0: as each model says.",
            ge=0,
            le=65_536,
        ),
    ] = 0
    remote_calls: Annotated[
        int, _field("inference", "Calls of models on other servers at a time.", ge=1, le=1024)
    ] = 32
    provider: Annotated[
        Literal["auto", "cpu", "cuda", "tensorrt", "coreml", "directml"],
        _field("inference", "What computes; auto takes the first that this machine really has."),
    ] = "auto"
    max_waiting_rows: Annotated[
        int,
        _field("inference", "Rows that may wait for all models together.", ge=1, le=1_000_000),
    ] = 4096
    watchdog_ms: Annotated[
        int,
        _field("inference", "A row that was not run for this long fails.", "ms", ge=100),
    ] = 10_000
    model_memory_bytes: Annotated[
        int,
        _planned(
            "inference",
            "Memory that loaded models may take; idle ones make room, the least recently used first.",
            "bytes",
            ge=16 * MIB,
        ),
    ] = 2048 * MIB
    pinned_models: Annotated[
        tuple[str, ...], _field("inference", "Models that stay in memory once they are loaded.")
    ] = ("silero_vad",)
    tensor_model: Annotated[
        str, _field("inference", "Model of /v1/infer where none is asked for.")
    ] = "silero_vad"
    repository_poll_ms: Annotated[
        int,
        _field("inference", "Time between looks for new files in MODELS_DIR; 0: none.", "ms", ge=0),
    ] = 1000

    # --- the virtual microphone ---
    mic_mode: Annotated[
        Literal["low-delay", "quality"],
        _field(
            "mic",
            "low-delay adds a few milliseconds; quality waits for the model, which hears more.",
        ),
    ] = "low-delay"
    mic_model: Annotated[
        str, _field("mic", "Denoiser: rnnoise, or the name of one in MODELS_DIR.")
    ] = "rnnoise"
    mic_amount: Annotated[
        float,
        _field("mic", "Amount of noise removed: 0 nothing, 1 all that can be found.", ge=0, le=1),
    ] = 1.0
    mic_block: Annotated[
        Literal["auto", "128", "256", "512"],
        _field(
            "mic",
            "Frames of a block; auto begins short and takes longer ones if this machine cannot keep up.",
        ),
    ] = "auto"
    mic_gate: Annotated[bool, _field("mic", "Fade out what is no voice.")] = False
    mic_gate_hang_over_ms: Annotated[
        int, _field("mic", "How long the gate stays open behind a voice.", "ms", ge=0, le=5_000)
    ] = 300
    mic_late_blocks: Annotated[
        int,
        _field(
            "mic",
            "Blocks in a row that the model may be late for before a cheaper path is taken.",
            ge=1,
            le=1_000,
        ),
    ] = 5
    mic_suspension_ms: Annotated[
        int, _field("mic", "How long a model that was late is left out.", "ms", ge=1, le=10_000)
    ] = 25
    mic_model_timeout_ms: Annotated[
        int,
        _field(
            "mic", "A result of the model that is later than this is dropped.", "ms", ge=5, le=5_000
        ),
    ] = 50
    mic_cap_samples: Annotated[
        int,
        _field(
            "mic",
            "Sound at 48 kHz that may wait at most; what is older is dropped, without a click.",
            "samples",
            ge=4_800,
            le=48_000,
        ),
    ] = 24_000
    mic_crossfade_samples: Annotated[
        int,
        _field("mic", "Length of a crossfade between two paths.", "samples", ge=32, le=960),
    ] = 240
    mic_min_fill_ms: Annotated[
        float,
        _field(
            "mic",
            "Lateness of the model (quality mode), or of a device with a clock of its own, that is always allowed for.",
            "ms",
            ge=0,
            le=500,
        ),
    ] = 3.0
    mic_max_fill_ms: Annotated[
        float,
        _field("mic", "The most that is allowed for after late wake-ups.", "ms", ge=1, le=500),
    ] = 40.0

    # --- playing ---
    play_samples: Annotated[
        tuple[str, ...],
        _field("play", "Folders of sounds for programs in the browser, as for `gapless live`."),
    ] = ()

    # --- the store ---
    store_url: Annotated[
        str,
        _field(
            "store",
            "PostgreSQL that keeps transcripts (postgresql://user@host/database); empty: a file in DATA_DIR.",
        ),
    ] = ""
    store_pool: Annotated[
        int,
        _planned(
            "store",
            "Connections to PostgreSQL at most; 0: as the plan says.",
            ge=0,
            le=1024,
            automatic=0,
        ),
    ] = 0
    store_pool_timeout_ms: Annotated[
        int,
        _field("store", "How long a call waits for a connection.", "ms", ge=10, le=120_000),
    ] = 5_000
    store_statement_timeout_ms: Annotated[
        int,
        _field("store", "A statement that takes longer is cut off.", "ms", ge=10, le=600_000),
    ] = 10_000
    store_prepared: Annotated[
        bool, _field("store", "Prepare statements that come again (PostgreSQL).")
    ] = True
    store_batch_rows: Annotated[
        int,
        _planned(
            "store",
            "Rows that share a transaction at most; 1: each its own, 0: as the plan says.",
            ge=0,
            le=100_000,
            automatic=0,
        ),
    ] = 0
    store_batch_ms: Annotated[
        int,
        _planned(
            "store",
            "A transaction takes no more rows once it is this old; 0: as the plan says.",
            "ms",
            ge=0,
            le=10_000,
            automatic=0,
        ),
    ] = 0
    store_max_waiting: Annotated[
        int,
        _field(
            "store", "Rows that may wait to be written; one more is refused.", ge=1, le=1_000_000
        ),
    ] = 10_000
    retention_days: Annotated[
        int,
        _field("store", "Transcripts older than this are deleted; 0: none.", "days", ge=0),
    ] = 0
    retention_mb: Annotated[
        int,
        _field(
            "store",
            "When the store is larger, the oldest transcripts are deleted; 0: none.",
            "MB",
            ge=0,
        ),
    ] = 0

    # --- the cache ---
    cache_mb: Annotated[
        int,
        _planned(
            "cache",
            "Memory for answers that may be asked for again; 0: none, -1: as the plan says.",
            "MB",
            ge=-1,
            le=1_048_576,
            automatic=-1,
        ),
    ] = -1
    cache_ttl_s: Annotated[
        int,
        _planned(
            "cache",
            "How long an answer is good; 0: as the plan says.",
            "s",
            ge=0,
            le=31_536_000,
            automatic=0,
        ),
    ] = 0
    redis_url: Annotated[
        str,
        _field(
            "cache",
            "Redis or Valkey as a second cache, shared by servers (redis://host:6379/0); empty: none.",
        ),
    ] = ""
    redis_timeout_ms: Annotated[
        int,
        _field("cache", "A Redis that takes longer counts as a miss.", "ms", ge=1, le=10_000),
    ] = 100

    # --- jobs ---
    max_jobs: Annotated[
        int,
        _field(
            "jobs", "Jobs that may wait or run; one more is refused with 503.", ge=0, le=1_000_000
        ),
    ] = 10_000
    max_job_mb: Annotated[
        int,
        _field(
            "jobs",
            "Bytes that recordings of jobs may take up in the store; more are refused with 503. 0: no bound.",
            "MB",
            ge=0,
            le=1_048_576,
        ),
    ] = 10_240
    job_workers: Annotated[
        int,
        _field(
            "jobs", "Recordings of jobs that this process hears at a time; 0: none.", ge=0, le=64
        ),
    ] = 1
    job_attempts: Annotated[
        int, _field("jobs", "How often a recording is tried.", ge=1, le=100)
    ] = 5
    job_lease_ms: Annotated[
        int,
        _field(
            "jobs",
            "A worker that says nothing for this long has lost its recording to others.",
            "ms",
            ge=500,
            le=3_600_000,
        ),
    ] = 30_000
    job_urls: Annotated[
        bool,
        _field("jobs", "Let jobs name recordings by URL; the server fetches them."),
    ] = False

    # --- fitting the machine ---
    tuning: Annotated[
        Literal["auto", "static"],
        _field(
            "tune",
            "auto: what is not set fits this machine; static: the same on all machines, for comparison.",
        ),
    ] = "auto"
    simd: Annotated[
        bool,
        _field(
            "tune", "Compile kernels for this processor's vector units; false: for any processor."
        ),
    ] = True
    bulk_block_samples: Annotated[
        int,
        _planned(
            "tune",
            "Samples of a recording that are heard in one go; 0: as the plan says.",
            "samples",
            ge=0,
            le=1_048_576,
            automatic=0,
        ),
    ] = 0

    warm_up: Annotated[
        bool,
        _field(
            "tune",
            "Ask models for nothing a few times at the start, so that the first caller waits no longer.",
        ),
    ] = True
    flags: Annotated[
        str,
        _field(
            "tune",
            "Optimisations for a share of sessions, as in batching=10%,answers=off; `gapless flags` lists them.",
        ),
    ] = ""

    # --- files ---
    data_dir: Annotated[
        str, _field("files", "Where transcripts are kept; empty: the user's data folder.")
    ] = ""
    models_dir: Annotated[
        str, _field("files", "Where models are kept; empty: DATA_DIR/models.")
    ] = ""
    save: Annotated[bool, _field("files", "Keep transcripts of what is heard.")] = True
    save_inferences: Annotated[
        bool,
        _field("files", "Keep a row of every call of a model over HTTP: when, which, how long."),
    ] = False

    # --- logs ---
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _field("logs", "Least severe line that is written."),
    ] = "info"
    log_format: Annotated[
        Literal["auto", "console", "json"],
        _field("logs", "console for people, json for programs; auto: console on a terminal."),
    ] = "auto"
    traces_url: Annotated[
        str,
        _field(
            "logs",
            "OpenTelemetry collector that traces are sent to (http://127.0.0.1:4318); empty: none.",
        ),
    ] = ""

    @property
    def data_path(self) -> Path:
        """The folder that holds what is kept."""
        if self.data_dir:
            return Path(self.data_dir).expanduser()
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        return Path(base).expanduser() / "gapless"

    @property
    def database_path(self) -> Path:
        """The file of the embedded store."""
        return self.data_path / "transcripts.db"

    @property
    def models_path(self) -> Path:
        """The folder that holds models that were added or pulled."""
        return Path(self.models_dir).expanduser() if self.models_dir else self.data_path / "models"

    @property
    def max_job_bytes(self) -> int:
        """What recordings of jobs may take up; 0: no bound."""
        return self.max_job_mb * MIB

    @property
    def play_samples_paths(self) -> tuple[Path, ...]:
        """The folders that hold folders of sounds."""
        return tuple(Path(folder).expanduser() for folder in self.play_samples)


SECRETS = frozenset({"api_key", "store_url", "redis_url"})
"""Settings whose value is never printed."""
