"""Answers of models as they went over the wire: the same bytes again for the same bytes.

In: bodies of requests to ``/v1/infer``. Out: bodies of answers, or nothing, and the request goes the long way.
Invariants: an answer is given only while the model that gave it is the one that would be asked now; nothing is answered
here that the long way would not have answered from the cache, with the same outputs. Thread: the event loop's.

The long way reads JSON, makes arrays, digests them, and writes JSON again, for an answer that is the same each time.
"""

from __future__ import annotations

from typing import Final, final

import msgspec

from gapless.cache.key import KEY_BYTES
from gapless.infer.contract import ModelInfo
from gapless.serve.remember.models import namespace_of
from gapless.serve.services import Services

LARGEST_BODY_BYTES: Final = 64 * 1024
"""Of a question; a larger one is not worth its place as a key."""

SMALLEST_BODY_BYTES: Final = KEY_BYTES
"""Of a question, less one: shorter ones could be the digest of something else in the same namespace."""


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
        if not SMALLEST_BODY_BYTES < len(question) <= LARGEST_BODY_BYTES:
            return None
        peek = self._cache.peek
        packed = peek("inference", question) or peek("embedding", question)
        if packed is None:
            return None
        kept = _DECODER.decode(packed)
        if self._models.digest_of(kept.model, kept.version) != kept.digest:
            return None
        return kept.body

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
        if not SMALLEST_BODY_BYTES < len(question) <= LARGEST_BODY_BYTES:
            return
        await self._cache.put(
            namespace_of(info),
            # No digest, but the question itself: what a dictionary makes of it is quicker (measured), and it is never
            # mistaken for one of tensors, for it is longer.
            question,
            _ENCODER.encode(_Kept(model, version, info.digest, answer)),
            version=f"{info.name}/{info.version}",
            shared=False,
        )
