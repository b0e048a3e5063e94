-- Recordings that are heard when there is time: jobs, their files, and the bytes of those.

CREATE TABLE jobs (
  key            bigint  PRIMARY KEY,         -- random: a key that comes back would meet who still writes to the old one
  id             text    COLLATE "C" NOT NULL, -- ordered by its bytes
  stage          text    NOT NULL CHECK (stage IN ('arriving', 'here', 'leaving')),
  created_at_ms  bigint  NOT NULL,            -- Unix time
  finished_at_ms bigint,                      -- NULL while files wait or are heard
  options        text    NOT NULL,            -- JSON
  revision       bigint  NOT NULL DEFAULT 0,
  -- Of its recordings, or announced while it arrives; counted here, or a sum would have to read them all.
  kept_bytes     bigint  NOT NULL CHECK (kept_bytes >= 0),
  -- Files in each state; counted here, or a list would have to read them all.
  queued         integer NOT NULL DEFAULT 0 CHECK (queued >= 0),
  running        integer NOT NULL DEFAULT 0 CHECK (running >= 0),
  done           integer NOT NULL DEFAULT 0 CHECK (done >= 0),
  failed         integer NOT NULL DEFAULT 0 CHECK (failed >= 0),
  cancelled      integer NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
  state          text    NOT NULL GENERATED ALWAYS AS (
    CASE
      WHEN queued > 0 AND running + done + failed + cancelled = 0 THEN 'queued'
      WHEN queued + running > 0 THEN 'running'
      WHEN cancelled > 0 THEN 'cancelled'
      WHEN failed > 0 THEN 'failed'
      ELSE 'done'
    END
  ) STORED
);

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
  job         bigint  NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
  number      integer NOT NULL,
  state       text    NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  rank_ms     bigint  NOT NULL,               -- the order in which they are lent
  ready_at_ms bigint  NOT NULL,               -- queued: when it may be lent; running: when its lease ends
  session_id  text    NOT NULL,
  name        text,
  url         text,
  size_bytes  bigint  NOT NULL,
  content     smallint NOT NULL,              -- 0: not here, 1: here, 2: to be let go
  attempt     integer NOT NULL DEFAULT 0,     -- counts loans and never goes back: only the last one may write
  attempts    integer NOT NULL DEFAULT 0,     -- the same since it was submitted or retried
  heard_ms    bigint  NOT NULL DEFAULT 0,
  duration_ms bigint,
  worker      text,
  error       text,
  PRIMARY KEY (job, number)
)
-- Progress rewrites a row all the time.
WITH (fillfactor = 80);

-- What may be lent, in order: a claim reads as many entries as are lent or wait for another attempt, and one more.
CREATE INDEX job_files_open ON job_files (rank_ms, job, number, ready_at_ms)
  WHERE state IN ('queued', 'running');

CREATE INDEX job_files_leaving ON job_files (job, number) WHERE content = 2;

-- Bytes come before their file is there, so they belong to the job.
CREATE TABLE job_chunks (
  key    bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job    bigint  NOT NULL REFERENCES jobs (key),
  file   integer NOT NULL,
  number integer NOT NULL,
  bytes  bytea   NOT NULL,
  UNIQUE (job, file, number)
);

-- Recordings are compressed already, or do not compress well.
ALTER TABLE job_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
