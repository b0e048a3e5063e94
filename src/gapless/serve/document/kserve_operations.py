"""What KServe's addresses answer, for the table in ``operations``.

In: nothing. Out: ``KSERVE_OPERATIONS``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from gapless.serve.document.operation import Answer, Operation
from gapless.serve.kserve.codec import HEADER_LENGTH
from gapless.serve.kserve.messages import (
    IndexEntry,
    IndexRequest,
    InferRequest,
    InferResponse,
    LoadRequest,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
    StatisticsAnswer,
)

_UNKNOWN: Final = {404: "No such model, or not in this version."}
_MODEL: Final = {"model": "Name of the model."}
_VERSION: Final = {"version": "Version of the model, a whole number."}


def _json(description: str, kind: Any, status: int = 200) -> Answer:
    return Answer(status, description, {"application/json": (kind,)})


def _of_model(
    what: str,
    name: str,
    summary: str,
    description: str,
    answer: Answer,
    *,
    errors: dict[int, str] | None = None,
    body: type[Struct] | None = None,
    samples: dict[str, str] | None = None,
) -> tuple[Operation, Operation]:
    """One operation for the version that answers by default, and one for any."""
    default, versioned = (
        Operation(
            method="get" if body is None else "post",
            path=f"/v2/models/{{model}}{version}{what}",
            name=f"{name}{'Version' if version else ''}",
            group="KServe",
            summary=f"{summary}{', of a version' if version else ''}",
            description=description,
            path_parameters=_MODEL | (_VERSION if version else {}),
            body=body,
            answers=(answer,),
            errors={**_UNKNOWN, **(errors or {})},
            samples=samples or {},
        )
        for version in ("", "/versions/{version}")
    )
    return default, versioned


KSERVE_OPERATIONS: Final = (
    *_of_model(
        "/infer",
        "kserveInfer",
        "Ask a model",
        f"Tensors in the JSON, or behind it as bytes: then the header `{HEADER_LENGTH}` says how long the JSON is, and "
        "each tensor's `binary_data_size` how long it is. A length of 0: the body is one row of the only input, as "
        "bytes. The body may be compressed (gzip, deflate), and the answer is if `Accept-Encoding` names one of "
        "the two alone.",
        Answer(
            200,
            "The answer; with outputs as bytes, its JSON is followed by them.",
            {"application/json": (InferResponse,), "application/octet-stream": (bytes,)},
            {HEADER_LENGTH: "How long the JSON is, where bytes follow."},
        ),
        errors={
            400: "The request cannot be used, or does not fit the model.",
            413: "The body, inflated if it is compressed, or the number of rows is too large.",
            415: "The body is compressed in a way that is not known here.",
            503: "Too much waits already, or the model cannot be reached; `retry-after-ms` says when to come back.",
            504: "The timeout passed before the model was asked.",
        },
        body=InferRequest,
        samples={
            "python": (
                "import numpy as np\n"
                "import tritonclient.http as triton\n\n"
                'client = triton.InferenceServerClient("127.0.0.1:8000")\n'
                'window = triton.InferInput("input", [1, 576], "FP32")\n'
                "window.set_data_from_numpy(np.zeros((1, 576), np.float32))\n"
                'answer = client.infer("silero_vad", [window])\n'
                'print(answer.as_numpy("speech_probs"))'
            ),
        },
    ),
    *_of_model(
        "",
        "kserveModel",
        "What a model takes and gives",
        "Loads the model if it never was.",
        _json("The model.", ModelMetadata),
        errors={503: "The model cannot be loaded now."},
    ),
    *_of_model(
        "/ready",
        "kserveModelReady",
        "Does a model answer?",
        "A model that is not in memory is loaded by the first question, and ready.",
        _json("It does.", ModelReady),
        errors={503: "Not now; the message says why."},
    ),
    *_of_model(
        "/config",
        "kserveModelConfig",
        "How a model is configured",
        "As Triton's `config.pbtxt` says it.",
        _json("The configuration.", dict[str, Any]),
        errors={503: "The model cannot be loaded now."},
    ),
    *_of_model(
        "/stats",
        "kserveModelStatistics",
        "What was counted and timed of a model",
        "Since it was first used.",
        _json("The statistics of each version that answers.", StatisticsAnswer),
    ),
    Operation(
        method="get",
        path="/v2/models/stats",
        name="kserveStatistics",
        group="KServe",
        summary="What was counted and timed of all models",
        description="Since each was first used.",
        answers=(_json("The statistics.", StatisticsAnswer),),
    ),
    Operation(
        method="get",
        path="/v2",
        name="kserveServer",
        group="KServe",
        summary="What this server is, and can",
        description="The extensions of the protocol that are served.",
        answers=(_json("The server.", ServerMetadata),),
    ),
    Operation(
        method="get",
        path="/v2/health/live",
        name="kserveLive",
        group="KServe",
        summary="Does the process answer?",
        description="As `/health/live`.",
        is_open=True,
        answers=(_json("It does.", ServerLive),),
    ),
    Operation(
        method="get",
        path="/v2/health/ready",
        name="kserveReady",
        group="KServe",
        summary="May work be sent here?",
        description="As `/health/ready`, which says why not.",
        is_open=True,
        answers=(_json("It may.", ServerReady), _json("Not now.", ServerReady, 503)),
    ),
    Operation(
        method="post",
        path="/v2/repository/index",
        name="kserveIndex",
        group="KServe",
        summary="List all models",
        description="Loads nothing.",
        body=IndexRequest,
        answers=(_json("Every version of every model.", tuple[IndexEntry, ...]),),
    ),
    Operation(
        method="post",
        path="/v2/repository/models/{model}/load",
        name="kserveLoad",
        group="KServe",
        summary="Load or reload a model",
        description="Its files are read again; if they are broken, what was served before still is.",
        path_parameters=_MODEL,
        body=LoadRequest,
        answers=(Answer(200, "It is loaded."),),
        errors={
            400: "The request brings a configuration or files.",
            500: "The model is broken.",
            **_UNKNOWN,
        },
    ),
    Operation(
        method="post",
        path="/v2/repository/models/{model}/unload",
        name="kserveUnload",
        group="KServe",
        summary="Take a model out",
        description="Until it is loaded again; questions under way are answered.",
        path_parameters=_MODEL,
        body=LoadRequest,
        answers=(Answer(200, "It is out."),),
        errors=_UNKNOWN,
    ),
)
