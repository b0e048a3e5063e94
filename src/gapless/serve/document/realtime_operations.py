"""What the addresses of OpenAI's Realtime dialect answer, for the table in ``operations``.

In: nothing. Out: ``REALTIME_OPERATIONS``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct

from gapless.serve.document.operation import Answer, Operation, Socket
from gapless.serve.realtime.events import RealtimeClientEvent, RealtimeServerEvent
from gapless.serve.realtime.routes import (
    SUBPROTOCOL,
    BetaSecretRequest,
    SecretAnswer,
    SecretRequest,
)
from gapless.serve.stream import close


class RealtimeParameters(Struct, frozen=True, kw_only=True):
    """What the address of a session may say."""

    intent: Literal["transcription"] = "transcription"
    """There is no other here."""
    model: str | None = None
    """What is to transcribe, as in ``session.update``; the names of OpenAI's own models mean the default."""


_SECRET_ERRORS: Final = {
    400: "A field cannot be used (`param` names it).",
    503: "Too many secrets are good at the moment; `retry-after-ms` says when the first expires.",
}

REALTIME_OPERATIONS: Final = (
    Operation(
        method="get",
        path="/v1/realtime",
        name="realtime",
        group="Live",
        summary="Stream speech, as OpenAI's Realtime transcription does",
        description=(
            "A WebSocket of JSON events. `session.created` comes first; `session.update` changes what it shows, and "
            "`session.updated` shows what is in force: what is not found there was not followed. Turns end by voice, "
            "or with `input_audio_buffer.commit` where `turn_detection` is null. Deltas are never taken back. In "
            "browsers the key is a subprotocol, `openai-insecure-api-key.KEY`. The beta's shapes are spoken to "
            "clients that say so: by the header `OpenAI-Beta: realtime=v1`, the subprotocol "
            "`openai-beta.realtime-v1`, or `transcription_session.update`."
        ),
        query=RealtimeParameters,
        answers=(Answer(101, "The connection is a WebSocket now; `session.created` follows."),),
        errors={
            400: "An intent that is not served.",
            503: "Too many streams; `Retry-After` says when to come back.",
        },
        socket=Socket(
            subprotocol=SUBPROTOCOL,
            client=RealtimeClientEvent,
            server=RealtimeServerEvent,
            close_codes={
                close.DONE: "The session has lasted an hour, and all its audio was answered.",
                close.POLICY: "What was asked for is not to be had, such as a model that is not here.",
                close.INTERNAL: "Something broke inside the server.",
                close.RESTART: "The server stops; connect again.",
                close.OVERLOADED: "Too much audio or too many events wait; connect again later.",
            },
        ),
        samples={
            "python": (
                "import asyncio\nimport base64\n\nfrom openai import AsyncOpenAI\n\n\n"
                "async def main(pcm: bytes) -> None:\n"
                '    client = AsyncOpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")\n'
                "    async with client.realtime.connect() as connection:\n"
                "        audio = base64.b64encode(pcm).decode()\n"
                "        await connection.input_audio_buffer.append(audio=audio)\n"
                "        await connection.input_audio_buffer.commit()\n"
                "        async for event in connection:\n"
                "            print(event)\n\n\n"
                "asyncio.run(main(bytes(48_000)))"
            )
        },
    ),
    Operation(
        method="post",
        path="/v1/realtime/client_secrets",
        name="createRealtimeSecret",
        group="Live",
        summary="Get a secret for Realtime sessions",
        description=(
            "Stands in for the key at `/v1/realtime`, for as long as was asked for and any number of sessions, "
            "which begin as `session` says. It opens nothing else."
        ),
        body=SecretRequest,
        answers=(Answer(200, "The secret.", {"application/json": (SecretAnswer,)}),),
        errors=_SECRET_ERRORS,
    ),
    Operation(
        method="post",
        path="/v1/realtime/transcription_sessions",
        name="createRealtimeTranscriptionSession",
        group="Live",
        summary="Get a secret for Realtime sessions, as the beta has it",
        description="The fields of the session are those of `transcription_session.update`.",
        body=BetaSecretRequest,
        answers=(
            Answer(
                200,
                "The session, with `client_secret`.",
                {"application/json": (dict[str, Any],)},
            ),
        ),
        errors=_SECRET_ERRORS,
    ),
)
