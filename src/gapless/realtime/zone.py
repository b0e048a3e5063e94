"""The decorators of kernels that run inside an audio callback, and of single instructions that they use.

In: a function over arrays and numbers. Out: machine code, the plain function kept as ``py_func``. Invariants: a kernel
of the zone cannot allocate or hold a reference, for Numba compiles it without its own runtime, and what would need that
is an error when it is compiled; divisions by zero give infinity, not an exception. ``testing.zone`` tells what a kernel
calls. Thread: the callback's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, ParamSpec, TypeVar, cast

import numba

from gapless.dsp.kernel import CACHED, Kernel

P = ParamSpec("P")
R = TypeVar("R")

ZONE_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""What Numba is told of every kernel of the zone."""


class Code(NamedTuple, Generic[R]):
    """What an instruction is for one choice of argument types; ``R`` is what it gives."""

    signature: Any
    """Numba's."""
    generate: Callable[[Any, Any, Any, Any], Any]
    """Writes LLVM's code: of Numba's context, LLVM's builder, the signature and the arguments' values."""


def zone(function: Callable[P, R]) -> Kernel[P, R]:
    """Compile ``function`` at its first call, without memory of its own."""
    compiled = numba.njit(cache=CACHED, **ZONE_OPTIONS)(function)
    return cast("Kernel[P, R]", compiled)


def instruction(generate: Callable[..., Code[R]]) -> Callable[..., R]:
    """Make an instruction of a function that is given Numba's context and the arguments' types."""
    return cast("Callable[..., R]", numba.extending.intrinsic(generate))
