"""Recordings that are heard once for each way to hear them.

In: a recording on disk, a recogniser's name and options. Out: its transcript, heard now or remembered. Invariants: the
key is made of the sound's bytes, the state of the recogniser's files and all that changes what it says; equal
recordings that come at the same time are heard once; a transcript that is to be kept is on disk before it is answered,
remembered or not. Thread: the event loop's; what blocks runs in ``services.executor``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import BinaryIO, Final, final

import msgspec
from starlette.datastructures import Headers

from gapless.cache.contract import Cache
from gapless.cache.key import digest, struct_part
from gapless.listen.events import Final as FinalEvent
from gapless.listen.listener import ListenOptions
from gapless.listen.recording import RecordingEvent
from gapless.serve.flags.call import is_on
from gapless.serve.offload import in_executor, in_keeping
from gapless.serve.services import Services
from gapless.serve.uploads import unix_ms
from gapless.store.contract import SessionRecord, StoredTranscript
from gapless.transcript import Transcript

BLOCK_BYTES: Final = 1024 * 1024

_DECODER: Final = msgspec.msgpack.Decoder(Transcript)


@final
class RememberedRecordings:
    """The engine's ears behind the cache.

    Args:
        services: both.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._cache: Final[Cache] = services.cache

    async def key(self, content: BinaryIO, model: str, options: ListenOptions) -> bytes:
        """What a recording is remembered by; reads it to its end, and rewinds it.

        Raises:
            ModelNotFoundError: no such model.
        """
        return await in_executor(self._services, lambda: self._key(content, model, options))

    def peek(self, key: bytes) -> Transcript | None:
        """The transcript, if it is in memory."""
        kept = self._cache.peek("recognition", key)
        return None if kept is None else _DECODER.decode(kept)

    async def get(
        self,
        key: bytes,
        content: BinaryIO,
        hear: Callable[[BinaryIO], Awaitable[Transcript]],
        session: SessionRecord | None,
    ) -> Transcript:
        """The transcript.

        Args:
            key: from ``key``.
            content: the recording, which may be closed as soon as this ends, however it ends.
            hear: listens to a recording, and keeps the transcript if ``session`` is given.
            session: under which a remembered transcript is kept.

        Raises:
            GaplessError: what ``hear`` raises, and what the store does.
        """
        heard: list[Transcript] = []

        async def compute() -> bytes:
            # Others may wait for the same recording when the one who brought it is gone, and its file with it.
            with os.fdopen(os.dup(content.fileno()), "rb") as own:
                heard.append(await hear(own))
            return msgspec.msgpack.encode(heard[0])

        answer = await self._cache.get("recognition", key, compute)
        if heard and not answer.cached:
            return heard[0]
        transcript = _DECODER.decode(answer.value)
        await self.keep(transcript, session)
        return transcript

    async def noted(
        self, key: bytes, events: AsyncIterator[RecordingEvent]
    ) -> AsyncIterator[RecordingEvent]:
        """``events`` of a recording that is heard now; its transcript is remembered before it is passed on."""
        async for event in events:
            if isinstance(event, Transcript):
                await self._cache.put("recognition", key, msgspec.msgpack.encode(event))
            yield event

    async def keep(self, transcript: Transcript, session: SessionRecord | None) -> None:
        """Write a remembered transcript to the store, if there is one and it is wanted.

        Raises:
            StoreError: it cannot be kept.
        """
        store = self._services.store
        if session is None or store is None:
            return
        ended = msgspec.structs.replace(
            session,
            ended_at_ms=unix_ms(),
            audio_ms=transcript.duration_ms,
            utterances=len(transcript.utterances),
        )
        whole = StoredTranscript(ended, transcript.utterances)
        await in_keeping(self._services, lambda: store.restore([whole]))

    def _key(self, content: BinaryIO, model: str, options: ListenOptions) -> bytes:
        sound = hashlib.blake2b()
        while block := content.read(BLOCK_BYTES):
            sound.update(block)
        content.seek(0)
        return digest(
            sound.digest(),
            model.encode(),
            self._services.revision(model).encode(),
            struct_part(options),
            ",".join(self._services.settings.guards).encode(),
        )


def asks_anew(headers: Headers) -> bool:
    """Whether a request wants no remembered answer, or is to get none. Source: RFC 9111, section 5.2.1."""
    return not is_on("recordings") or any(
        part.strip().lower() in {"no-cache", "no-store"}
        for part in headers.get("cache-control", "").split(",")
    )


def events_of(transcript: Transcript) -> Generator[RecordingEvent, None, None]:
    """A remembered transcript as if it were heard."""
    for utterance in transcript.utterances:
        yield FinalEvent(utterance)
    yield transcript
