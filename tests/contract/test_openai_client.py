"""OpenAI's own client, unmodified, against a real server with the real engine."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from openai.types.audio import (
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionTextSegmentEvent,
)

from gapless.audio.files import read_audio
from gapless.engine import Engine
from gapless.listen.recording import RecordingEvent
from gapless.settings import Settings
from gapless.store.contract import TranscriptQuery
from gapless.testing.recogniser import ScriptedRecogniser
from gapless.testing.server import running_server
from gapless.testing.services import ScriptedServices
from gapless.transcript import Transcript, to_srt

pytestmark = pytest.mark.long

MODEL = "pocketsphinx"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("data")
    with Engine(Settings(port=0, data_dir=str(folder), api_key="sesame", decoders=2)) as engine:
        engine.start()
        yield engine


@pytest.fixture(scope="module")
def base_url(engine: Engine) -> Iterator[str]:
    with running_server(engine) as server:
        yield f"{server.url}/v1"


@pytest.fixture(scope="module")
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="sesame", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def recording(speech_dir: Path) -> Path:
    return speech_dir / "sentence.flac"


@pytest.fixture(scope="module")
def expected(engine: Engine, recording: Path) -> Transcript:
    """What the engine hears without a network in between."""
    events: list[RecordingEvent] = list(engine.transcribe(recording, MODEL, engine.listen_options))
    transcript = events[-1]
    assert isinstance(transcript, Transcript)
    assert transcript.text
    return transcript


def test_json_is_the_text_that_the_engine_hears(
    client: openai.OpenAI, recording: Path, expected: Transcript, engine: Engine
) -> None:
    answer = client.audio.transcriptions.create(file=recording, model=MODEL)
    assert answer.text == expected.text
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == expected.duration_ms / 1000

    assert engine.store is not None
    found = engine.store.list(TranscriptQuery(text=expected.text)).items
    assert any(item.session.name == "sentence.flac" for item in found)


def test_verbose_json_has_segments_and_words_with_times(
    client: openai.OpenAI, recording: Path, expected: Transcript
) -> None:
    answer = client.audio.transcriptions.create(
        file=recording,
        model=MODEL,
        language="en",
        temperature=0.0,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert answer.text == expected.text
    assert answer.language == "en"
    assert answer.duration == expected.duration_ms / 1000
    assert answer.segments is not None
    assert [(s.id, s.start, s.end, s.text) for s in answer.segments] == [
        (i, u.start_ms / 1000, u.end_ms / 1000, u.text) for i, u in enumerate(expected.utterances)
    ]
    assert all(None not in segment.model_dump().values() for segment in answer.segments)
    assert answer.words is not None
    assert [(w.word, w.start, w.end) for w in answer.words] == [
        (w.text, w.start_ms / 1000, w.end_ms / 1000) for w in expected.words
    ]


def test_subtitles_are_a_string(
    client: openai.OpenAI, recording: Path, expected: Transcript
) -> None:
    content = recording.read_bytes()
    subtitles = client.audio.transcriptions.create(
        file=("talk.flac", content), model=MODEL, response_format="srt"
    )
    assert subtitles == to_srt(expected.utterances)


def test_a_stream_is_deltas_and_a_last_event(
    client: openai.OpenAI, recording: Path, expected: Transcript
) -> None:
    stream = client.audio.transcriptions.create(
        file=recording,
        model=MODEL,
        stream=True,
        chunking_strategy={"type": "server_vad", "silence_duration_ms": 500, "threshold": 0.5},
    )
    *deltas, done = list(stream)
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert done.text == expected.text
    text = ""
    for event in deltas:
        assert isinstance(event, TranscriptionTextDeltaEvent)
        text += event.delta
    assert text == expected.text


def test_the_asyncio_client_hears_two_at_once(
    base_url: str, recording: Path, expected: Transcript
) -> None:
    async def run() -> list[str]:
        async with openai.AsyncOpenAI(base_url=base_url, api_key="sesame", max_retries=0) as client:
            answers = await asyncio.gather(
                *(
                    client.audio.transcriptions.create(
                        file=recording, model=MODEL, language=language
                    )
                    for language in ("en", "en-US")
                )
            )
            return [answer.text for answer in answers]

    assert asyncio.run(run()) == [expected.text] * 2


def test_realtime_hears_what_the_engine_does(
    base_url: str, recording: Path, expected: Transcript
) -> None:
    rate_hz = 16_000
    blocks = [
        *read_audio(recording, rate_hz, block_samples=rate_hz // 20),
        np.zeros(rate_hz, np.float32),
    ]

    async def run() -> str:
        async with (
            openai.AsyncOpenAI(base_url=base_url, api_key="sesame", max_retries=0) as client,
            client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
        ):
            audio_format: Any = {"type": "audio/pcm", "rate": rate_hz}
            as_in_files: Any = {"type": "server_vad", "prefix_padding_ms": 300}
            await connection.session.update(
                session={
                    "type": "transcription",
                    "audio": {"input": {"format": audio_format, "turn_detection": as_in_files}},
                }
            )
            for block in blocks:
                audio = b64encode((block * 32_767).astype("<i2").tobytes()).decode()
                await connection.input_audio_buffer.append(audio=audio)
            async for event in connection:
                assert event.type != "error", event
                if event.type == "conversation.item.input_audio_transcription.completed":
                    return event.transcript
        raise AssertionError("the connection was closed")

    assert len(expected.utterances) == 1
    assert asyncio.run(run()) == expected.text


def test_models_are_listed_and_retrieved(client: openai.OpenAI) -> None:
    first, *_ = client.models.list()
    assert first.id == MODEL
    assert first.object == "model"
    model = client.models.retrieve(MODEL)
    assert model == first
    assert model.owned_by
    assert model.created > 0


# --- what needs no real words ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def translator() -> ScriptedRecogniser:
    return ScriptedRecogniser(translates=True)


@pytest.fixture(scope="module")
def scripted(translator: ScriptedRecogniser) -> Iterator[openai.OpenAI]:
    with (
        ScriptedServices(Settings(port=0), translator) as services,
        running_server(services) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def pauses(speech_dir: Path) -> Path:
    return speech_dir / "utterances.flac"


def test_openais_own_models_mean_the_default(scripted: openai.OpenAI, recording: Path) -> None:
    own = scripted.audio.transcriptions.create(file=recording, model="gpt-4o-mini-transcribe")
    assert own.text == scripted.audio.transcriptions.create(file=recording, model="scripted").text


def test_diarized_json_has_segments_whose_speaker_is_unknown(
    scripted: openai.OpenAI, pauses: Path
) -> None:
    answer = scripted.audio.transcriptions.create(
        file=pauses, model="scripted", response_format="diarized_json", chunking_strategy="auto"
    )
    assert len(answer.segments) > 1
    assert " ".join(segment.text for segment in answer.segments) == answer.text
    assert all(segment.speaker == "unknown" for segment in answer.segments)
    assert all(0 <= s.start < s.end <= answer.duration for s in answer.segments)

    *events, done = scripted.audio.transcriptions.create(
        file=pauses, model="scripted", response_format="diarized_json", stream=True
    )
    deltas = [e for e in events if isinstance(e, TranscriptionTextDeltaEvent)]
    segments = [e for e in events if isinstance(e, TranscriptionTextSegmentEvent)]
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert "".join(delta.delta for delta in deltas) == done.text == answer.text
    assert [delta.segment_id for delta in deltas] == [segment.id for segment in segments]
    assert [s.model_dump() for s in segments] == [s.model_dump() for s in answer.segments]


def test_log_probabilities_come_with_the_words_of_a_text_and_of_a_stream(
    scripted: openai.OpenAI, pauses: Path
) -> None:
    answer = scripted.audio.transcriptions.create(
        file=pauses, model="scripted", include=["logprobs"]
    )
    assert answer.logprobs
    assert "".join(entry.token or "" for entry in answer.logprobs) == answer.text
    assert all(entry.logprob == 0 for entry in answer.logprobs)  # it is sure of its words

    *deltas, done = scripted.audio.transcriptions.create(
        file=pauses, model="scripted", include=["logprobs"], stream=True
    )
    assert isinstance(done, TranscriptionTextDoneEvent)
    in_deltas = [
        entry.token
        for delta in deltas
        if isinstance(delta, TranscriptionTextDeltaEvent)
        for entry in delta.logprobs or []
    ]
    assert in_deltas == [entry.token for entry in done.logprobs or []]
    assert "".join(token or "" for token in in_deltas) == done.text == answer.text


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_translations_are_asked_of_models_that_translate(
    scripted: openai.OpenAI,
    translator: ScriptedRecogniser,
    client: openai.OpenAI,
    recording: Path,
) -> None:
    answer = scripted.audio.translations.create(file=recording, model="scripted")
    assert answer.text
    assert [options.task for options in translator.opened][-1] == "translate"

    verbose = scripted.audio.translations.create(
        file=recording, model="scripted", response_format="verbose_json", temperature=0.0
    )
    assert (verbose.language, verbose.text) == ("english", answer.text)
    assert verbose.segments

    anew = {"cache-control": "no-cache"}
    scripted.audio.transcriptions.create(file=recording, model="scripted", extra_headers=anew)
    assert [options.task for options in translator.opened][-1] == "transcribe"
    with pytest.raises(openai.BadRequestError) as untranslated:
        client.audio.translations.create(file=recording, model=MODEL)
    assert untranslated.value.param == "model"


def test_errors_are_the_exceptions_of_the_client(client: openai.OpenAI, recording: Path) -> None:
    create = client.audio.transcriptions.create
    with pytest.raises(openai.NotFoundError) as missing:
        create(file=recording, model="no/such")
    assert missing.value.code == "model_not_found"
    assert missing.value.param == "model"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.models.retrieve("no/such")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as unreadable:
        create(file=("a.wav", b"PK\x03\x04" * 50), model=MODEL)
    assert unreadable.value.code in ("invalid_audio", "unsupported_audio")
    with pytest.raises(openai.BadRequestError) as unsupported:
        create(file=recording, model=MODEL, known_speaker_names=["Ann"])
    assert unsupported.value.param == "known_speaker_names"
    with pytest.raises(openai.BadRequestError) as unpaired:
        create(file=recording, model=MODEL, timestamp_granularities=["word"])
    assert unpaired.value.param == "timestamp_granularities"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
