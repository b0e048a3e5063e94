"""The first story from end to end: real speech, the real command, its real clients, and a kill in the middle."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai
import pytest

import gapless
from gapless.serve.stream.messages import EndMessage, FinalMessage, PartialMessage, ServerMessage

pytestmark = pytest.mark.long


@contextmanager
def serving(data_dir: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """``gapless serve`` as a process of its own, and where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gapless", "serve", "--port", "0", "--data-dir", str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        address = next((line.split()[-1] for line in process.stdout if "http://" in line), None)
        assert address is not None, f"the server ended with {process.wait()}"
        yield address, process
    finally:
        process.terminate()
        process.communicate(timeout=30)


async def stream_until(
    address: str, recording: Path, enough: Callable[[ServerMessage], bool], *, realtime: bool
) -> list[ServerMessage]:
    """What a client hears while it streams a recording."""
    events: list[ServerMessage] = []
    async with gapless.Client(address) as client:
        async for event in client.stream_file(recording, realtime=realtime):
            events.append(event)
            if enough(event):
                break
    return events


def said(events: list[ServerMessage]) -> list[str]:
    return [event.text for event in events if isinstance(event, FinalMessage)]


def test_the_same_words_by_every_way_and_kept(speech_dir: Path, tmp_path: Path) -> None:
    recording = speech_dir / "news.flac"
    with serving(tmp_path) as (address, _):
        events = asyncio.run(
            stream_until(
                address, recording, lambda event: isinstance(event, EndMessage), realtime=True
            )
        )
        words = " ".join(said(events))
        assert any(isinstance(event, PartialMessage) for event in events)
        assert "the president of the united states" in words

        with (
            openai.OpenAI(base_url=f"{address}/v1", api_key="unused", max_retries=0) as client,
            recording.open("rb") as file,
        ):
            answer = client.audio.transcriptions.create(file=file, model="whisper-1")
        assert answer.text == words

        command = [sys.executable, "-m", "gapless", "transcribe", str(recording)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert " ".join(printed.split()) == words

        page = httpx.get(f"{address}/v1/transcripts", params={"q": "united stat"}).json()
        assert len(page["items"]) == 2
        assert {item["session"]["source"] for item in page["items"]} == {"stream", "file"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_final_that_was_sent_survives_sigkill(speech_dir: Path, tmp_path: Path) -> None:
    recording = speech_dir / "utterances.flac"
    with serving(tmp_path) as (address, process):

        def kill_at_the_first_final(event: ServerMessage) -> bool:
            if isinstance(event, FinalMessage):
                process.kill()
            return isinstance(event, FinalMessage)

        events = asyncio.run(
            stream_until(address, recording, kill_at_the_first_final, realtime=False)
        )
        assert process.wait(timeout=30) == -signal.SIGKILL
        (final,) = said(events)

    with serving(tmp_path) as (address, _):
        page = httpx.get(f"{address}/v1/transcripts", params={"q": f'"{final}"'}).json()
        hits = [hit["text"] for item in page["items"] for hit in item["hits"]]
        assert hits == [final]
        assert page["items"][0]["session"]["ended_at_ms"] is None
