-- Calls of models: when, which, how long. No tensors.

CREATE TABLE inferences (
  at_us      INTEGER NOT NULL,                -- Unix time
  source     INTEGER NOT NULL,                -- the process, by a number that it drew
  model      TEXT    NOT NULL,
  version    TEXT    NOT NULL,
  rows       INTEGER NOT NULL CHECK (rows >= 0),
  batch_rows INTEGER NOT NULL CHECK (batch_rows >= 0),
  queue_us   INTEGER NOT NULL CHECK (queue_us >= 0),
  compute_us INTEGER NOT NULL CHECK (compute_us >= 0),
  cached     INTEGER NOT NULL CHECK (cached IN (0, 1)),
  status     TEXT    NOT NULL,                -- 'ok', or the code of the error
  request_id TEXT    NOT NULL,                -- given by the client, or ''
  PRIMARY KEY (at_us, source)
) STRICT, WITHOUT ROWID;

CREATE INDEX inferences_by_model ON inferences (model, at_us, source);
