-- What was heard: sessions, their utterances, and the index that finds them.

CREATE TABLE sessions (
  key           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Ids are ordered by their bytes, as everywhere else, and not by a language's rules.
  id            text    COLLATE "C" NOT NULL UNIQUE,
  source        text    NOT NULL,
  model         text    NOT NULL,
  name          text,
  language      text,
  started_at_ms bigint  NOT NULL,            -- Unix time
  ended_at_ms   bigint,                      -- NULL while it runs, or when a crash cut it off
  audio_ms      bigint  NOT NULL,
  utterances    integer NOT NULL DEFAULT 0   -- kept by the statement that adds utterances
)
-- Counting an utterance rewrites the row; with room on its page no index has to change.
WITH (fillfactor = 80);

-- The order of every list, and where its next page begins.
CREATE INDEX sessions_by_start ON sessions (started_at_ms, id);

CREATE TABLE utterances (
  key               bigint  GENERATED ALWAYS AS IDENTITY,
  session           bigint  NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
  utt               text    COLLATE "C" NOT NULL,
  text              text    NOT NULL,
  start_ms          bigint  NOT NULL,        -- audio time from sample 0
  end_ms            bigint  NOT NULL,
  language          text,
  confidence        double precision,
  speaker           text,
  avg_logprob       double precision,
  no_speech_prob    double precision,
  compression_ratio double precision,
  temperature       double precision,
  -- Words are written and read with their utterance and never looked up alone, so they are a column, not a table that
  -- would hold a dozen rows for each row here: [[text, start_ms, end_ms, confidence], ...]
  words             text    NOT NULL,
  tokens            text    NOT NULL,        -- JSON: [number, ...]
  search            tsvector NOT NULL,       -- made by Gapless: see store/postgres/search.py
  search_words      text,                    -- only of a text that is too long for the positions of a tsvector
  PRIMARY KEY (session, utt)
)
-- An answer takes a few milliseconds; to start a process that helps takes longer than that.
WITH (parallel_workers = 0);

-- The order within a transcript, its preview and its first hits.
CREATE INDEX utterances_in_order ON utterances (session, start_ms, key);

-- New entries wait in a list that every search reads as well, so it must stay short.
CREATE INDEX utterances_search ON utterances USING gin (search) WITH (gin_pending_list_limit = 512);

-- Which pages newer sessions are on: a search so leaves out all others.
CREATE INDEX utterances_by_age ON utterances USING brin (session) WITH (pages_per_range = 32, autosummarize = on);
