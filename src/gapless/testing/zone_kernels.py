"""Every kernel and callback of the zone in the package, and what the gate must know of them.

In: the package. Out: what was decorated with ``@zone`` or ``@cfunc`` at the top of a module, wherever it is; which
kernels are part of which callback; the types of a kernel's arguments. Invariants: no table: a kernel that a callback
calls is judged in it, with all that it really is called with; the types of the others are what their annotations say:
``int``, ``float``, ``bool``, NumPy's scalars, ``NDArray`` of one contiguous dimension, and what ``Annotated`` says of
the rest: a NumPy dtype for a record of it, a number for an array of so many dimensions, a Numba type for itself.
Thread: any.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Annotated, Any, Final, cast, get_args, get_origin, get_type_hints

import numba
import numpy as np
from numba import types
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher

import gapless

MENTIONED: Final = re.compile(r"\bnumba\b|gapless\.realtime")
SCALARS: Final[dict[Any, Any]] = {int: types.int64, float: types.float64, bool: types.boolean}


def find_modules() -> list[str]:
    """Names of the modules that may have a part of the zone: those that mention Numba or the real-time room.

    What is there for tests alone is no part of it.
    """
    root = Path(gapless.__path__[0])
    return [
        ".".join(file.relative_to(root.parent).with_suffix("").parts)
        for file in sorted(root.rglob("*.py"))
        if root / "testing" not in file.parents and MENTIONED.search(file.read_text("utf-8"))
    ]


def kernels_of(module: str) -> dict[str, Dispatcher]:
    """The kernels of the zone that a module has, by name."""
    return {
        name: value
        for name, value in vars(importlib.import_module(module)).items()
        if isinstance(value, Dispatcher)
        and value.targetoptions.get("_nrt") is False
        and value.__module__ == module
    }


def callbacks_of(module: str) -> dict[str, CFunc]:
    """The native callbacks that a module has, by name."""
    return {
        name: value
        for name, value in vars(importlib.import_module(module)).items()
        if isinstance(value, CFunc) and _plain(value).__module__ == module
    }


def kernels_within(callback: CFunc) -> set[Dispatcher]:
    """The kernels that a callback calls, and those that they call."""
    found: set[Dispatcher] = set()
    ahead = [_plain(callback)]
    while ahead:
        function = ahead.pop()
        for name in function.__code__.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, Dispatcher) and value not in found:
                found.add(value)
                ahead.append(value.py_func)
    return found


def argument_types(kernel: Dispatcher) -> tuple[Any, ...]:
    """Numba's types of a kernel's arguments.

    Raises:
        TypeError: an annotation does not say enough.
    """
    hints = get_type_hints(kernel.py_func, include_extras=True)
    hints.pop("return", None)
    kernel_name = kernel.py_func.__qualname__
    return tuple(_type_of(kernel_name, name, hint) for name, hint in hints.items())


def _plain(callback: CFunc) -> Any:
    """The Python function that a callback was made of."""
    return cast("Any", callback).__wrapped__


def _type_of(kernel: str, name: str, hint: Any) -> Any:
    dimensions = 1
    if get_origin(hint) is Annotated:
        hint, said = get_args(hint)
        if isinstance(said, types.Type):
            return said
        if isinstance(said, np.dtype):
            return numba.from_dtype(said)
        dimensions = said
    if hint in SCALARS:
        return SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, np.generic):
        return numba.from_dtype(np.dtype(hint))
    if get_origin(hint) is np.ndarray:
        (element,) = get_args(get_args(hint)[1])
        return types.Array(numba.from_dtype(np.dtype(element)), dimensions, "C")
    raise TypeError(
        f"the zone's gate does not know what {name} of {kernel} is, and no callback calls the kernel; annotate it as "
        "Annotated[Any, X], X being a NumPy dtype (a record), or as Annotated[NDArray[...], number of dimensions]"
    )
