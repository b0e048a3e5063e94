"""Keys: digests of all that an answer depends on.

In: parts. Out: 16 bytes. Invariants: different parts give different keys but for collisions of the hash: every part is
preceded by its length, so ``("ab", "c")`` is not ``("a", "bc")``; equal parts give equal keys in every process and on
every machine. Thread: any; the hash of more than 2 KiB at a time lets other threads run.

The hash is BLAKE2b (RFC 7693) with 128 bits: in a cache of a billion answers two share a key with probability 2e-21.
It is no signature: whoever may choose recordings may not forge another's key, but nothing here is a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from gapless.errors import ConfigError

KEY_BYTES: Final = 16

Part: TypeAlias = bytes | bytearray | memoryview

_LENGTH_BYTES: Final = 8


def digest(*parts: Part) -> bytes:
    """A key.

    Args:
        parts: all that the answer depends on, in a fixed order; a ``memoryview`` must be contiguous bytes.
    """
    state = blake2b(digest_size=KEY_BYTES)
    for part in parts:
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        state.update(size.to_bytes(_LENGTH_BYTES, "little"))
        state.update(part)
    return state.digest()


def tensor_parts(tensors: Mapping[str, npt.NDArray[np.generic]]) -> Iterator[Part]:
    """Parts that stand for named tensors, in the order of their names; how they lie in memory does not count.

    Args:
        tensors: of numbers, or of ``bytes`` and ``str`` objects. Numbers count by their bits: 0.0 is not -0.0.

    Raises:
        ConfigError: a tensor of other objects.
    """
    # The number of tensors, and of each all that follows: no list of parts is the beginning of another's.
    yield len(tensors).to_bytes(_LENGTH_BYTES, "little")
    for name in sorted(tensors):
        array = tensors[name]
        yield name.encode("utf-8", "surrogatepass")
        yield array.dtype.str.encode()
        yield b",".join(b"%d" % size for size in array.shape)
        if array.dtype.hasobject:
            yield from _object_parts(name, array)
        else:
            flat = np.ascontiguousarray(array).reshape(-1)
            yield flat.view(np.uint8).data if flat.size else b""


def struct_part(settings: msgspec.Struct) -> bytes:
    """A part that stands for settings: their type and every field by its name, whatever the order of a set or dict."""
    kind = type(settings)
    named = (f"{kind.__module__}.{kind.__qualname__}", settings)
    return msgspec.msgpack.encode(named, order="deterministic")


def _object_parts(name: str, array: npt.NDArray[np.generic]) -> Iterator[Part]:
    for value in array.reshape(-1).tolist():
        match value:
            case bytes():
                yield b"b" + value
            case str():
                yield b"s" + value.encode("utf-8", "surrogatepass")
            case _:
                raise ConfigError(
                    f"tensor {name!r} holds a {type(value).__name__}; a key can be made of numbers, bytes and text"
                )
