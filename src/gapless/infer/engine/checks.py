"""A request against what the model takes, before it waits: what cannot work fails at once, and is told why.

In: a model's info, then requests' inputs. Out: how many rows they bring, and which batches they fit in.
Invariants: what passes can be put into one array with others of the same signature. Thread: any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias, final

import numpy as np

from gapless.errors import ModelError, TooLargeError
from gapless.infer.contract import DYNAMIC, Array, ModelInfo, TensorInfo
from gapless.infer.wire.tensors import DATATYPES

Signature: TypeAlias = tuple[tuple[str, tuple[int, ...]], ...]
"""The shapes of one row where they may differ between requests, and which optional inputs there are."""


class _Expected(NamedTuple):
    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    varies: bool
    """Whether requests may differ in it: a dynamic length, or an input that may be left out."""
    info: TensorInfo


@final
class Checks:
    """The checks of one model.

    Args:
        info: what it takes and gives.
        most_rows: that one request may bring.
    """

    def __init__(self, info: ModelInfo, most_rows: int) -> None:
        self._info = info
        self._expected = [
            _Expected(
                tensor.name,
                DATATYPES[tensor.datatype],
                tensor.shape,
                tensor.optional or DYNAMIC in tensor.shape,
                tensor,
            )
            for tensor in info.inputs
        ]
        self._outputs = tuple(tensor.name for tensor in info.outputs)
        self._most_rows = most_rows

    def inputs(self, given: Mapping[str, Array]) -> tuple[int, Signature]:
        """Check the tensors of a request.

        Returns:
            How many rows it brings (1 where the model does not batch), and its signature.

        Raises:
            ModelError: a name, type or shape is not what the model takes; ``param`` names the input.
            TooLargeError: more rows than one request may bring.
        """
        batched = self._info.batched
        rows = -1
        found = 0
        signature: Signature = ()
        for name, dtype, shape, varies, info in self._expected:
            array = given.get(name)
            if array is None:
                if not info.optional:
                    raise self._wrong(name, f"needs the input {name!r}: {self._want(info)}")
                continue
            found += 1
            own = array.shape[1:] if batched else array.shape
            if array.dtype != dtype or (own != shape and not _fits(own, shape)):
                raise self._misfit(info, array)
            if varies:
                signature += ((name, own),)
            if dtype.hasobject and not all(type(element) is bytes for element in array.flat):
                raise self._wrong(name, f"takes texts as bytes in {name!r}; encode them")
            if batched and array.shape[:1] != (rows,):
                if array.ndim == 0 or len(array) == 0:
                    raise self._misfit(info, array)
                if rows != -1:
                    raise self._wrong(
                        name, f"was given {rows} rows, but {len(array)} of {name!r}; bring as many"
                    )
                rows = len(array)
        if found != len(given):
            self._refuse_unknown(given)
        if rows > self._most_rows:
            raise TooLargeError(
                f"{rows} rows are more than the {self._most_rows} that one request to the model "
                f"{self._info.name} may bring; send several requests"
            )
        return max(1, rows), signature

    def outputs(self, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
        """The names of the outputs that are to be given.

        Raises:
            ModelError: the model does not give one of them; ``param`` names it.
        """
        if wanted is None:
            return self._outputs
        for name in wanted:
            if name not in self._outputs:
                raise self._wrong(
                    name, f"gives no output {name!r}; ask for {', '.join(self._outputs)}"
                )
        return wanted

    def _misfit(self, info: TensorInfo, array: Array) -> ModelError:
        return self._wrong(
            info.name,
            f"takes {self._want(info)} as {info.name!r}, not {array.dtype} {list(array.shape)}; send that",
        )

    def _want(self, info: TensorInfo) -> str:
        lengths = ["any" if length == DYNAMIC else str(length) for length in info.shape]
        rows = ["rows"] if self._info.batched else []
        return f"{info.datatype} [{', '.join(rows + lengths)}]"

    def _refuse_unknown(self, given: Mapping[str, Array]) -> None:
        known = [expected.name for expected in self._expected]
        for name in given:
            if name not in known:
                raise self._wrong(name, f"takes no input {name!r}; send {', '.join(known)}")

    def _wrong(self, param: str, what: str) -> ModelError:
        return ModelError(f"the model {self._info.name} {what}", param=param)


def _fits(own: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(own) == len(shape) and all(
        want in (DYNAMIC, have) for want, have in zip(shape, own, strict=True)
    )
