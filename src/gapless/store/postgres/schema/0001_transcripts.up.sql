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
  began_ms          bigint  NOT NULL,        -- started_at_ms of its session, which never changes
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

-- Stretches of time that a moment lies in, from 17 minutes to two years, each sixteen times as long as the one before.
-- They give an order to the index of words, which has none of its own.
CREATE FUNCTION stretches (moment_ms bigint) RETURNS bigint[] IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
  SELECT ARRAY[
    (moment_ms >> 20) * 8, (moment_ms >> 24) * 8 + 1, (moment_ms >> 28) * 8 + 2, (moment_ms >> 32) * 8 + 3,
    (moment_ms >> 36) * 8 + 4
  ]
$$;

-- New entries wait in a list that every search reads as well, so it must stay short.
CREATE INDEX utterances_search ON utterances USING gin (search, stretches(began_ms)) WITH (gin_pending_list_limit = 512);

-- The newest sessions of a range of time in which something was said that matches: their keys, when they began, and the
-- places of the utterances that do. No fewer of them than wanted, if there are so many; in no order.
--
-- It goes back from the newest, one window of time after the other. Of the first window all texts are looked through.
-- What is not in them is rare, and asked of the index at once. Of all else they tell how far back what is wanted may
-- reach, and what the ways there cost, in microseconds as measured:
--   the texts        all of the window are looked at: best for what nearly every session has;
--   whole words      the index tells where they stand within the window, and those texts are looked at;
--   all words        the index first gathers what the beginning of a word stands for, which it does for all of time.
--
-- query is what must match; words, beginning and all_words are the words in it: those that are whole (null if there is
-- none), the one that may go on, and both. A text whose positions do not fit into a tsvector is compared with patterns,
-- which are null where there are no phrases.
CREATE FUNCTION matches (
  query tsquery, words tsquery, beginning tsquery, all_words tsquery, patterns text[],
  since_ms bigint, until_ms bigint, before_ms bigint, before_id text,
  wanted_sessions bigint, wanted_utterances bigint
) RETURNS TABLE (session bigint, began_ms bigint, places tid[])
STABLE ROWS 30 LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
DECLARE
  first_sessions CONSTANT bigint := 24;
  text_us CONSTANT float8 := 2;       -- to look at one
  row_us CONSTANT float8 := 4;        -- to look at one that the index names, on a page of its own
  gather_us CONSTANT float8 := 0.6;   -- for each that a beginning stands for
  index_us CONSTANT float8 := 60;     -- to ask the index
  most_stretches CONSTANT bigint := 16;
  newest bigint;
  oldest bigint;
  upper_ms bigint;                    -- of the window: where it ends, that moment not included
  lower_ms bigint;                    -- where it begins
  reach_ms float8;                    -- how long the next one should be
  read_ms float8 := 0;                -- how long all those were that were looked through
  texts bigint := 0;                  -- in them
  with_words bigint := 0;             -- texts of them with all whole words
  with_beginning bigint := 0;         -- texts of them with a word that begins so
  reach float8;                       -- how many times as long as they the window is
  kept bigint;                        -- texts in all, about
  found bigint := 0;                  -- sessions that match
  met bigint := 0;                    -- utterances that do
  share float8;                       -- of what is wanted, that there is
  texts_cost float8;
  words_cost float8;
  all_cost float8;
  gate tsquery;                       -- what the index is asked for; null: texts are looked through
  shift integer;
  level integer;
  within bigint[];
  here record;
BEGIN
  SELECT s.started_at_ms INTO newest FROM sessions AS s
    WHERE s.started_at_ms < until_ms AND (s.started_at_ms, s.id) < (before_ms, before_id)
    ORDER BY s.started_at_ms DESC, s.id DESC LIMIT 1;
  SELECT s.started_at_ms INTO oldest FROM sessions AS s
    WHERE s.started_at_ms >= since_ms ORDER BY s.started_at_ms, s.id LIMIT 1;
  IF newest IS NULL OR oldest IS NULL OR newest < oldest THEN
    RETURN;
  END IF;
  SELECT greatest(reltuples, 0) INTO kept FROM pg_class WHERE oid = 'utterances'::regclass;
  upper_ms := newest + 1;
  SELECT s.started_at_ms INTO lower_ms FROM sessions AS s
    WHERE s.started_at_ms >= oldest AND s.started_at_ms < upper_ms
    ORDER BY s.started_at_ms DESC, s.id DESC OFFSET first_sessions - 1 LIMIT 1;
  lower_ms := coalesce(lower_ms, oldest);
  LOOP
    IF gate IS NULL THEN
      read_ms := read_ms + upper_ms - lower_ms;
      FOR here IN
        SELECT s.key, s.started_at_ms, said.* FROM sessions AS s
        CROSS JOIN LATERAL (
          SELECT count(*) AS texts, count(*) FILTER (WHERE u.search @@ words) AS with_words,
            count(*) FILTER (WHERE words IS NOT NULL AND u.search @@ beginning) AS with_beginning,
            array_agg(u.place) FILTER (WHERE u.search @@ query OR u.search_words LIKE ALL (patterns)) AS places
          -- OFFSET 0 keeps the conditions out of it, or the index of words would be asked for each session.
          FROM (SELECT ctid AS place, search, search_words FROM utterances WHERE utterances.session = s.key OFFSET 0) AS u
        ) AS said
        WHERE s.started_at_ms >= lower_ms AND s.started_at_ms < upper_ms AND (s.started_at_ms, s.id) < (before_ms, before_id)
      LOOP
        texts := texts + here.texts;
        with_words := with_words + here.with_words;
        with_beginning := with_beginning
          + CASE WHEN words IS NULL THEN coalesce(cardinality(here.places), 0) ELSE here.with_beginning END;
        IF here.places IS NOT NULL THEN
          found := found + 1;
          met := met + cardinality(here.places);
          session := here.key;
          began_ms := here.started_at_ms;
          places := here.places;
          RETURN NEXT;
        END IF;
      END LOOP;
    ELSE
      FOR session, began_ms, places IN
        SELECT u.session, u.began_ms, array_agg(u.ctid) FROM utterances AS u
        WHERE u.search @@ gate AND stretches(u.began_ms) && within AND u.began_ms >= lower_ms AND u.began_ms < upper_ms
          AND (u.search @@ query OR u.search_words LIKE ALL (patterns))
        GROUP BY u.session, u.began_ms
      LOOP
        found := found + 1;
        met := met + cardinality(places);
        RETURN NEXT;
      END LOOP;
    END IF;
    upper_ms := lower_ms;
    EXIT WHEN upper_ms <= oldest OR (found >= wanted_sessions AND met >= wanted_utterances);

    IF with_words = 0 AND words IS NOT NULL OR with_beginning = 0 THEN
      gate := CASE WHEN with_beginning = 0 THEN all_words ELSE words END;
      RETURN QUERY
        SELECT u.session, u.began_ms, array_agg(u.ctid) FROM utterances AS u
        WHERE u.search @@ gate AND u.began_ms >= oldest AND u.began_ms < upper_ms
          AND (u.search @@ query OR u.search_words LIKE ALL (patterns))
        GROUP BY u.session, u.began_ms;
      RETURN;
    END IF;

    -- The next window goes back as far as there should be enough, and not far beyond what is known.
    share := least(found / nullif(wanted_sessions, 0)::float8, met / nullif(wanted_utterances, 0)::float8);
    reach_ms := (newest - upper_ms + 1000) * least(16, greatest(0.3, 1.3 * (1 - share) / greatest(share, 0.01)));
    lower_ms := CASE WHEN reach_ms < upper_ms::float8 - oldest THEN upper_ms - reach_ms::bigint ELSE oldest END;
    shift := 20;
    level := 0;
    WHILE level < 4 AND ((upper_ms - 1) >> shift) - (lower_ms >> shift) >= most_stretches LOOP
      shift := shift + 4;
      level := level + 1;
    END LOOP;
    lower_ms := greatest(lower_ms, (((upper_ms - 1) >> shift) - most_stretches + 1) << shift);
    within := ARRAY(
      SELECT number * 8 + level FROM generate_series(lower_ms >> shift, (upper_ms - 1) >> shift) AS number
    );
    reach := (upper_ms - lower_ms) / read_ms;
    texts_cost := text_us * texts * reach;
    words_cost := index_us + row_us * with_words * reach;
    all_cost := index_us + gather_us * with_beginning / texts * kept
      + row_us * met * (upper_ms - lower_ms) / (newest + 1 - upper_ms);
    gate := CASE
      WHEN words IS NOT NULL AND words_cost <= least(all_cost, texts_cost) THEN words
      WHEN all_cost < texts_cost THEN all_words
    END;
  END LOOP;
END
$$;
