"""Every setting: its type, default, unit, bounds and help, and where its value came from.

In: a TOML file, ``GAPLESS_<NAME>`` variables and flags, in that order of increasing weight. Out: a frozen ``Settings``
and, per field, a ``Source``. Invariants: nothing is read at import; an unknown name or a value out of its bounds stops
the start with an error that names the setting, the value and the range. Thread: any.
"""

from gapless.settings.aliases import ALIASES, Alias
from gapless.settings.describe import (
    HIDDEN,
    SettingInfo,
    describe_settings,
    setting_row,
    setting_rows,
)
from gapless.settings.fields import (
    AUTO_MODEL,
    ENV_PREFIX,
    GUARDS,
    KIB,
    MIB,
    SECRETS,
    GuardName,
    Settings,
)
from gapless.settings.load import load_settings
from gapless.settings.resolved import NO_BOUND, Bound, Resolved, Source

__all__ = [
    "ALIASES",
    "AUTO_MODEL",
    "ENV_PREFIX",
    "GUARDS",
    "HIDDEN",
    "KIB",
    "MIB",
    "NO_BOUND",
    "SECRETS",
    "Alias",
    "Bound",
    "GuardName",
    "Resolved",
    "SettingInfo",
    "Settings",
    "Source",
    "describe_settings",
    "load_settings",
    "setting_row",
    "setting_rows",
]
