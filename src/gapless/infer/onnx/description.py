"""What an ONNX file tells of itself: its inputs and outputs, before a manifest adds names, limits and states.

In: what ONNX Runtime reads from the file. Out: plain facts. Invariants: shapes are whole, with the batch axis where
there is one; a length that is not fixed keeps the symbol that the file gives it. Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gapless.infer.contract import DYNAMIC


class OnnxTensor(msgspec.Struct, frozen=True):
    """One input or output."""

    name: str
    datatype: str
    """As KServe names it: FP32, INT64, BYTES..."""
    shape: tuple[int | str, ...]
    """Of the whole tensor. A text is the symbol of a length that is not fixed; empty where the file gives it none."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """The shape with ``DYNAMIC`` for every length that is not fixed."""
        return tuple(DYNAMIC if isinstance(length, str) else length for length in self.shape)


class OnnxDescription(msgspec.Struct, frozen=True):
    """All inputs and outputs of a file, those of its states among them."""

    inputs: tuple[OnnxTensor, ...]
    outputs: tuple[OnnxTensor, ...]

    @property
    def batch_symbol(self) -> str | None:
        """The symbol of the batch axis, where all tensors have one in front; see ``batch_symbol``."""
        return batch_symbol((*self.inputs, *self.outputs))


def batch_symbol(tensors: Iterable[OnnxTensor]) -> str | None:
    """What the first axis of all these tensors is called; None if they have none, or it is fixed or not the same.

    Lengths without a symbol count as one: files that name nothing mean the batch axis by what is open in front.
    """
    firsts = {tensor.shape[0] if tensor.shape else None for tensor in tensors}
    if len(firsts) != 1:
        return None
    (first,) = firsts
    return first if isinstance(first, str) else None
