"""What the server answers, one entry per method and address: the table behind ``/openapi.json``.

In: nothing. Out: ``OPERATIONS``. Invariants: every route of the application has an entry and every entry a route (a
test compares them); shapes are named by the structs that are really used. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from gapless.serve.asr_v2.messages import Decoded
from gapless.serve.config import Configuration
from gapless.serve.document.asr_v2_operations import ASR_V2_OPERATIONS
from gapless.serve.document.deepgram_operations import DEEPGRAM_OPERATIONS, DeepgramRefusal
from gapless.serve.document.flags_operations import FLAGS_OPERATIONS
from gapless.serve.document.infer_operations import INFER_OPERATIONS
from gapless.serve.document.jobs_operations import JOBS_OPERATIONS
from gapless.serve.document.kserve_operations import KSERVE_OPERATIONS
from gapless.serve.document.metrics_operations import METRICS_OPERATIONS
from gapless.serve.document.operation import Answer, Operation, Socket
from gapless.serve.document.play_operations import PLAY_OPERATIONS
from gapless.serve.document.realtime_operations import REALTIME_OPERATIONS
from gapless.serve.document.status_operations import STATUS_OPERATIONS
from gapless.serve.health import Health
from gapless.serve.openai.messages import (
    Model,
    ModelList,
    Transcription,
    TranscriptionDiarized,
    TranscriptionEvent,
    TranscriptionRequest,
    TranscriptionVerbose,
    TranslationRequest,
)
from gapless.serve.problem import Dialect
from gapless.serve.stream import close
from gapless.serve.stream.messages import SUBPROTOCOL, ClientMessage, ServerMessage, StreamOptions
from gapless.serve.transcripts import ListParameters, ReadParameters
from gapless.store.contract import Page, StoredTranscript

# --- shapes that have no struct elsewhere -----------------------------------------------------


class OpenAIProblem(Struct, frozen=True):
    """What went wrong, as OpenAI says it."""

    message: str
    type: str
    param: str | None
    """The field at fault."""
    code: str


class OpenAIError(Struct, frozen=True):
    """Any refusal at OpenAI's addresses."""

    error: OpenAIProblem


class NativeProblem(Struct, frozen=True):
    """What went wrong."""

    code: str
    """Stable: one of the codes in the reference of errors."""
    message: str
    """For people; ends with what to do."""
    param: str | None
    """The field or parameter at fault."""
    retryable: bool
    retry_after_ms: int | None


class NativeError(Struct, frozen=True):
    """Any refusal at our own addresses."""

    error: NativeProblem


class Ticket(Struct, frozen=True):
    """Stands in for the key, once."""

    token: str
    """For the query of a WebSocket: ``?token=``."""
    expires_in_ms: int


class Liveness(Struct, frozen=True):
    """The process answers."""

    live: Literal[True]


class KServeError(Struct, frozen=True):
    """Any refusal at KServe's addresses."""

    error: str
    """For people; ends with what to do."""


ERRORS: Final[dict[Dialect, type[Struct]]] = {
    "openai": OpenAIError,
    "native": NativeError,
    "kserve": KServeError,
    "deepgram": DeepgramRefusal,
    "asr_v2": Decoded,
}

# --- the table --------------------------------------------------------------------------------

ABOUT: Final = (
    "Speech in, text out: live over a WebSocket, or as recordings in the way of OpenAI's API; and "
    "tensors in, tensors out, in the way of KServe and Triton. "
    "Times are audio time: `_ms` fields count milliseconds from the first sample, OpenAI's shapes "
    "use seconds. Where the server was started with a key, send it as `Authorization: Bearer KEY` "
    "or `X-API-Key: KEY`."
)

GROUPS: Final = {
    "Recordings": "Files to text. Works with OpenAI's own clients as they are.",
    "Jobs": "Recordings that are heard when there is time.",
    "Live": "Speech to text while it is being spoken.",
    "Playing": "Programs to sound while they are written.",
    "Transcripts": "What was heard and kept.",
    "Models": "What recognises speech here.",
    "Inference": "Any model, with tensors, texts or sound as JSON.",
    "KServe": "The same models as Triton's clients ask them: the Open Inference Protocol, version 2.",
    "Server": "Whether it lives, and who may come in.",
}

_TRANSCRIPT_ID: Final = {"id": "Name of the session, as in `x-gapless-transcript-id` or `end`."}
_NO_STORE: Final = {404: "No such transcript, or none are kept here.", 503: "The store is busy."}

OPERATIONS: Final = (
    Operation(
        method="post",
        path="/v1/audio/transcriptions",
        name="createTranscription",
        group="Recordings",
        summary="Transcribe a recording",
        description=(
            "Lists and objects may be written as OpenAI's clients write them (`name[]`, "
            "`name[key]`), repeated, or without brackets. A field that nobody knows is passed over "
            "and named in the header `x-gapless-ignored-fields`. A client that hangs up stops the "
            "work; what was said until then is kept."
        ),
        form=TranscriptionRequest,
        answers=(
            Answer(
                200,
                "The transcript, in the `response_format` asked for; with `stream`, one event per "
                '`data:` line, or `{"error": ...}` if it fails halfway.',
                {
                    "application/json": (
                        Transcription,
                        TranscriptionVerbose,
                        TranscriptionDiarized,
                    ),
                    "text/event-stream": (TranscriptionEvent,),
                    "text/plain": (str,),
                    "text/vtt": (str,),
                },
                {
                    "x-gapless-transcript-id": "Where the transcript is kept, if it is.",
                    "x-gapless-ignored-fields": "Fields that nobody knows, if there were any.",
                },
            ),
        ),
        errors={
            400: "A field is missing or unusable, or the file is no audio (`param` names it).",
            404: "No such model (`model_not_found`).",
            413: "The recording is too long, or the body too large.",
            415: "The body is no multipart form.",
            503: "Too many wait already; `retry-after-ms` says when to come back.",
        },
        samples={
            "curl": (
                "curl http://127.0.0.1:8000/v1/audio/transcriptions \\\n"
                "  -F file=@talk.wav -F model=pocketsphinx -F response_format=srt"
            ),
            "python": (
                "from openai import OpenAI\n\n"
                'client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")\n'
                'with open("talk.wav", "rb") as file:\n'
                "    answer = client.audio.transcriptions.create(\n"
                '        file=file, model="pocketsphinx"\n'
                "    )\n"
                "print(answer.text)"
            ),
        },
    ),
    Operation(
        method="post",
        path="/v1/audio/translations",
        name="createTranslation",
        group="Recordings",
        summary="Put a recording into English",
        description="As a transcription, by models that translate: multilingual Whisper models do.",
        form=TranslationRequest,
        answers=(
            Answer(
                200,
                "The translation, in the `response_format` asked for.",
                {
                    "application/json": (Transcription, TranscriptionVerbose),
                    "text/plain": (str,),
                    "text/vtt": (str,),
                },
                {
                    "x-gapless-transcript-id": "Where the translation is kept, if it is.",
                    "x-gapless-ignored-fields": "Fields that nobody knows, if there were any.",
                },
            ),
        ),
        errors={
            400: "The model does not translate, or as for transcriptions.",
            404: "No such model (`model_not_found`).",
            413: "The recording is too long, or the body too large.",
            415: "The body is no multipart form.",
            503: "Too many wait already; `retry-after-ms` says when to come back.",
        },
    ),
    Operation(
        method="get",
        path="/v1/stream",
        name="stream",
        group="Live",
        summary="Stream audio, get words as they are spoken",
        description=(
            "A WebSocket. Binary frames are audio in the declared encoding, text frames are JSON "
            "messages. Options may be given in the query or, before any audio, in `start`; one that "
            "cannot be used is answered with `error`. "
            "`partial` replaces the one before, and `text[:stable_chars]` never changes again; "
            "where transcripts are kept, a `final` is on disk when it is sent. A browser, which "
            "cannot set headers, sends a ticket as `?token=`."
        ),
        query=StreamOptions,
        answers=(Answer(101, "The connection is a WebSocket now; `ready` follows."),),
        errors={503: "Too many streams; `Retry-After` says when to come back."},
        socket=Socket(
            subprotocol=SUBPROTOCOL,
            client=ClientMessage,
            server=ServerMessage,
            close_codes={
                close.DONE: "All audio was answered.",
                close.BAD_FORMAT: "The audio cannot be read as what it was said to be.",
                close.POLICY: "What was asked for is not to be had, and will not be.",
                close.TOO_BIG: "A frame or message over its bound.",
                close.INTERNAL: "Something broke inside the server.",
                close.RESTART: "The server stops; connect again.",
                close.OVERLOADED: "Too much audio or too many messages wait; connect again later.",
            },
        ),
        samples={
            "python": (
                "import asyncio\n\nimport gapless\n\n\n"
                "async def main() -> None:\n"
                '    async with gapless.Client("ws://127.0.0.1:8000") as client:\n'
                '        async for message in client.stream_file("talk.wav"):\n'
                "            print(message)\n\n\n"
                "asyncio.run(main())"
            ),
        },
    ),
    Operation(
        method="get",
        path="/v1/transcripts",
        name="listTranscripts",
        group="Transcripts",
        summary="List and search transcripts",
        description="Newest first. With `q`, each has the utterances that match, and where.",
        query=ListParameters,
        answers=(Answer(200, "One page.", {"application/json": (Page,)}),),
        errors={400: "A parameter is unknown or unusable.", **_NO_STORE},
        samples={"curl": "curl 'http://127.0.0.1:8000/v1/transcripts?q=gapless&limit=5'"},
    ),
    Operation(
        method="get",
        path="/v1/transcripts/{id}",
        name="readTranscript",
        group="Transcripts",
        summary="Read a transcript",
        description="In the format of the `Accept` header, or with `format` as a download.",
        path_parameters=_TRANSCRIPT_ID,
        query=ReadParameters,
        answers=(
            Answer(
                200,
                "The transcript.",
                {
                    "application/json": (StoredTranscript,),
                    "text/plain": (str,),
                    "application/x-subrip": (str,),
                    "text/vtt": (str,),
                },
            ),
        ),
        errors={400: "A parameter is unknown or unusable.", **_NO_STORE},
        samples={"curl": "curl -OJ 'http://127.0.0.1:8000/v1/transcripts/ID?format=srt'"},
    ),
    Operation(
        method="delete",
        path="/v1/transcripts/{id}",
        name="deleteTranscript",
        group="Transcripts",
        summary="Forget a transcript",
        description="With all it said; there is no way back.",
        path_parameters=_TRANSCRIPT_ID,
        answers=(Answer(204, "It is gone."),),
        errors=_NO_STORE,
        samples={"curl": "curl -X DELETE http://127.0.0.1:8000/v1/transcripts/ID"},
    ),
    Operation(
        method="get",
        path="/v1/models",
        name="listModels",
        group="Models",
        summary="List models",
        description="The default first.",
        answers=(Answer(200, "All of them.", {"application/json": (ModelList,)}),),
        samples={"curl": "curl http://127.0.0.1:8000/v1/models"},
    ),
    Operation(
        method="get",
        path="/v1/models/{id}",
        name="readModel",
        group="Models",
        summary="Read about a model",
        description="The name may contain slashes.",
        path_parameters={"id": "Name of the model."},
        answers=(Answer(200, "The model.", {"application/json": (Model,)}),),
        errors={404: "No such model (`model_not_found`)."},
        samples={"curl": "curl http://127.0.0.1:8000/v1/models/pocketsphinx"},
    ),
    *JOBS_OPERATIONS,
    *DEEPGRAM_OPERATIONS,
    *ASR_V2_OPERATIONS,
    *REALTIME_OPERATIONS,
    *PLAY_OPERATIONS,
    *INFER_OPERATIONS,
    *KSERVE_OPERATIONS,
    *STATUS_OPERATIONS,
    *METRICS_OPERATIONS,
    *FLAGS_OPERATIONS,
    Operation(
        method="post",
        path="/v1/tickets",
        name="createTicket",
        group="Server",
        summary="Get a ticket for a WebSocket",
        description="Good once and for a minute, for browsers: their WebSockets carry no headers.",
        answers=(Answer(201, "The ticket.", {"application/json": (Ticket,)}),),
        errors={503: "Too many tickets wait to be used."},
        samples={"curl": 'curl -X POST -H "X-API-Key: KEY" http://127.0.0.1:8000/v1/tickets'},
    ),
    Operation(
        method="get",
        path="/v1/config",
        name="readConfig",
        group="Server",
        summary="Which settings are in force, and why?",
        description=(
            "Every setting with its value and where that came from; what nobody set was planned for this machine, "
            "which is described too."
        ),
        answers=(Answer(200, "All of them.", {"application/json": (Configuration,)}),),
        samples={"curl": "curl http://127.0.0.1:8000/v1/config"},
    ),
    Operation(
        method="get",
        path="/health/live",
        name="live",
        group="Server",
        summary="Does the process answer?",
        description="Needs nothing but the event loop.",
        is_open=True,
        answers=(Answer(200, "It does.", {"application/json": (Liveness,)}),),
    ),
    Operation(
        method="get",
        path="/health/ready",
        name="ready",
        group="Server",
        summary="May work be sent here?",
        description=(
            "Not before the models are loaded, and not while the server stops. A server whose database or Redis is "
            "away still serves: it answers 200, and `degraded` says what it does without and what that means."
        ),
        is_open=True,
        answers=(
            Answer(200, "It may.", {"application/json": (Health,)}),
            Answer(503, "Not now; `reasons` says why.", {"application/json": (Health,)}),
        ),
    ),
)
