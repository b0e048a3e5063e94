"""What the addresses of the ASR v2 dialect answer, for the table in ``operations``.

In: nothing. Out: ``ASR_V2_OPERATIONS``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final

from gapless.serve.asr_v2.messages import BatchRequest, Decoded
from gapless.serve.document.operation import Answer, Operation, Socket
from gapless.serve.stream import close

_MODEL: Final = {"model": "Name of the model, or `default`."}

ASR_V2_OPERATIONS: Final = (
    Operation(
        method="post",
        path="/v2/decode/batch/{model}",
        name="decodeBatch",
        group="Recordings",
        summary="Transcribe a recording, in the ASR v2 dialect",
        description=(
            "The body is JSON with the bytes of 16 bit samples at 16 kHz, or those bytes themselves "
            "(`application/octet-stream`), or a file of any usual kind (`audio/*`)."
        ),
        path_parameters=_MODEL,
        body=BatchRequest,
        answers=(Answer(200, "What was said.", {"application/json": (Decoded,)}),),
        errors={
            400: "The recording cannot be used.",
            404: "No such model.",
            413: "The recording is too large or too long.",
            503: "Too many recordings wait; `retry-after` says when to come back.",
        },
        samples={
            "shell": (
                "curl -H 'Content-Type: audio/wav' --data-binary @speech.wav \\\n"
                "  http://127.0.0.1:8000/v2/decode/batch/default"
            )
        },
    ),
    Operation(
        method="get",
        path="/v2/decode/stream/{model}",
        name="decodeStream",
        group="Live",
        summary="Stream speech, in the ASR v2 dialect",
        description=(
            "A WebSocket. Binary frames are 16 bit samples, 16 kHz, one channel; a frame of one byte is a control: "
            "0x00 ends the stream, 0x01 keeps it open. With `?control=v2b` they are 0xFF and 0x00. Every answer has "
            "all of the text so far; `?opaque=` comes back with each."
        ),
        path_parameters=_MODEL,
        answers=(Answer(101, "The stream is open."),),
        errors={
            400: "A parameter cannot be used.",
            503: "No room for one more stream; `retry-after` says when to come back.",
        },
        socket=Socket(
            subprotocol="",
            client=bytes,
            server=Decoded,
            close_codes={
                close.DONE: "The end was answered with `COMPLETE`.",
                close.POLICY: "No such model.",
                close.TOO_BIG: "A frame over the limit.",
                close.INTERNAL: "Something broke inside the server.",
                close.RESTART: "The server stops.",
                close.OVERLOADED: "Audio comes too fast, or the client does not read.",
            },
        ),
    ),
)
