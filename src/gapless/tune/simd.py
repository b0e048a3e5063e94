"""For which processor kernels are compiled: this one's vector units, or any processor of its kind.

In: the setting ``simd``. Out: variables that Numba reads when it is imported. Invariants: nothing is imported; compiled
code of both kinds is cached side by side (Numba keeps processor and features in the key). Thread: main, before the
first kernel is imported; processes that are started later get the same.

Source: Numba's reference manual, "Environment variables", NUMBA_CPU_NAME and NUMBA_CPU_FEATURES.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping

from gapless.errors import ConfigError
from gapless.settings import Settings

CPU_NAME = "NUMBA_CPU_NAME"
CPU_FEATURES = "NUMBA_CPU_FEATURES"
GENERIC = "generic"


def choose_instructions(settings: Settings, env: MutableMapping[str, str]) -> None:
    """Make Numba compile for any processor where the settings say so; else leave it alone.

    Args:
        settings: ``simd`` counts.
        env: of this process: ``os.environ``.

    Raises:
        ConfigError: Numba was imported before and compiles for this processor.
    """
    if settings.simd or env.get(CPU_NAME) == GENERIC:
        return
    if "numba" in sys.modules:
        raise ConfigError(
            "simd = false comes too late: kernels are loaded already; set GAPLESS_SIMD=false in the environment, or "
            f"{CPU_NAME}={GENERIC}, before the program starts",
            param="simd",
        )
    env[CPU_NAME] = GENERIC
    env[CPU_FEATURES] = ""
