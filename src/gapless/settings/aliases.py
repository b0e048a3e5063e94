"""Names by which a program before this one took its settings; they are still read, with a notice.

In: environment variables without our prefix. Out: values of our settings, and sentences for people. Invariants: our
own name wins over an old one, wherever it was set; an old name with a value that cannot be used stops the start, as
ours do. Thread: any (pure).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from gapless.errors import ConfigError
from gapless.settings.convert import convert
from gapless.settings.fields import ENV_PREFIX, SECRETS
from gapless.settings.resolved import Source

LOCAL_REDIS: Final = "redis://127.0.0.1:6379/0"


class Alias(Struct, frozen=True):
    """An old name."""

    variable: str
    setting: str
    when: Literal["value", "gpu", "tensorrt", "switch", "redis"] = "value"
    """How its value is read: as the setting's own, or as a switch that stands for a value of it."""


ALIASES: Final = (
    Alias("ACTIX_WORKERS", "threads"),
    Alias("AUDIO_BUFFER_SIZE", "bulk_block_samples"),
    Alias("ENABLE_SIMD", "simd", "switch"),
    Alias("ONNX_POOL_SIZE", "executors"),
    # Of two for one setting the later counts: without a GPU there is no TensorRT.
    Alias("TENSORRT", "provider", "tensorrt"),
    Alias("USE_GPU", "provider", "gpu"),
    Alias("DB_POOL_SIZE", "store_pool"),
    Alias("PREPARED_STATEMENTS", "store_prepared", "switch"),
    Alias("BATCH_SIZE", "store_batch_rows"),
    Alias("CACHE_SIZE_MB", "cache_mb"),
    Alias("CACHE_TTL", "cache_ttl_s"),
    Alias("REDIS_ENABLED", "redis_url", "redis"),
)

OLD_NAMES: Final = frozenset(alias.variable for alias in ALIASES)

_SWITCHES: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


class Old(Struct, frozen=True):
    """What an old name sets."""

    alias: Alias
    value: Any
    source: Source

    def notice(self, used: Source) -> str:
        """What a person is told, where ``used`` is the source that the setting has in the end."""
        setting, variable = self.alias.setting, self.alias.variable
        ours = ENV_PREFIX + setting.upper()
        if used.detail in OLD_NAMES:
            shown = "a local one" if setting in SECRETS else str(self.value).lower()
            return (
                f"{variable} is an old name; it sets {setting} to {shown}: use {ours} in its place"
            )
        return (
            f"{variable} is an old name and not used, for {used.detail} sets {setting}: remove it"
        )


def read_aliases(env: Mapping[str, str]) -> list[Old]:
    """Old names that are set and say something, in the order of ``ALIASES``.

    Raises:
        ConfigError: a value cannot be used.
    """
    found = []
    for alias in ALIASES:
        text = env.get(alias.variable, "").strip()
        value = _value(alias, text, env) if text else None
        if value is not None:
            ours = ENV_PREFIX + alias.setting.upper()
            where = f"from {alias.variable} (an old name of {ours})"
            converted = convert(alias.setting, value, where, strict=False)
            found.append(Old(alias, converted, Source("environment", alias.variable)))
    return found


def _value(alias: Alias, text: str, env: Mapping[str, str]) -> Any:
    """What it sets its setting to; None: it leaves it alone."""
    if alias.when == "value":
        return text
    on = _switch(alias, text)
    if alias.when == "switch":
        return on
    if alias.when == "gpu":
        # With a GPU it is TENSORRT, if it is there, that says how to use it.
        asked_for_more = _SWITCHES.get(env.get("TENSORRT", "").strip().lower(), False)
        return "cpu" if not on else "tensorrt" if asked_for_more else "auto"
    if alias.when == "tensorrt":
        return "tensorrt" if on else None
    return LOCAL_REDIS if on else None


def _switch(alias: Alias, text: str) -> bool:
    known = _SWITCHES.get(text.lower())
    if known is None and alias.variable == "PREPARED_STATEMENTS" and text.isdecimal():
        return True  # it was the number of statements that are kept
    if known is None:
        raise ConfigError(
            f"{alias.variable} = {text!r} is not usable: expected: true or false; or set "
            f"{ENV_PREFIX}{alias.setting.upper()} in its place",
            param=alias.setting,
        )
    return known
