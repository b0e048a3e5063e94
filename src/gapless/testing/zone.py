"""The gate of the zone: what the machine code of a kernel or of a native callback may call, at the worst.

In: a compiled kernel, or a ``@cfunc``. Out: the names of all functions that it calls and that the zone does not allow.
Invariants: the code that is read is that which runs, also where it comes from Numba's cache; calls that cannot happen
do not count, and whether they can is proven, not guessed: LLVM propagates constants through the whole module first. So
Numba's handling of exceptions in a callback (which takes the interpreter lock) is gone exactly if no kernel below it
can return anything but "no error". Thread: any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

import llvmlite.binding as llvm
import numba
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher

from gapless.realtime.zone import ZONE_OPTIONS

NUMBERS: Final = re.compile(
    r"(sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|exp|exp2|expm1|log|log2|log10|log1p"
    r"|pow|sqrt|cbrt|hypot|fmod|floor|ceil|trunc|round|rint|fma|ldexp|copysign)f?"
)
"""The C library's functions of numbers alone: no memory, no lock, no system call."""

CLOCK: Final = frozenset({"clock_gettime", "QueryPerformanceCounter", "QueryPerformanceFrequency"})

NO_INSTRUCTIONS: Final = frozenset({"llvm.trap", "llvm.debugtrap", "llvm.ubsantrap"})
"""LLVM's functions stand for instructions; these for the end of the process."""

BY_ADDRESS: Final = "a call by address"
RAISES: Final = "an error is returned"


def forbidden_calls(function: Any, types: Sequence[Any] = ()) -> set[str]:
    """What the zone does not allow: allocation, Python, locks, system calls, errors, and anything unknown.

    Args:
        function: a kernel, a plain function (compiled as a kernel of the zone) or a ``@cfunc``.
        types: Numba's types of a kernel's arguments.

    Returns:
        Names of functions; ``BY_ADDRESS`` for what cannot be known; ``RAISES`` if a kernel can fail.
    """
    if isinstance(function, CFunc):
        library = cast("Any", function)._library  # noqa: SLF001  Numba has no other way
        module, entry = _module_of(library), function.native_name
    else:
        module, entry = _kernel_module(function, tuple(types))
    _reduce(module, entry)
    found = {name for name in _calls(module) if not _allowed(name)}
    if not isinstance(function, CFunc) and not _succeeds(module.get_function(entry)):
        found.add(RAISES)
    return found


def llvm_code(kernel: Callable[..., object], types: Sequence[Any]) -> str:
    """LLVM's code of a kernel, as text, with that of the kernels it calls."""
    module, _ = _kernel_module(kernel, tuple(types))
    return str(module)


def _kernel_module(function: Callable[..., object], types: tuple[Any, ...]) -> tuple[Any, str]:
    compiled: Any = function
    if not isinstance(function, Dispatcher):
        compiled = numba.njit(**ZONE_OPTIONS)(function)
    compiled.compile(types)
    result = compiled.overloads[types]
    return _module_of(result.library), result.fndesc.llvm_func_name


def _module_of(library: Any) -> Any:
    """A copy of the library's code, with that of the kernels it calls."""
    code = library._get_module_for_linking()  # noqa: SLF001  Numba shows no code that comes from its cache otherwise
    return llvm.parse_bitcode(code.as_bitcode())


def _reduce(module: Any, entry: str) -> None:
    """Leave what can be reached from ``entry``."""
    for function in module.functions:
        if not function.is_declaration:
            function.linkage = "external" if function.name == entry else "internal"
    machine = llvm.Target.from_default_triple().create_target_machine()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    passes = llvm.create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)


def _calls(module: Any) -> Iterator[str]:
    """Names of what is called and is not code of the module itself."""
    inside = {function.name: not function.is_declaration for function in module.functions}
    for function in module.functions:
        for instruction in _instructions(function):
            if instruction.opcode in {"call", "invoke", "callbr"}:
                *_, callee = instruction.operands
                if callee.name not in inside:
                    yield BY_ADDRESS
                elif not inside[callee.name]:
                    yield callee.name


def _allowed(name: str) -> bool:
    if name.startswith("llvm."):
        return name not in NO_INSTRUCTIONS
    return name in CLOCK or NUMBERS.fullmatch(name) is not None


def _succeeds(kernel: Any) -> bool:
    """Whether all that a kernel can return to its caller is 0, Numba's word for no error."""
    returns = [code for code in _instructions(kernel) if code.opcode == "ret"]
    return all(str(code).split() == ["ret", "i32", "0"] for code in returns)


def _instructions(function: Any) -> Iterator[Any]:
    for block in function.blocks:
        yield from block.instructions
