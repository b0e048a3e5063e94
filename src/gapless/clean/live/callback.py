"""The function that sound servers call, as machine code.

In: the address of a record of ``STATE``, two pointers, a count. Out: a block. Thread: the server's.
"""

from __future__ import annotations

from typing import Any

import numba
from numba import carray  # type: ignore[attr-defined]  # re-exported, but not in its stubs

from gapless.clean.live.process import process
from gapless.clean.live.state import STATE
from gapless.dsp.kernel import CACHED
from gapless.realtime.native import block_signature


@numba.cfunc(block_signature(STATE), error_model="numpy", cache=CACHED)
def block(state: Any, source: Any, target: Any, frames: int) -> None:
    """See ``process``."""
    process(carray(state, (1,))[0], carray(source, (frames,)), carray(target, (frames,)))
