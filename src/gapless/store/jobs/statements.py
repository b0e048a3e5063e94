"""Every statement of the queue, in the SQL that SQLite and PostgreSQL share.

In: parameters as ``:name``. Out: rows. Invariants: no text from outside is ever part of a statement; words in braces
are locks, which only some databases need. Thread: any (pure).

Locks are taken in one order, files before their job, so that no two transactions wait for each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

NO_LOCKS: Final[Mapping[str, str]] = dict.fromkeys(
    ("lock_job", "lock_free_job", "lock_file", "lock_free_file"), ""
)
"""Where one transaction writes at a time, as in SQLite, rows need no locks."""

ROW_LOCKS: Final[Mapping[str, str]] = {
    "lock_job": "FOR UPDATE OF j",
    "lock_free_job": "FOR UPDATE OF j SKIP LOCKED",
    "lock_file": "FOR UPDATE OF f",
    "lock_free_file": "FOR UPDATE OF f SKIP LOCKED",
}
"""PostgreSQL's."""

MARK: Final = re.compile(r"\{(\w+)\}")


def with_locks(statement: str, locks: Mapping[str, str]) -> str:
    """A statement with its locks, as a database wants them."""
    return MARK.sub(lambda found: locks[found[1]], statement)


# ---- submitting ----

EXPIRE_ARRIVALS: Final = """
    UPDATE jobs SET stage = 'leaving'
    WHERE finished_at_ms IS NULL AND stage = 'arriving' AND created_at_ms < :before_ms"""

ANNOUNCE: Final = """
    INSERT INTO jobs (key, id, stage, created_at_ms, options, kept_bytes)
    VALUES (:job, :job_id, 'arriving', :now_ms, :options, :size_bytes)
    ON CONFLICT (key) DO NOTHING"""

RESERVE: Final = "UPDATE jobs SET kept_bytes = :size_bytes WHERE key = :job AND stage = 'arriving'"

# Locked, so that nobody gives it up between this look and the end of the transaction.
ARRIVING: Final = "SELECT key FROM jobs AS j WHERE key = :job AND stage = 'arriving' {lock_job}"

ADD_CHUNK: Final = """
    INSERT INTO job_chunks (job, file, number, bytes) VALUES (:job, :file, :number, :bytes)
    ON CONFLICT (job, file, number) DO NOTHING"""

ADD_FILE: Final = """
    INSERT INTO job_files (
        job, number, state, rank_ms, ready_at_ms, session_id, name, url, size_bytes, content
    ) VALUES (
        :job, :number, 'queued', :rank_ms, 0, :session_id, :name, :url, :size_bytes, :content
    )"""

ARRIVE: Final = """
    UPDATE jobs SET stage = 'here', queued = :files, revision = 1, kept_bytes = :size_bytes WHERE key = :job"""

GIVE_UP_ARRIVAL: Final = "UPDATE jobs SET stage = 'leaving' WHERE key = :job AND stage = 'arriving'"

# ---- room ----

# Answered from a partial index each, however many jobs are over and however large recordings are.
COUNT_OPEN: Final = """
    SELECT count(*) AS jobs FROM jobs
    WHERE finished_at_ms IS NULL AND stage IN ('arriving', 'here')
      AND (stage = 'here' OR created_at_ms >= :before_ms)"""

COUNT_BYTES: Final = """
    SELECT CAST(coalesce(sum(kept_bytes), 0) AS bigint) AS kept,
        CAST(coalesce(sum(
            CASE
              WHEN finished_at_ms IS NOT NULL OR stage = 'leaving' THEN kept_bytes
              WHEN stage = 'arriving' AND created_at_ms < :before_ms THEN kept_bytes
              ELSE 0
            END
        ), 0) AS bigint) AS spare
    FROM jobs WHERE kept_bytes > 0"""

OVER_FOR_LONGEST: Final = """
    SELECT key FROM jobs
    WHERE kept_bytes > 0 AND finished_at_ms IS NOT NULL AND stage = 'here'
      AND EXISTS (SELECT 1 FROM job_files WHERE job_files.job = jobs.key AND content = 1)
    ORDER BY finished_at_ms LIMIT 1"""

SPARE: Final = """
    UPDATE job_files SET content = 2
    WHERE job = :job AND state IN ('failed', 'cancelled') AND content = 1"""

CHANGE_KEPT: Final = "UPDATE jobs SET kept_bytes = kept_bytes + :more_bytes WHERE key = :job"

# ---- lending ----

ANY_READY: Final = """
    SELECT 1 AS ready FROM job_files
    WHERE state IN ('queued', 'running') AND ready_at_ms <= :now_ms LIMIT 1"""

NEXT_READY: Final = """
    SELECT job, number, state FROM job_files AS f
    WHERE state IN ('queued', 'running') AND ready_at_ms <= :now_ms
    ORDER BY rank_ms, job, number LIMIT 1 {lock_free_file}"""

LEND: Final = """
    UPDATE job_files
    SET state = 'running', ready_at_ms = :until_ms, worker = :worker, attempt = attempt + 1, attempts = attempts + 1
    WHERE job = :job AND number = :number"""

LENT: Final = """
    SELECT f.*, j.id AS job_id, j.options FROM job_files AS f JOIN jobs AS j ON j.key = f.job
    WHERE f.job = :job AND f.number = :number"""

# The row of a lease that still holds. Whoever has it locked may write as the worker; all others wait.
HELD: Final = """
    SELECT f.* FROM job_files AS f JOIN jobs AS j ON j.key = f.job
    WHERE j.id = :job_id AND j.stage = 'here' AND f.number = :number AND f.session_id = :session_id
      AND f.attempt = :attempt AND f.state = 'running' AND f.ready_at_ms > :now_ms {lock_file}"""

OUTCOME: Final = """
    SELECT f.state FROM job_files AS f JOIN jobs AS j ON j.key = f.job
    WHERE j.id = :job_id AND j.stage = 'here' AND f.number = :number AND f.session_id = :session_id
      AND f.attempt = :attempt"""

PROGRESS: Final = """
    UPDATE job_files
    SET ready_at_ms = :until_ms, heard_ms = :heard_ms, duration_ms = coalesce(:duration_ms, duration_ms)
    WHERE job = :job AND number = :number"""

FINISH: Final = """
    UPDATE job_files
    SET state = 'done', ready_at_ms = 0, heard_ms = :audio_ms, duration_ms = :audio_ms, error = NULL,
        content = CASE WHEN EXISTS (
            SELECT 1 FROM job_chunks AS c WHERE c.job = job_files.job AND c.file = job_files.number
        ) THEN 2 ELSE 0 END
    WHERE job = :job AND number = :number"""

FAIL: Final = """
    UPDATE job_files SET state = :state, ready_at_ms = :ready_at_ms, error = :error
    WHERE job = :job AND number = :number"""

GIVE_BACK: Final = """
    UPDATE job_files SET state = 'queued', ready_at_ms = 0, attempts = attempts - 1
    WHERE job = :job AND number = :number"""

# What a change of files means for their job. A job whose last file is over is over.
COUNT: Final = """
    UPDATE jobs
    SET queued = queued + :queued, running = running + :running, done = done + :done, failed = failed + :failed,
        cancelled = cancelled + :cancelled, revision = revision + 1,
        finished_at_ms = CASE WHEN queued + running + :queued + :running = 0 THEN :now_ms END
    WHERE key = :job"""

# ---- the bytes of a file ----

CONTENT: Final = """
    SELECT f.job, f.number, f.size_bytes FROM job_files AS f JOIN jobs AS j ON j.key = f.job
    WHERE j.id = :job_id AND j.stage = 'here' AND f.number = :number AND f.session_id = :session_id AND f.content = 1"""

CHUNK: Final = """
    SELECT c.bytes FROM job_chunks AS c JOIN job_files AS f ON f.job = c.job AND f.number = c.file
    WHERE c.job = :job AND c.file = :file AND c.number = :number AND f.content = 1"""

SET_CONTENT: Final = """
    UPDATE job_files SET content = :content, size_bytes = :size_bytes WHERE job = :job AND number = :number"""

# Databases know how long a chunk is without reading it.
COUNT_CHUNKS: Final = """
    SELECT count(*) AS chunks, coalesce(sum(size_bytes), 0) AS size_bytes FROM (
        SELECT length(bytes) AS size_bytes FROM job_chunks WHERE job = :job AND file BETWEEN :first AND :last
        ORDER BY file, number LIMIT :most
    ) AS chunks"""

DROP_CHUNKS: Final = """
    DELETE FROM job_chunks WHERE key IN (
        SELECT key FROM job_chunks WHERE job = :job AND file BETWEEN :first AND :last
        ORDER BY file, number LIMIT :most
    )"""

# ---- transcripts ----

REOPEN_SESSION: Final = "UPDATE sessions SET ended_at_ms = NULL WHERE id = :session_id"

HEARD: Final = """
    SELECT count(*) AS utterances, coalesce(max(end_ms), 0) AS resume_ms FROM utterances
    WHERE session = (SELECT key FROM sessions WHERE id = :session_id)"""

SESSION_THERE: Final = "SELECT 1 AS there FROM sessions WHERE id = :session_id"

END_SESSION: Final = """
    UPDATE sessions SET ended_at_ms = :now_ms, audio_ms = :audio_ms WHERE id = :session_id"""

# Of files that are over and will not be heard: what is empty goes, the rest ends.
DROP_EMPTY_SESSIONS: Final = """
    DELETE FROM sessions
    WHERE ended_at_ms IS NULL
      AND id IN (
        SELECT session_id FROM job_files
        WHERE job = :job AND number BETWEEN :first AND :last AND attempt > 0 AND state IN ('failed', 'cancelled')
      )
      AND NOT EXISTS (SELECT 1 FROM utterances WHERE utterances.session = sessions.key)"""

END_SESSIONS: Final = """
    UPDATE sessions
    SET ended_at_ms = :now_ms,
        audio_ms = (SELECT heard_ms FROM job_files WHERE job = :job AND session_id = sessions.id)
    WHERE ended_at_ms IS NULL
      AND id IN (
        SELECT session_id FROM job_files
        WHERE job = :job AND number BETWEEN :first AND :last AND attempt > 0 AND state IN ('failed', 'cancelled')
      )"""

# ---- jobs ----

KEY_OF_JOB: Final = "SELECT key, revision FROM jobs WHERE id = :job_id AND stage = 'here'"

CANCEL: Final = """
    UPDATE job_files SET state = 'cancelled', ready_at_ms = 0
    WHERE job = :job AND number BETWEEN :first AND :last AND state = :state"""

RETRY: Final = """
    UPDATE job_files
    SET state = 'queued', ready_at_ms = 0, attempts = 0, rank_ms = :now_ms + number * :pace_ms
    WHERE job = :job AND state = :state AND (content = 1 OR url IS NOT NULL)"""

# One statement for jobs and their files: two would see two different moments.
JOBS: Final = """
    WITH page AS (
        SELECT key, id AS job_id, created_at_ms, finished_at_ms, options, revision,
               queued AS queued_files, running AS running_files, done AS done_files,
               failed AS failed_files, cancelled AS cancelled_files
        FROM jobs WHERE stage = 'here' AND {condition}
    )
    SELECT page.*, f.* FROM page JOIN job_files AS f ON f.job = page.key AND f.number < :shown
    ORDER BY page.created_at_ms DESC, page.job_id DESC, f.number"""

GET: Final = JOBS.replace("{condition}", "id = :job_id")

LIST_CONDITION: Final = """
    {state} AND (created_at_ms, id) < (:before_ms, :before_id)
    ORDER BY created_at_ms DESC, id DESC LIMIT :limit"""

LIST: Final = JOBS.replace("{condition}", LIST_CONDITION.replace("{state}", "true"))

LIST_STATE: Final = JOBS.replace("{condition}", LIST_CONDITION.replace("{state}", "state = :state"))

FILES: Final = """
    SELECT * FROM job_files WHERE job = :job AND number >= :start ORDER BY number LIMIT :limit"""

FILES_STATE: Final = """
    SELECT * FROM job_files WHERE job = :job AND number >= :start AND state = :state
    ORDER BY number LIMIT :limit"""

# ---- letting go ----

FORGET: Final = """
    UPDATE jobs SET stage = 'leaving'
    WHERE finished_at_ms IS NOT NULL AND finished_at_ms < :before_ms AND stage = 'here'"""

LEAVING_JOB: Final = "SELECT key FROM jobs AS j WHERE stage = 'leaving' LIMIT 1 {lock_free_job}"

DROP_JOB: Final = "DELETE FROM jobs WHERE key = :job"

LEAVING_FILE: Final = (
    "SELECT job, number, size_bytes FROM job_files AS f WHERE content = 2 LIMIT 1 {lock_free_file}"
)
