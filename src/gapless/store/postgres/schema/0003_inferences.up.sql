-- Calls of models: when, which, how long. No tensors.

CREATE TABLE inferences (
  at_us      bigint  NOT NULL,                -- Unix time
  source     bigint  NOT NULL,                -- the process, by a number that it drew
  model      text    NOT NULL COLLATE "C",
  version    text    NOT NULL,
  rows       bigint  NOT NULL CHECK (rows >= 0),
  batch_rows bigint  NOT NULL CHECK (batch_rows >= 0),
  queue_us   bigint  NOT NULL CHECK (queue_us >= 0),
  compute_us bigint  NOT NULL CHECK (compute_us >= 0),
  cached     boolean NOT NULL,
  status     text    NOT NULL,                -- 'ok', or the code of the error
  request_id text    NOT NULL,                -- given by the client, or ''
  PRIMARY KEY (at_us, source)
);

CREATE INDEX inferences_by_model ON inferences (model, at_us, source);
