"""What Deepgram's address answers, for the table in ``operations``.

In: nothing. Out: ``DEEPGRAM_OPERATIONS``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gapless.serve.deepgram.messages import ClientMessage, RecordedAnswer, ServerMessage
from gapless.serve.document.operation import Answer, Operation, Socket
from gapless.serve.stream import close


class DeepgramRefusal(Struct, frozen=True):
    """Any refusal at Deepgram's address."""

    err_code: str
    err_msg: str
    """For people; ends with what to do. Also in the header `dg-error`."""
    request_id: str


_PARAMETERS: Final = (
    "The parameters are Deepgram's. Those that cannot be followed and would matter (`redact`, `callback`, "
    "`multichannel`) are refused; others that cannot be followed are named in `warnings` of the metadata."
)

DEEPGRAM_OPERATIONS: Final = (
    Operation(
        method="post",
        path="/v1/listen",
        name="listenToRecording",
        group="Recordings",
        summary="Transcribe a recording, as Deepgram does",
        description=f"The body is the recording; an address to fetch it from is refused. {_PARAMETERS}",
        answers=(Answer(200, "What was said.", {"application/json": (RecordedAnswer,)}),),
        errors={
            400: "A parameter or the recording cannot be used, or an address was sent.",
            404: "No such model.",
            413: "The recording is too large or too long.",
            503: "Too many recordings wait; `retry-after` says when to come back.",
        },
        samples={
            "shell": (
                "curl -H 'Content-Type: audio/wav' --data-binary @speech.wav \\\n"
                "  'http://127.0.0.1:8000/v1/listen?model=nova-3&utterances=true'"
            )
        },
    ),
    Operation(
        method="get",
        path="/v1/listen",
        name="listenLive",
        group="Live",
        summary="Stream speech, as Deepgram does",
        description=(
            "A WebSocket. Binary frames are audio: in the `encoding` and `sample_rate` of the query, or a file of any "
            f"usual kind as it grows. Ten seconds without audio or `KeepAlive` end the stream. {_PARAMETERS}"
        ),
        answers=(Answer(101, "The stream is open."),),
        errors={
            400: "A parameter cannot be used.",
            503: "No room for one more stream; `retry-after` says when to come back.",
        },
        socket=Socket(
            subprotocol="token",
            client=ClientMessage,
            server=ServerMessage,
            close_codes={
                close.DONE: "`CloseStream` was answered.",
                close.POLICY: "`DATA-0000`: the audio cannot be decoded; or what was asked for is not to be had.",
                close.TOO_BIG: "A frame over the limit.",
                close.INTERNAL: "`NET-0001`: neither audio nor `KeepAlive` came; or something broke.",
                close.RESTART: "The server stops.",
                close.OVERLOADED: "Audio comes too fast, or the client does not read.",
            },
        ),
    ),
)
