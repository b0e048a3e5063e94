"""Answers of models as they went over the wire: the same bytes again for the same bytes.

In: bodies of requests to ``/v1/infer``. Out: bodies of answers, or nothing, and the request goes the long way.
Invariants: an answer is given only while the model that gave it is the one that would be asked now; nothing is answered
here that the long way would not have answered from the cache, with the same outputs. Thread: the event loop's.

The long way reads JSON, makes arrays, digests them, and writes JSON again, for an answer that is the same each time.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, final

import msgspec

from gapless.errors import GaplessError
from gapless.infer.contract import ModelInfo
from gapless.serve.remember.models import namespace_of
from gapless.serve.services import Services

LARGEST_BODY_BYTES: Final = 64 * 1024
"""Of a question; a larger one takes longer to digest than the event loop should do one thing."""


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    """An answer, and what it is an answer of."""

    model: str
    """The name that was asked."""
    version: str | None
    digest: str
    """Of the model that gave it."""
    body: bytes


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Kept)


@final
class WireAnswers:
    """Answers by the bytes of their questions.

    Args:
        services: the cache, and the models.
    """

    def __init__(self, services: Services) -> None:
        self._cache: Final = services.cache
        self._models: Final = services.inference.models

    def find(self, question: bytes) -> bytes | None:
        """The answer to a question, if it is remembered and its model is still the one to ask."""
        if len(question) > LARGEST_BODY_BYTES:
            return None
        key = _key(question)
        packed = self._cache.peek("inference", key) or self._cache.peek("embedding", key)
        if packed is None:
            return None
        kept = _DECODER.decode(packed)
        try:
            held = self._models.try_acquire(kept.model, kept.version)
        except GaplessError:  # the long way says what is wrong
            return None
        if held is None:
            return None
        current = held.model.info.digest
        held.release()
        return kept.body if current == kept.digest else None

    async def keep(
        self, question: bytes, model: str, version: str | None, info: ModelInfo, answer: bytes
    ) -> None:
        """Remember an answer.

        Args:
            question: the body of the request.
            model: the name that was asked.
            version: that was asked; None: the newest.
            info: of the model that answered; it has a digest.
            answer: what is to be sent again.
        """
        if len(question) > LARGEST_BODY_BYTES:
            return
        await self._cache.put(
            namespace_of(info),
            _key(question),
            _ENCODER.encode(_Kept(model, version, info.digest, answer)),
            version=f"{info.name}/{info.version}",
        )


def _key(question: bytes) -> bytes:
    # Longer than the digests of tensors, with which it shares the namespace; and quicker than theirs (measured).
    return sha256(question).digest()
