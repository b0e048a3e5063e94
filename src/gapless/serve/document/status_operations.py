"""What the addresses of status answer, for the table in ``operations``.

In: nothing. Out: ``STATUS_OPERATIONS``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final

from gapless.observe.status import History, Status
from gapless.serve.document.operation import Answer, Operation
from gapless.serve.status.routes import HistoryParameters

STATUS_OPERATIONS: Final = (
    Operation(
        method="get",
        path="/v1/status",
        name="readStatus",
        group="Server",
        summary="How does the server do?",
        description=(
            "Its five targets, met or not, and what they are made of, over the last minute and of all workers: from "
            "the same measurements as `/metrics`. What was not measured is null."
        ),
        answers=(Answer(200, "The last minute.", {"application/json": (Status,)}),),
        samples={"curl": "curl http://127.0.0.1:8000/v1/status"},
    ),
    Operation(
        method="get",
        path="/v1/status/history",
        name="readStatusHistory",
        group="Server",
        summary="How did the server do in the last hour?",
        description="A value every five seconds, for charts; of each what it means, its unit and its target.",
        query=HistoryParameters,
        answers=(Answer(200, "The last hour.", {"application/json": (History,)}),),
        errors={400: "A parameter is unknown or unusable."},
        samples={"curl": "curl 'http://127.0.0.1:8000/v1/status/history?since_ms=1760000000000'"},
    ),
)
