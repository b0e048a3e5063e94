"""One value of one setting, checked.

In: a name, and a value from a file, a variable or a flag. Out: the value as the setting has it. Invariants: what is not
usable is an error that names the setting, the value, where it came from and the range; secrets are not repeated.
Thread: any (pure).
"""

from __future__ import annotations

from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from gapless.errors import ConfigError
from gapless.settings.describe import describe_settings
from gapless.settings.fields import SECRETS, Settings


def convert(name: str, value: Any, where: str, *, strict: bool) -> Any:
    """The value as the setting ``name`` has it.

    Args:
        name: of the setting.
        value: of any type; texts are read if not ``strict``.
        where: the place it came from, for errors: ``from GAPLESS_PORT``.
        strict: whether it must have the right type already, as in TOML.

    Raises:
        ConfigError: unknown name, wrong type, or out of bounds.
    """
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
