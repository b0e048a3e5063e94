"""What the address of playing answers, for the table in ``operations``.

In: nothing. Out: ``PLAY_OPERATIONS``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final

from gapless.serve.document.operation import Answer, Operation, Socket
from gapless.serve.play.messages import (
    SUBPROTOCOL,
    PlayClientMessage,
    PlayOptions,
    PlayServerMessage,
)
from gapless.serve.stream import close

PLAY_OPERATIONS: Final = (
    Operation(
        method="get",
        path="/v1/play",
        name="play",
        group="Playing",
        summary="Play programs, get their sound",
        description=(
            "A WebSocket. Text frames are JSON messages: `set` plays a program of the play language, and `heard` says "
            "how much of the sound was heard, for no more than `buffer_ms` is made beyond it. Binary frames are sound: "
            "float32, little endian, left and right of each sample in turn, in order from sample 0. Events are told "
            "before their sound is sent, with the places in the text that they come from. A mistake changes nothing: "
            "what played goes on. A browser, which cannot set headers, sends a ticket as `?token=`."
        ),
        query=PlayOptions,
        answers=(Answer(101, "The connection is a WebSocket now; `ready` follows."),),
        errors={503: "As many play as there is room for; `Retry-After` says when to come back."},
        socket=Socket(
            subprotocol=SUBPROTOCOL,
            client=PlayClientMessage,
            server=PlayServerMessage,
            close_codes={
                close.DONE: "It was stopped, or nothing came for too long.",
                close.POLICY: "A message or the query cannot be used.",
                close.TOO_BIG: "A frame over its bound.",
                close.INTERNAL: "Something broke inside the server.",
                close.RESTART: "The server stops; connect again.",
                close.OVERLOADED: "What was sent was not read; connect again later.",
            },
        ),
    ),
)
