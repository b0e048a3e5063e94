-- Recordings that are heard when there is time: jobs, their files, and the bytes of those.

CREATE TABLE jobs (
  key            INTEGER PRIMARY KEY,         -- random: a key that comes back would meet who still writes to the old one
  id             TEXT    NOT NULL,
  stage          TEXT    NOT NULL CHECK (stage IN ('arriving', 'here', 'leaving')),
  created_at_ms  INTEGER NOT NULL,            -- Unix time
  finished_at_ms INTEGER,                     -- NULL while files wait or are heard
  options        TEXT    NOT NULL,            -- JSON
  revision       INTEGER NOT NULL DEFAULT 0,
  -- Of its recordings, or announced while it arrives; counted here, or a sum would have to read them all.
  kept_bytes     INTEGER NOT NULL CHECK (kept_bytes >= 0),
  -- Files in each state; counted here, or a list would have to read them all.
  queued         INTEGER NOT NULL DEFAULT 0 CHECK (queued >= 0),
  running        INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0),
  done           INTEGER NOT NULL DEFAULT 0 CHECK (done >= 0),
  failed         INTEGER NOT NULL DEFAULT 0 CHECK (failed >= 0),
  cancelled      INTEGER NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
  state          TEXT    NOT NULL GENERATED ALWAYS AS (
    CASE
      WHEN queued > 0 AND running + done + failed + cancelled = 0 THEN 'queued'
      WHEN queued + running > 0 THEN 'running'
      WHEN cancelled > 0 THEN 'cancelled'
      WHEN failed > 0 THEN 'failed'
      ELSE 'done'
    END
  ) STORED
) STRICT;

-- Nobody sees a job before all of it has arrived, nor while its bytes are let go.
CREATE UNIQUE INDEX jobs_by_id ON jobs (id) WHERE stage = 'here';

CREATE INDEX jobs_by_creation ON jobs (created_at_ms, id) WHERE stage = 'here';

CREATE INDEX jobs_by_state ON jobs (state, created_at_ms, id) WHERE stage = 'here';

CREATE INDEX jobs_open ON jobs (stage, created_at_ms, finished_at_ms) WHERE finished_at_ms IS NULL;

CREATE INDEX jobs_over ON jobs (finished_at_ms) WHERE finished_at_ms IS NOT NULL;

-- How many bytes there are, and whose may go, is answered from the index alone.
CREATE INDEX jobs_kept ON jobs (finished_at_ms, stage, created_at_ms, kept_bytes) WHERE kept_bytes > 0;

CREATE INDEX jobs_leaving ON jobs (key) WHERE stage = 'leaving';

CREATE TABLE job_files (
  job         INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
  number      INTEGER NOT NULL,
  state       TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  rank_ms     INTEGER NOT NULL,               -- the order in which they are lent
  ready_at_ms INTEGER NOT NULL,               -- queued: when it may be lent; running: when its lease ends
  session_id  TEXT    NOT NULL,
  name        TEXT,
  url         TEXT,
  size_bytes  INTEGER NOT NULL,
  content     INTEGER NOT NULL,               -- 0: not here, 1: here, 2: to be let go
  attempt     INTEGER NOT NULL DEFAULT 0,     -- counts loans and never goes back: only the last one may write
  attempts    INTEGER NOT NULL DEFAULT 0,     -- the same since it was submitted or retried
  heard_ms    INTEGER NOT NULL DEFAULT 0,
  duration_ms INTEGER,
  worker      TEXT,
  error       TEXT,
  PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

-- What may be lent, in order: a claim reads as many entries as are lent or wait for another attempt, and one more.
CREATE INDEX job_files_open ON job_files (rank_ms, job, number, ready_at_ms)
  WHERE state IN ('queued', 'running');

CREATE INDEX job_files_leaving ON job_files (job, number) WHERE content = 2;

-- Bytes come before their file is there, so they belong to the job. A table with a key of its own: large rows would make
-- the pages of any other deep and thin.
CREATE TABLE job_chunks (
  key    INTEGER PRIMARY KEY,
  job    INTEGER NOT NULL REFERENCES jobs (key),
  file   INTEGER NOT NULL,
  number INTEGER NOT NULL,
  bytes  BLOB    NOT NULL,
  UNIQUE (job, file, number)
) STRICT;
