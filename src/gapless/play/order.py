"""The order in which nodes are called: each after those whose wires it reads.

In: nodes. Out: the same in order. Invariants: the same nodes in the same order give the same order; where they form a
circle, the one that was named first reads what was a quantum before. Thread: any.
"""

from __future__ import annotations

from collections.abc import Sequence

from gapless.play.graph import Node


def in_order(nodes: Sequence[Node]) -> list[Node]:
    """Sort nodes topologically, depth first."""
    writers = {wire.ctypes.data: node for node in nodes for wire in node.channels}
    ordered: list[Node] = []
    seen: set[int] = set()
    for first in nodes:
        # Not recursive: chains may be long.
        waiting = [(first, False)]
        while waiting:
            node, ready = waiting.pop()
            if ready:
                ordered.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                waiting.append((node, True))
                for wire in reversed(node.all_reads()):
                    writer = writers.get(wire.ctypes.data)
                    if writer is not None and id(writer) not in seen:
                        waiting.append((writer, False))
    return ordered
