"""What ``/v1/flags`` answers, for the table in ``operations``.

In: nothing. Out: ``FLAGS_OPERATIONS``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final

from gapless.serve.document.operation import Answer, Operation
from gapless.serve.flags.routes import FlagsAnswer, FlagsChange

FLAGS_OPERATIONS: Final = (
    Operation(
        method="get",
        path="/v1/flags",
        name="readFlags",
        group="Server",
        summary="Which optimisations are on, and for whom?",
        description="A session keeps its side; send the same `x-session-id` with requests that belong together.",
        answers=(Answer(200, "All of them.", {"application/json": (FlagsAnswer,)}),),
        samples={"curl": "curl http://127.0.0.1:8000/v1/flags"},
    ),
    Operation(
        method="put",
        path="/v1/flags",
        name="changeFlags",
        group="Server",
        summary="Turn optimisations on and off",
        description=(
            "Written to `flags.json` in the data folder, which all processes of the server follow within a second; "
            "what is left out is as the settings say."
        ),
        body=FlagsChange,
        answers=(Answer(200, "As they are now.", {"application/json": (FlagsAnswer,)}),),
        errors={
            400: "A flag or a share is not known.",
            503: "The file cannot be written.",
        },
        samples={
            "curl": """curl -X PUT http://127.0.0.1:8000/v1/flags -d '{"flags": {"batching": "10%"}}'"""
        },
    ),
)
