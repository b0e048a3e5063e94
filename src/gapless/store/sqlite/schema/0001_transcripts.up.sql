-- What was heard: sessions, their utterances, and the index that finds them.

CREATE TABLE sessions (
  key           INTEGER PRIMARY KEY,
  id            TEXT    NOT NULL UNIQUE,
  source        TEXT    NOT NULL,
  model         TEXT    NOT NULL,
  name          TEXT,
  language      TEXT,
  started_at_ms INTEGER NOT NULL,            -- Unix time
  ended_at_ms   INTEGER,                     -- NULL while it runs, or when a crash cut it off
  audio_ms      INTEGER NOT NULL,
  utterances    INTEGER NOT NULL DEFAULT 0   -- kept by whoever adds some
) STRICT;

-- The order of every list, and where its next page begins.
CREATE INDEX sessions_by_start ON sessions (started_at_ms, id);

-- The key of an utterance is that of its session times 2^24 plus its place in it. So the utterances of a session lie side
-- by side, and a search knows the sessions it found from the index alone, without reading what they said.
CREATE TABLE utterances (
  key               INTEGER PRIMARY KEY CHECK (key >> 24 = session),
  session           INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
  utt               TEXT    NOT NULL,
  text              TEXT    NOT NULL,
  start_ms          INTEGER NOT NULL,        -- audio time from sample 0
  end_ms            INTEGER NOT NULL,
  language          TEXT,
  confidence        REAL,
  speaker           TEXT,
  avg_logprob       REAL,
  no_speech_prob    REAL,
  compression_ratio REAL,
  temperature       REAL,
  -- Words are written and read with their utterance and never looked up alone, so they are a column, not a table that
  -- would hold a dozen rows for each row here. json_each() opens them to SQL: [[text, start_ms, end_ms, confidence], ...]
  words             TEXT    NOT NULL,
  tokens            TEXT    NOT NULL,        -- JSON: [number, ...]
  UNIQUE (session, utt)
) STRICT;

-- The index holds no second copy of the text: it reads it from the table that it indexes.
-- Beginnings of up to five letters have their own entries: they match much, and a search box sends them first.
CREATE VIRTUAL TABLE utterances_search USING fts5 (
  text,
  content = 'utterances',
  content_rowid = 'key',
  tokenize = 'unicode61 remove_diacritics 2',
  prefix = '1 2 3 4 5'
);

-- Whoever adds utterances adds them here too, and counts them: many at a time by one statement, which is three times as
-- fast as a trigger that does so for each.
CREATE TRIGGER utterance_deleted AFTER DELETE ON utterances BEGIN
  INSERT INTO utterances_search (utterances_search, rowid, text) VALUES ('delete', old.key, old.text);
END;
