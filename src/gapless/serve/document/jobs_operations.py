"""What the addresses of jobs answer, for the table in ``operations``.

In: nothing. Out: ``JOBS_OPERATIONS``. Thread: any (immutable data).
"""

from __future__ import annotations

from typing import Final

from gapless.serve.document.operation import Answer, Operation
from gapless.serve.jobs.messages import JobForm, JobFromUrls, JobProgress, ListFiles, ListJobs
from gapless.store.queue import Job, JobFile, JobPage

_ID: Final = {"id": "The job's id, as in its submission's answer."}
_NO_JOB: Final = {404: "No such job, or nothing is kept here.", 503: "The store is busy."}
_BAD_QUERY: Final = {400: "A parameter is unknown or unusable."}
_JOB: Final = {"application/json": (Job,)}

JOBS_OPERATIONS: Final = (
    Operation(
        method="post",
        path="/v1/jobs",
        name="createJob",
        group="Jobs",
        summary="Have recordings heard when there is time",
        description=(
            "A form with a part `file` for each recording, up to 128; or, where the setting `job_urls` allows it, JSON "
            'with the same fields and `"urls": [...]`. The answer comes when all of it is kept. Where there is no '
            "room, the refusal comes before the body is read."
        ),
        header_parameters={
            "Idempotency-Key": (
                "1 to 255 visible characters, a UUID for instance. The same key gives the same job, however often it "
                "is sent, whatever is sent with it, and also when the queue is full."
            )
        },
        form=JobForm,
        body=JobFromUrls,
        answers=(
            Answer(202, "The job, queued.", _JOB, {"location": "Where the job is: `/v1/jobs/ID`."}),
        ),
        errors={
            400: "A field is unknown or unusable, or there is no recording (`param` names it).",
            403: "A foreign origin or host name; or recordings are not fetched from URLs here.",
            404: "No such model (`model_not_found`), or nothing is kept here.",
            413: "Too many recordings in a request, too large a body, or more than all jobs may take up.",
            415: "The body is neither a multipart form nor JSON.",
            503: (
                "As many jobs wait as may, or their recordings take up the room that there is (`max_job_mb`); "
                "`retry-after-ms` says when to come back."
            ),
        },
        samples={
            "curl": (
                "curl http://127.0.0.1:8000/v1/jobs \\\n"
                "  -F file=@one.wav -F file=@two.wav -F language=en"
            ),
            "curl (URLs)": (
                "curl http://127.0.0.1:8000/v1/jobs -H 'Idempotency-Key: 6f1c' \\\n"
                '  --json \'{"urls": ["https://example.org/talk.mp3"], "language": "en"}\''
            ),
        },
    ),
    Operation(
        method="get",
        path="/v1/jobs",
        name="listJobs",
        group="Jobs",
        summary="List jobs",
        description="Newest first, with the first ten recordings of each.",
        query=ListJobs,
        answers=(Answer(200, "One page.", {"application/json": (JobPage,)}),),
        errors={**_BAD_QUERY, **_NO_JOB},
        samples={"curl": "curl 'http://127.0.0.1:8000/v1/jobs?state=failed'"},
    ),
    Operation(
        method="get",
        path="/v1/jobs/{id}",
        name="readJob",
        group="Jobs",
        summary="Read a job",
        description="With its first thousand recordings; `session_id` names the transcript of each.",
        path_parameters=_ID,
        answers=(Answer(200, "The job.", _JOB),),
        errors={**_BAD_QUERY, **_NO_JOB},
        samples={"curl": "curl http://127.0.0.1:8000/v1/jobs/ID"},
    ),
    Operation(
        method="get",
        path="/v1/jobs/{id}/files",
        name="listJobFiles",
        group="Jobs",
        summary="List the recordings of a job",
        description="In the order they were sent.",
        path_parameters=_ID,
        query=ListFiles,
        answers=(Answer(200, "Some of them.", {"application/json": (tuple[JobFile, ...],)}),),
        errors={**_BAD_QUERY, **_NO_JOB},
        samples={"curl": "curl 'http://127.0.0.1:8000/v1/jobs/ID/files?state=failed'"},
    ),
    Operation(
        method="get",
        path="/v1/jobs/{id}/events",
        name="followJob",
        group="Jobs",
        summary="Follow a job",
        description=(
            "Server-sent events: `progress` when something changed, `file` for each recording that is over, `done` at "
            "the end, after which the stream ends. A client that comes back with `Last-Event-ID` is told what it "
            "missed; a recording may be told twice, never not at all."
        ),
        path_parameters=_ID,
        answers=(
            Answer(
                200,
                "The data of `progress`, `file` and `done`.",
                {"text/event-stream": (JobProgress, JobFile, Job)},
            ),
        ),
        errors={**_BAD_QUERY, **_NO_JOB, 503: "As many follow jobs as may, or the store is busy."},
        samples={"curl": "curl -N http://127.0.0.1:8000/v1/jobs/ID/events"},
    ),
    Operation(
        method="post",
        path="/v1/jobs/{id}/cancel",
        name="cancelJob",
        group="Jobs",
        summary="Stop a job",
        description="What was heard stays. A job that is over stays as it is.",
        path_parameters=_ID,
        answers=(Answer(200, "The job as it is now.", _JOB),),
        errors={**_BAD_QUERY, **_NO_JOB},
        samples={"curl": "curl -X POST http://127.0.0.1:8000/v1/jobs/ID/cancel"},
    ),
    Operation(
        method="post",
        path="/v1/jobs/{id}/retry",
        name="retryJob",
        group="Jobs",
        summary="Hear again what failed or was cancelled",
        description="It goes on where it ended.",
        path_parameters=_ID,
        answers=(Answer(200, "The job as it is now.", _JOB),),
        errors={**_BAD_QUERY, **_NO_JOB},
        samples={"curl": "curl -X POST http://127.0.0.1:8000/v1/jobs/ID/retry"},
    ),
)
