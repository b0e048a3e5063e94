"""What a new graph changes in nodes that sound.

In: words for records. Out: **patches**, for whoever runs the graph to put in between two quanta. Invariants: the record
of a node that sounds is not written to; what a node keeps alive can be given back to it, should the graph not come to
be. Thread: the scheduler's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import numpy as np
import numpy.typing as npt

from gapless.play.graph import Node, Wiring


@final
class Patches:
    """Of one graph.

    Args:
        sounding: nodes that may be running.
    """

    def __init__(self, sounding: Iterable[Node]) -> None:
        self._sounding = {id(node) for node in sounding}
        self._words: list[tuple[int, int]] = []
        self._was: dict[int, tuple[Node, Wiring]] = {}
        """By identity: nodes that sound and were changed, with what they were."""

    def sounds(self, node: Node) -> bool:
        """Whether it may be running."""
        return id(node) in self._sounding

    def put(self, node: Node, field: str, number: int, value: float) -> None:
        """A word of a node's record: at once if nobody can be running it, else when the image is put in."""
        words = node.record[field].reshape(-1)
        if not self.sounds(node):
            words[number] = value
            return
        bits = np.array([value], words.dtype).view(np.int64)[0]
        self._words.append((words[number:].ctypes.data, int(bits)))

    def remember(self, node: Node) -> None:
        """Before what it keeps alive is changed."""
        if self.sounds(node) and id(node) not in self._was:
            self._was[id(node)] = (node, node.as_it_is())

    def undo(self) -> None:
        """Give the nodes back what their records still point to."""
        for node, was in self._was.values():
            node.go_back(was)

    def words(self) -> npt.NDArray[np.int64]:
        """Int64 [n, 2]: addresses, and what shall be there."""
        return np.array(self._words, np.int64).reshape(-1, 2)
