"""Nothing in the zone calls what may wait, allocate or fail; and the gate sees what does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
from llvmlite import ir
from numba import float32, from_dtype, int64, types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import TypingError

from gapless.dsp.kernel import kernel
from gapless.realtime.clock import now_ns
from gapless.realtime.crossfade import crossfade
from gapless.realtime.llvm import INT32, call_named
from gapless.realtime.native import SAMPLES_POINTER, call_block, samples_view
from gapless.realtime.ring import write
from gapless.realtime.zone import Code, instruction, zone
from gapless.testing.play_parts import ALL_UNITS
from gapless.testing.zone import BY_ADDRESS, RAISES, forbidden_calls
from gapless.testing.zone_kernels import (
    argument_types,
    callbacks_of,
    find_modules,
    kernels_of,
    kernels_within,
)

pytestmark = pytest.mark.long

SAMPLES = float32[::1]
Samples = npt.NDArray[np.float32]

BY_ADDRESS_ALLOWED = ("gapless.audio.device.", "gapless.bench.", "gapless.play.sound.")
"""Their callbacks call functions of sound servers, block functions and units, which are judged by themselves."""


@cache
def kernels_in_callbacks() -> set[Dispatcher]:
    callbacks = [callback for name in find_modules() for callback in callbacks_of(name).values()]
    # Units are callbacks that are compiled when they are first made; ``test_units_gate`` reads their code.
    callbacks += [unit.compiled for unit in ALL_UNITS]
    return {found for callback in callbacks for found in kernels_within(callback)}


@pytest.mark.timeout(600)  # with an empty cache the first of them compiles all callbacks
@pytest.mark.parametrize("module", find_modules())
def test_nothing_of_the_zone_calls_what_may_wait(module: str) -> None:
    found = {name: forbidden_calls(callback) for name, callback in callbacks_of(module).items()}
    for name, function in kernels_of(module).items():
        if function not in kernels_in_callbacks():
            found[name] = forbidden_calls(function, argument_types(function))
    allowed = {BY_ADDRESS} if module.startswith(BY_ADDRESS_ALLOWED) else set()
    assert {name: calls - allowed for name, calls in found.items() if calls - allowed} == {}


def test_the_kernels_are_found() -> None:
    assert {"free", "fill", "write", "read", "skip"} <= kernels_of("gapless.realtime.ring").keys()
    assert "write" not in kernels_of("gapless.realtime.elastic"), "it only uses it"
    assert "gapless.realtime.ring" in find_modules()


# Offenders.


@instruction
def lock(_: Any) -> Code[None]:
    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        null = ir.Constant(ir.IntType(8).as_pointer(), None)
        call_named(builder, "pthread_mutex_lock", INT32, null)
        return context.get_dummy_value()

    return Code(types.void(), generate)


@kernel
def sum_of_a_copy(samples: Samples) -> float:
    total: float = samples.copy().sum()
    return total


sum_of_a_copy(np.ones(1, np.float32))
# Compiled here: inside a kernel of the zone it would not be.


def allocates_below(samples: Samples) -> float:
    return sum_of_a_copy(samples)


def prints(samples: Samples) -> None:
    print(samples[0])  # noqa: T201


def raises(samples: Samples) -> None:
    if samples[0] > 1:
        raise ValueError


def raises_below(samples: Samples) -> None:
    may_fail(samples)


@zone
def may_fail(samples: Samples) -> None:
    for n in range(0, 4, samples.shape[0]):  # a step of 0 is an error
        samples[n] = 0


def calls_by_address(samples: Samples) -> None:
    call_block(1, 2, samples.ctypes, samples.ctypes, 3)


def locks(samples: Samples) -> None:
    if samples[0] > 1:
        lock()


@pytest.mark.parametrize(
    ("offender", "expected"),
    [
        (allocates_below, "NRT_MemInfo_alloc_aligned"),
        (prints, "numba_gil_ensure"),
        (raises, RAISES),
        (raises_below, RAISES),
        (calls_by_address, BY_ADDRESS),
        (locks, "pthread_mutex_lock"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_offender_is_seen(offender: Callable[..., object], expected: str) -> None:
    assert expected in forbidden_calls(offender, (SAMPLES,))


def allocates(samples: Samples) -> float:
    total: float = np.empty(samples.shape[0], np.float32).sum()
    return total


def test_a_kernel_that_allocates_does_not_even_compile() -> None:
    with pytest.raises(TypingError, match="empty"):
        forbidden_calls(allocates, (SAMPLES,))


CALLBACK = types.void(SAMPLES_POINTER, int64)


def harmless_callback(samples: Any, frames: int) -> None:
    view = samples_view(samples, frames)
    for n in range(frames):
        view[n] = 1 / view[n]
    # Too large to become a part of its callers, so what it returns is looked at behind a call.
    crossfade(view, view, view, 0, view)
    crossfade(view, view, view, 1, view)


def raising_callback(samples: Any, frames: int) -> None:
    raises_compiled(samples_view(samples, frames))


def allocating_callback(samples: Any, frames: int) -> None:
    samples_view(samples, frames)[0] = sum_of_a_copy(samples_view(samples, frames))


raises_compiled = zone(raises)


@pytest.mark.parametrize("cached", [False, True])
def test_of_numbas_handling_of_errors_a_callback_keeps_what_can_happen(cached: bool) -> None:
    def calls_of(function: Callable[..., None]) -> set[str]:
        return forbidden_calls(numba.cfunc(CALLBACK, error_model="numpy", cache=cached)(function))

    assert calls_of(harmless_callback) == set()
    assert "numba_gil_ensure" in calls_of(raising_callback)
    assert "NRT_MemInfo_alloc_aligned" in calls_of(allocating_callback)


def test_a_callback_has_the_kernels_that_its_kernels_call() -> None:
    callback = numba.cfunc(CALLBACK)(raising_callback)
    assert kernels_within(callback) == {raises_compiled}
    assert write not in kernels_within(callback)


RECORD = np.dtype([("count", np.int64), ("table", np.float32, (4, 2))], align=True)


@zone
def of_all_kinds(  # noqa: PLR0917  Numba takes arguments by position
    count: int,
    share: float,
    on: bool,
    small: np.float32,
    samples: Samples,
    table: Annotated[Samples, 2],
    state: Annotated[Any, RECORD],
    pointer: Annotated[Any, SAMPLES_POINTER],
) -> int:
    state.count += now_ns()
    return count


def test_annotations_say_what_a_kernel_takes() -> None:
    assert argument_types(of_all_kinds) == (  # type: ignore[arg-type]
        types.int64,
        types.float64,
        types.boolean,
        types.float32,
        types.float32[::1],
        types.float32[:, ::1],
        from_dtype(RECORD),
        SAMPLES_POINTER,
    )
    assert forbidden_calls(of_all_kinds, argument_types(of_all_kinds)) == set()  # type: ignore[arg-type]


@zone
def of_an_unknown_kind(state: Any) -> int:
    count: int = state.count
    return count


def test_a_kernel_that_nobody_can_judge_is_refused() -> None:
    with pytest.raises(TypeError, match=r"what state of of_an_unknown_kind is.*Annotated"):
        argument_types(of_an_unknown_kind)  # type: ignore[arg-type]
