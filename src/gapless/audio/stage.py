"""The contract that every stage of the listening chain keeps.

A stage turns a stream of one thing into a stream of another: bytes into samples, samples into cleaner samples, samples
into speech probabilities. What comes out of all calls, put one after the other, is *the* output, and it obeys:

1. Streamed equals whole: any split of the input into blocks gives the same output, bit for bit.
2. ``reset()`` equals new.
3. Declared equals measured: ``latency_samples`` is the largest number of input samples that can be inside the stage,
   fed but not yet answered, at the end of any call to ``process``. No split exceeds it and some split reaches it.
4. Aligned: what a stage holds back delays *when* an output appears, never *where* it belongs. Output sample ``n`` of a
   stage with rate ratio r describes the instant of input sample ``n / r``; ``flush()`` returns what is still inside,
   so that the whole output is as long as the whole input.

``gapless.testing.laws.check_stage`` holds any stage to these laws.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Stage(Protocol[In_contra, Out_co]):
    """A streaming transformation without I/O; used by one thread at a time."""

    @property
    def latency_samples(self) -> int:
        """Most input samples held inside between calls."""
        ...

    def process(self, block: In_contra, /) -> Out_co:
        """Take the next block, return what is ready. Outputs are the caller's own: never views of internal state."""
        ...

    def flush(self) -> Out_co:
        """End of the stream: return what is still inside. Only ``reset`` may follow."""
        ...

    def reset(self) -> None:
        """Forget everything: afterwards the stage behaves as a new one."""
        ...
