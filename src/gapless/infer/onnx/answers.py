"""What the answers of a model depend on, so that they may be remembered.

In: a loaded model, its manifest and files. Out: whether equal questions have equal answers, and a digest of all that an
answer depends on besides its question. Invariants: other weights, another manifest, another provider or another ONNX
Runtime have another digest. Thread: any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from gapless.errors import ModelError
from gapless.infer.contract import Model
from gapless.infer.repository.manifest import Manifest
from gapless.infer.sample_inputs import FREE_LENGTHS, random_inputs

DIGEST_BYTES: Final = 16
SEED: Final = 1


def is_repeatable(model: Model) -> bool:
    """Whether the model keeps no state and gives the same bits twice; what cannot be tried is not."""
    info = model.info
    if info.sequences != "none":
        return False
    for free in FREE_LENGTHS:
        inputs = random_inputs(info, info.limits.buckets[0], free, SEED)
        try:
            first, second = model.run(inputs), model.run(inputs)
        except ModelError:
            continue
        return all(
            np.array_equal(first[name], second[name], equal_nan=first[name].dtype.kind == "f")
            for name in first
        )
    return False


def answers_digest(manifest: Manifest, computed_by: str, files: Iterable[Path]) -> str:
    """Of a model's files, of what is said of it, and of what computes it.

    Args:
        manifest: what is said.
        computed_by: provider and version of the runtime.
        files: the model's; read whole.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in (msgspec.json.encode(manifest), computed_by.encode()):
        digest.update(hashlib.blake2b(part).digest())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
