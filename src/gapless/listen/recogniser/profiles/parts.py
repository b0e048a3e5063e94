"""Parts of a recogniser, tried out: a network, what its manifest says, and how many rows it may be given at a time.

In: a network and what is known of its tensors. Out: a part to be laid out, and what the trial showed. Invariants: a
model whose rows influence each other, or whose batch axis is fixed, is given one row at a time. Thread: one at a
time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gapless.infer.repository.manifest import Manifest
from gapless.listen.recogniser.profiles.layout import PartLayout
from gapless.listen.recogniser.profiles.network import Network, Trial

MOST_FRAMES: Final = 2048
"""Feature frames in one call of an encoder, about 20 s: more would only make everybody wait for longer."""

MOST_ROWS: Final = 32
MOST_DECODER_ROWS: Final = 64
"""Prediction and joint networks are small, and are asked for every stream and hypothesis at once."""


def encoder_rows(window_frames: int) -> int:
    """How many windows one call of an encoder may bring: a power of two."""
    most = max(1, min(MOST_ROWS, MOST_FRAMES // window_frames))
    return 1 << (most.bit_length() - 1)


def make_part(
    name: str,
    network: Network,
    manifest: Manifest,
    integers: Mapping[str, int] | None = None,
    *,
    most_rows: int = MOST_DECODER_ROWS,
    any_length: bool = False,
) -> tuple[PartLayout, Trial]:
    """Try a network out, and describe it as a part.

    Args:
        name: of the part.
        network: its file.
        manifest: states, axes, and lengths that the file leaves open.
        integers: what whole-numbered inputs are in the trial; tokens may stay random.
        most_rows: largest batch, if it batches.
        any_length: whether the lengths of inputs are those of the trial only.

    Raises:
        ModelError: it cannot be run like this.
    """
    trial = network.try_out(manifest, integers or {})
    rows = most_rows if trial.batches else 1
    manifest = msgspec.structs.replace(
        manifest, max_batch=rows, inputs=() if any_length else manifest.inputs
    )
    return PartLayout(name, network.path, manifest), trial
