"""Many clients of a server at once, and what it acknowledged to them: the same load for every store and cache.

In: a server's address and recordings. Out: a ledger of what was answered, and then whether all of it is kept, once.
Invariants: what is in the ledger was acknowledged by the server; a client that is refused for a while tries again, as
its refusal tells it to. Thread: an event loop's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Any, Final, Literal, NamedTuple, TypeAlias, final

import httpx
import msgspec

from gapless.audio.files import read_audio
from gapless.audio.types import LISTEN_RATE_HZ
from gapless.client import Client
from gapless.errors import GaplessError
from gapless.serve.stream.messages import (
    EndMessage,
    FinalMessage,
    PartialMessage,
    ServerMessage,
    WarningMessage,
)

PATIENCE_S: Final = 90.0
"""How long a client tries again before it gives up; and waits for an answer."""

PAUSE_S: Final = 0.1

BLOCK_MS: Final = 100

OVER: Final = ("done", "failed", "cancelled")

MODEL: Final = "commands-en.ctc"
"""A model without state, so that equal questions have equal answers."""

Way: TypeAlias = Literal["stream", "talk", "upload", "job"]
"""A talk is a recording that is said again and again, and ends anywhere."""


class Amounts(msgspec.Struct, frozen=True):
    """Clients of each kind; each does its work ``rounds`` times, or until the load is stopped if it is the larger."""

    paced: int = 2
    """Streams at the pace of a person speaking; where the load goes on during something, they talk all the time."""
    fast: int = 2
    """Streams as fast as the server takes them."""
    uploads: int = 2
    jobs: int = 1
    askers: int = 2
    """Each asks twenty questions a round; half of all questions are equal to others."""
    searchers: int = 1
    rounds: int = 1


class Said(NamedTuple):
    """A transcript as its client knows it."""

    way: Way
    recording: str
    texts: tuple[str, ...]
    unsaved: frozenset[int] = frozenset()
    """Which of them came with a warning that they are not saved: they may be, later."""


class Refusal(NamedTuple):
    """What a client was told instead of an answer."""

    path: str
    status: int
    body: str
    retry_after: str | None


@final
class Ledger:
    """What a server acknowledged."""

    def __init__(self) -> None:
        self.said: dict[str, Said] = {}
        """By the transcript that the server said it is."""
        self.unkept = 0
        """Streams that ended without a transcript although something was said."""
        self.cached: Counter[bool] = Counter()
        """Answers of models: how many were remembered."""
        self.answers: dict[int, Any] = {}
        """Of models, by question."""
        self.wrong: list[str] = []
        """Equal questions that were answered differently."""
        self.searches = 0
        self.refusals: list[Refusal] = []
        self.partials: list[float] = []
        """When partials came, by the monotonic clock."""
        self.finals: list[float] = []
        """When finals came."""

    def texts(self) -> dict[str, set[tuple[str, ...]]]:
        """What was understood of each recording; one way to do so, if all is well."""
        found: dict[str, set[tuple[str, ...]]] = {}
        for said in self.said.values():
            if said.way == "talk":
                continue
            found.setdefault(said.recording, set()).add(said.texts)
        return found

    async def check(self, url: str) -> list[str]:
        """What is missing, doubled or different in the store; nothing if all is well."""
        wrong = list(self.wrong)
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
            for transcript, said in self.said.items():
                answer = await client.get(f"/v1/transcripts/{transcript}")
                if answer.status_code != 200:
                    wrong.append(f"{transcript} ({said.way}): {answer.status_code}")
                    continue
                kept = [utterance["text"] for utterance in answer.json()["utterances"]]
                if not holds(kept, said):
                    wrong.append(f"{transcript}: {said}, kept {kept}")
        return wrong

    async def strays(self, url: str) -> list[str]:
        """Transcripts in the store that nobody was told of."""
        found: list[str] = []
        cursor: str | None = None
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
            while True:
                parameters = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
                page = (await client.get("/v1/transcripts", params=parameters)).json()
                found += [item["session"]["id"] for item in page["items"]]
                cursor = page["next_cursor"]
                if cursor is None:
                    return [name for name in found if name not in self.said]


@final
class Load:
    """Streams, questions, uploads, jobs and searches, all at once.

    Args:
        url: of the server.
        recordings: are streamed, uploaded and put into jobs, in turns.
        amounts: how many of each.
    """

    def __init__(self, url: str, recordings: Sequence[Path], amounts: Amounts) -> None:
        self.ledger: Final = Ledger()
        self._url = url
        self._recordings = recordings
        self._amounts = amounts
        self._turn = 0
        self._questions = 0
        self._goes_on = False

    async def run(self) -> Ledger:
        """Do all of it as often as it is to be done; what was acknowledged."""
        return await self._run()

    async def run_during(self, happens: Callable[[], Awaitable[None]]) -> Ledger:
        """Go on with it for as long as something happens, and at least as often as it is to be done."""

        async def happening() -> None:
            try:
                await happens()
            finally:
                self._goes_on = False

        self._goes_on = True
        return await self._run(happening())

    async def _run(self, *others: Awaitable[None]) -> Ledger:
        amounts = self._amounts
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=self._url, timeout=PATIENCE_S, limits=limits
        ) as client:
            kinds: list[tuple[int, Callable[[], Awaitable[None]]]] = [
                (amounts.paced, self._talk if self._goes_on else self._speak),
                (amounts.fast, self._send),
                (amounts.uploads, lambda: self._upload(client)),
                (amounts.jobs, lambda: self._job(client)),
                (amounts.askers, lambda: self._ask(client)),
                (amounts.searchers, lambda: self._search(client)),
            ]
            async with asyncio.TaskGroup() as group:
                for count, act in kinds:
                    for _ in range(count):
                        group.create_task(self._repeat(act))
                for other in others:
                    group.create_task(_awaited(other))
        return self.ledger

    async def _repeat(self, act: Callable[[], Awaitable[None]]) -> None:
        done = 0
        while done < self._amounts.rounds or self._goes_on:
            await act()
            done += 1
            await asyncio.sleep(PAUSE_S)

    def _next_recording(self) -> Path:
        self._turn += 1
        return self._recordings[self._turn % len(self._recordings)]

    async def _speak(self) -> None:
        await self._stream(self._next_recording(), realtime=True)

    async def _send(self) -> None:
        await self._stream(self._next_recording(), realtime=False)

    async def _stream(self, recording: Path, *, realtime: bool) -> None:
        async with Client(self._url) as client:
            await self._listen(
                "stream", recording, client.stream_file(recording, realtime=realtime)
            )

    async def _talk(self) -> None:
        recording = self._next_recording()
        size = LISTEN_RATE_HZ * BLOCK_MS // 1000
        blocks = list(read_audio(recording, LISTEN_RATE_HZ, block_samples=size))
        async with Client(self._url) as client, client.stream() as stream:

            async def talk() -> None:
                clock = asyncio.get_running_loop().time
                next_at = clock()
                for block in cycle(blocks):
                    await stream.send(block)
                    next_at += len(block) / LISTEN_RATE_HZ
                    await asyncio.sleep(max(next_at - clock(), 0))
                    if not self._goes_on:
                        break
                await stream.stop()

            async with asyncio.TaskGroup() as group:
                group.create_task(talk())
                group.create_task(self._listen("talk", recording, stream))

    async def _listen(self, way: Way, recording: Path, heard: AsyncIterator[ServerMessage]) -> None:
        events: list[ServerMessage] = []
        async for event in heard:
            events.append(event)
            if isinstance(event, PartialMessage):
                self.ledger.partials.append(monotonic())
            elif isinstance(event, FinalMessage):
                self.ledger.finals.append(monotonic())
        finals = [event for event in events if isinstance(event, FinalMessage)]
        warned = {event.utt for event in events if isinstance(event, WarningMessage)}
        (end,) = (event for event in events if isinstance(event, EndMessage))
        if end.transcript_id is None:
            self.ledger.unkept += bool(finals)
            return
        self.ledger.said[end.transcript_id] = Said(
            way,
            recording.name,
            tuple(final.text for final in finals),
            frozenset(number for number, final in enumerate(finals) if final.utt in warned),
        )

    async def _upload(self, client: httpx.AsyncClient) -> None:
        recording = self._next_recording()
        content = await asyncio.to_thread(recording.read_bytes)
        answer = await self._patiently(
            client,
            "POST",
            "/v1/audio/transcriptions",
            files={"file": (recording.name, content)},
            data={"model": "whisper-1", "response_format": "verbose_json"},
        )
        texts = tuple(segment["text"].strip() for segment in answer.json()["segments"])
        said = Said("upload", recording.name, texts)
        self.ledger.said[answer.headers["x-gapless-transcript-id"]] = said

    async def _job(self, client: httpx.AsyncClient) -> None:
        recording = self._next_recording()
        content = await asyncio.to_thread(recording.read_bytes)
        answer = await self._patiently(
            client,
            "POST",
            "/v1/jobs",
            files={"file": (recording.name, content)},
            headers={"idempotency-key": secrets.token_hex(8)},
        )
        job = answer.json()
        while job["state"] not in OVER:
            await asyncio.sleep(PAUSE_S)
            job = (await self._patiently(client, "GET", f"/v1/jobs/{job['id']}")).json()
        (file,) = job["files"]
        if file["state"] != "done":
            self.ledger.wrong.append(f"a job failed: {job}")
            return
        path = f"/v1/transcripts/{file['session_id']}"
        kept = (await self._patiently(client, "GET", path)).json()["utterances"]
        texts = tuple(utterance["text"] for utterance in kept)
        self.ledger.said[file["session_id"]] = Said("job", recording.name, texts)

    async def _ask(self, client: httpx.AsyncClient) -> None:
        for _ in range(20):
            number = self._questions // 2
            self._questions += 1
            row = [[number / 1000] * 384] * 4
            question = {"model": MODEL, "inputs": {"encoded": row}}
            answer = (await self._patiently(client, "POST", "/v1/infer", json=question)).json()
            self.ledger.cached[answer["cached"]] += 1
            if self.ledger.answers.setdefault(number, answer["outputs"]) != answer["outputs"]:
                self.ledger.wrong.append(f"question {number} has two answers")

    async def _search(self, client: httpx.AsyncClient) -> None:
        await self._patiently(client, "GET", "/v1/transcripts", params={"q": "the"})
        self.ledger.searches += 1

    async def _patiently(
        self, client: httpx.AsyncClient, method: str, path: str, **request: Any
    ) -> httpx.Response:
        """Ask until the server does what it is asked, or will not."""
        gives_up_at = monotonic() + PATIENCE_S
        while True:
            answer = await client.request(method, path, **request)
            if answer.is_success:
                return answer
            retry_after = answer.headers.get("retry-after-ms")
            self.ledger.refusals.append(Refusal(path, answer.status_code, answer.text, retry_after))
            if answer.status_code != 503 or retry_after is None or monotonic() > gives_up_at:
                raise GaplessError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
            await asyncio.sleep(int(retry_after) / 1000)


def holds(kept: list[str], said: Said) -> bool:
    """Whether all that was acknowledged is there, once and in order."""
    rest = list(kept)
    for number, text in enumerate(said.texts):
        if rest and rest[0] == text:
            rest.pop(0)
        elif number not in said.unsaved:
            return False
    return not rest


async def _awaited(work: Awaitable[None]) -> None:
    await work
