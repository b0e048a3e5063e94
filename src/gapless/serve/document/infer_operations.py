"""What the JSON face of the inference engine answers, for the table in ``operations``.

In: nothing. Out: ``INFER_OPERATIONS``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final

from gapless.serve.document.operation import Answer, Operation
from gapless.serve.infer_messages import FluxAnswer, InferAnswer, InferQuestion, ModelDescription

REFUSALS: Final = {
    400: "The question cannot be used, or does not fit the model (`param` names what is at fault).",
    404: "No such model (`model_not_found`).",
    413: "The body, the recording or the number of rows is too large.",
    503: "Too much waits already, or the model cannot be reached; `retry-after-ms` says when to come back.",
    504: "The timeout passed before the model was asked.",
}

_SAMPLES: Final = {
    "curl": (
        "curl http://127.0.0.1:8000/v1/infer -d '{\n"
        '  "model": "silero_vad", "sample_rate": 16000,\n'
        '  "audio": "\'$(base64 -w0 speech.s16le)\'"\n'
        "}'"
    )
}


def _of(path: str, name: str) -> tuple[Operation, ...]:
    """The two operations at one of the two addresses."""
    return (
        Operation(
            method="post",
            path=path,
            name=name,
            group="Inference",
            summary="Ask a model",
            description=(
                "One row may come without the axis of rows, and is answered so. A text or a recording is made into "
                "the model's tensors; windows of a recording are steps of one sequence, where the model remembers. "
                "Questions of all clients are run together in batches."
            ),
            body=InferQuestion,
            answers=(Answer(200, "The answer.", {"application/json": (InferAnswer,)}),),
            errors=REFUSALS,
            samples=_SAMPLES,
        ),
        Operation(
            method="get",
            path=path,
            name=f"{name}Default",
            group="Inference",
            summary="Read about the default model",
            description="The one that is asked where a question names none: the setting `tensor_model`.",
            answers=(Answer(200, "The model.", {"application/json": (ModelDescription,)}),),
            errors={404: REFUSALS[404], 503: "The model cannot be loaded now."},
        ),
    )


INFER_OPERATIONS: Final = (
    *_of("/v1/infer", "infer"),
    *_of("/api/infer", "inferApi"),
    Operation(
        method="get",
        path="/v1/flux/{seed}",
        name="flux",
        group="Inference",
        summary="Fold a number to a position",
        description=(
            "The digital root of a whole number, and the nine steps of doubling from there. Answers of models whose "
            "manifest says `flux` carry the position of their label."
        ),
        path_parameters={"seed": "A whole number of at most 1000 digits."},
        answers=(Answer(200, "The position.", {"application/json": (FluxAnswer,)}),),
        errors={400: "The seed is no whole number, or too long."},
        samples={"curl": "curl http://127.0.0.1:8000/v1/flux/872"},
    ),
)
