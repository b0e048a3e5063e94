"""Every setting: its type, default, unit, bounds and help, and where its value came from.

In: a TOML file, ``GAPLESS_<NAME>`` variables and flags, in that order of increasing weight. Out: a frozen ``Settings``
and, per field, a ``Source``. Invariants: nothing is read at import; an unknown name or a value out of its bounds stops
the start with an error that names the setting, the value and the range. Thread: any.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from gapless.errors import ConfigError

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

    # --- limits ---
    max_sessions: Annotated[
        int,
        _field("limits", "Live streams at a time; one more is refused with 503.", ge=1, le=10_000),
    ] = 64
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
        _field(
            "listen", "Utterances recognised at a time (PocketSphinx: 95 MB each).", ge=1, le=64
        ),
    ] = 3
    threads: Annotated[
        int, _field("listen", "Threads for audio and models; 0: one per usable CPU.", ge=0, le=256)
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
        _field(
            "inference",
            "Calls of models at a time; 0: one per physical core but one, divided by EXECUTOR_THREADS.",
            ge=0,
            le=256,
        ),
    ] = 0
    executor_threads: Annotated[
        int, _field("inference", "Threads that one call of a model uses.", ge=1, le=256)
    ] = 1
    max_batch: Annotated[
        int,
        _field(
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
        _field(
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

    # --- files ---
    data_dir: Annotated[
        str, _field("files", "Where transcripts are kept; empty: the user's data folder.")
    ] = ""
    models_dir: Annotated[
        str, _field("files", "Where models are kept; empty: DATA_DIR/models.")
    ] = ""
    save: Annotated[bool, _field("files", "Keep transcripts of what is heard.")] = True

    # --- logs ---
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        _field("logs", "Least severe line that is written."),
    ] = "info"
    log_format: Annotated[
        Literal["auto", "console", "json"],
        _field("logs", "console for people, json for programs; auto: console on a terminal."),
    ] = "auto"

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


SECRETS = frozenset({"api_key"})
"""Settings whose value is never printed."""


class Source(msgspec.Struct, frozen=True):
    """Where a value came from."""

    kind: Literal["default", "file", "environment", "flag"]
    detail: str = ""


class SettingInfo(msgspec.Struct, frozen=True):
    """What is known of one setting, for people."""

    name: str
    group: str
    type: str
    default: Any
    unit: str
    bounds: str
    help: str

    @property
    def env(self) -> str:
        """The environment variable that sets it."""
        return ENV_PREFIX + self.name.upper()


class Resolved(msgspec.Struct, frozen=True):
    """Settings with the origin of each value."""

    settings: Settings
    sources: dict[str, Source]


def load_settings(
    *,
    file: Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Resolved:
    """Read every source and resolve it.

    Args:
        file: a TOML file; its top-level keys, or keys in tables named after the groups, are setting names.
        env: environment variables; ``None`` reads ``os.environ``.
        flags: values from the command line; ``None`` values mean "not given".

    Raises:
        ConfigError: unknown name, wrong type, or out of bounds; names the source.
    """
    env = os.environ if env is None else env
    values: dict[str, Any] = {}
    sources = {name: Source("default") for name in Settings.__struct_fields__}
    if file is not None:
        for name, value in _read_toml(file).items():
            values[name] = _convert(name, value, f"in {file}", strict=True)
            sources[name] = Source("file", str(file))
    for name in Settings.__struct_fields__:
        variable = ENV_PREFIX + name.upper()
        if variable in env:
            values[name] = _convert(name, env[variable], f"from {variable}", strict=False)
            sources[name] = Source("environment", variable)
    for name, value in (flags or {}).items():
        if value is not None:
            flag = "--" + name.replace("_", "-")
            values[name] = _convert(name, value, f"from {flag}", strict=False)
            sources[name] = Source("flag", flag)
    settings = Settings(**values)
    if settings.max_buffer_ms <= settings.pause_buffer_ms:
        raise ConfigError(
            f"max_buffer_ms ({settings.max_buffer_ms}) must be larger than "
            f"pause_buffer_ms ({settings.pause_buffer_ms}); raise the first or lower the second",
            param="max_buffer_ms",
        )
    return Resolved(settings, sources)


def describe_settings() -> list[SettingInfo]:
    """All settings in the order of the file, with bounds and help in words."""
    hints = get_type_hints(Settings, include_extras=True)
    defaults = Settings()
    return [
        _describe(name, hints[name], getattr(defaults, name)) for name in Settings.__struct_fields__
    ]


def _describe(name: str, hint: Any, default: Any) -> SettingInfo:
    base, meta = get_args(hint)[0], get_args(hint)[1]
    extra = meta.extra
    low, high = meta.ge, meta.le
    if get_origin(base) is Literal:
        kind, bounds = "choice", " | ".join(get_args(base))
    else:
        kind = {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(
            base, "list of text" if get_origin(base) is tuple else "text or nothing"
        )
        if low is not None and high is not None:
            bounds = f"{low} to {high}"
        else:
            bounds = f"at least {low}" if low is not None else ""
    return SettingInfo(name, extra["group"], kind, default, extra["unit"], bounds, meta.description)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"no settings file at {file}; `gapless config template` prints one"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{file} cannot be read as TOML: {error}") from error
    groups = {info.group for info in describe_settings()}
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat.update(value if key in groups and isinstance(value, dict) else {key: value})
    return flat


def _convert(name: str, value: Any, where: str, *, strict: bool) -> Any:
    hints = get_type_hints(Settings, include_extras=True)
    if name not in hints:
        raise ConfigError(
            f"unknown setting {name!r} {where}; `gapless config show` lists them all", param=name
        )
    base = get_args(hints[name])[0]
    if get_origin(base) is tuple and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if value == "" and type(None) in get_args(base):
        value = None
    try:
        return msgspec.convert(value, hints[name], strict=strict)
    except msgspec.ValidationError as error:
        info = next(info for info in describe_settings() if info.name == name)
        shown = "a secret" if name in SECRETS else repr(value)
        allowed = f"{info.type}, {info.bounds}" if info.bounds else info.type
        raise ConfigError(
            f"{name} = {shown} {where} is not usable: expected: {allowed}"
            + (f" ({info.unit})" if info.unit else ""),
            param=name,
        ) from error
