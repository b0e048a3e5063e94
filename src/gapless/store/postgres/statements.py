"""Every statement of transcripts; the tables are in ``schema/``.

In: parameters by name. Out: rows. Invariants: no text from outside is ever part of a statement; what is read for one
answer is read by one statement, and so of one moment; sessions are changed in the order of their ids, so that two
servers wait for each other and do not deadlock. Thread: any (constants).
"""

from __future__ import annotations

from typing import Final, LiteralString

BEGIN_SESSIONS: Final[LiteralString] = """
    INSERT INTO sessions (id, source, model, started_at_ms, name, language, ended_at_ms, audio_ms)
    SELECT * FROM unnest(
        %(id)s::text[], %(source)s::text[], %(model)s::text[], %(started_at_ms)s::bigint[], %(name)s::text[],
        %(language)s::text[], %(ended_at_ms)s::bigint[], %(audio_ms)s::bigint[]
    ) AS given (id) ORDER BY given.id COLLATE "C"
    ON CONFLICT (id) DO NOTHING
    RETURNING id"""

END_SESSIONS: Final[LiteralString] = """
    WITH given AS (
        SELECT * FROM unnest(%(id)s::text[], %(ended_at_ms)s::bigint[], %(audio_ms)s::bigint[])
            AS given (id, ended_at_ms, audio_ms)
    ), locked AS MATERIALIZED (
        SELECT key, given.* FROM sessions JOIN given USING (id) ORDER BY id FOR NO KEY UPDATE OF sessions
    )
    UPDATE sessions SET ended_at_ms = locked.ended_at_ms, audio_ms = locked.audio_ms
    FROM locked WHERE sessions.key = locked.key
    RETURNING sessions.id"""

UTTERANCE_COLUMNS: Final[LiteralString] = (
    "utt, text, start_ms, end_ms, language, confidence, speaker, "
    "avg_logprob, no_speech_prob, compression_ratio, temperature, words, tokens, search, search_words"
)

STAGE: Final[LiteralString] = """
    CREATE TEMPORARY TABLE IF NOT EXISTS staged_utterances ON COMMIT DELETE ROWS AS
    SELECT 0 AS place, ''::text AS session_id, utterances.* FROM utterances LIMIT 0"""
"""A table of the connection's own, which holds rows until they are added to the others."""

COPY_UTTERANCES: Final[LiteralString] = (
    f"COPY staged_utterances (place, session_id, {UTTERANCE_COLUMNS}) FROM STDIN"
)

# Sessions are locked first, in order. What was given for a session that is not there is left out, and told.
ADD_UTTERANCES: Final[LiteralString] = """
    WITH given AS MATERIALIZED ({given}),
    locked AS MATERIALIZED (
        SELECT key, id, started_at_ms FROM sessions
        WHERE id IN (SELECT session_id COLLATE "C" FROM given) ORDER BY id FOR NO KEY UPDATE
    ), added AS (
        INSERT INTO utterances (session, began_ms, {columns})
        SELECT locked.key, started_at_ms, {columns}
        FROM given JOIN locked ON locked.id = given.session_id ORDER BY place
        ON CONFLICT (session, utt) DO NOTHING
        RETURNING session
    ), counted AS (
        UPDATE sessions SET utterances = sessions.utterances + new.utterances
        FROM (SELECT session, count(*) AS utterances FROM added GROUP BY session) AS new
        WHERE key = new.session
    )
    SELECT DISTINCT session_id FROM given WHERE session_id COLLATE "C" NOT IN (SELECT id FROM locked)"""

ADD_STAGED: Final[LiteralString] = ADD_UTTERANCES.format(
    given="SELECT * FROM staged_utterances", columns=UTTERANCE_COLUMNS
)

ADD_GIVEN: Final[LiteralString] = ADD_UTTERANCES.format(
    given="""
        SELECT place, session_id, utt, text, start_ms, end_ms, language, confidence, speaker, avg_logprob,
            no_speech_prob, compression_ratio, temperature, words, tokens, search::tsvector AS search, search_words
        FROM unnest(
            %(place)s::integer[], %(session_id)s::text[], %(utt)s::text[], %(text)s::text[],
            %(start_ms)s::bigint[], %(end_ms)s::bigint[], %(language)s::text[], %(confidence)s::float8[],
            %(speaker)s::text[], %(avg_logprob)s::float8[], %(no_speech_prob)s::float8[],
            %(compression_ratio)s::float8[], %(temperature)s::float8[], %(words)s::text[], %(tokens)s::text[],
            %(search)s::text[], %(search_words)s::text[]
        ) AS given (
            place, session_id, utt, text, start_ms, end_ms, language, confidence, speaker, avg_logprob,
            no_speech_prob, compression_ratio, temperature, words, tokens, search, search_words
        )""",
    columns=UTTERANCE_COLUMNS,
)

DELETE_SESSION: Final[LiteralString] = "DELETE FROM sessions WHERE id = %(id)s"

GET: Final[LiteralString] = """
    SELECT sessions.*, u.utt, u.text, u.start_ms, u.end_ms, u.language AS utterance_language, u.confidence, u.speaker,
        u.avg_logprob, u.no_speech_prob, u.compression_ratio, u.temperature, u.words, u.tokens
    FROM sessions LEFT JOIN utterances AS u ON u.session = sessions.key
    WHERE sessions.id = %(id)s ORDER BY u.start_ms, u.key"""

PREVIEW: Final[LiteralString] = """
    (SELECT string_agg(left(text, 1000), ' ') FROM (
        SELECT text FROM utterances WHERE session = page.key ORDER BY start_ms, key LIMIT 4
    ) AS first) AS preview"""

HITS: Final[LiteralString] = """
    (SELECT coalesce(json_agg(json_build_array(utt, start_ms, end_ms, text)), '[]') FROM (
        SELECT utt, start_ms, end_ms, text FROM utterances
        WHERE ctid = ANY (page.places) ORDER BY start_ms, key LIMIT %(max_hits)s
    ) AS first)::text AS hits"""
"""The first hits of a session, as JSON; ``places`` are those of all that match in it."""

BEFORE: Final[LiteralString] = "(started_at_ms, id) < (%(before_ms)s::bigint, %(before_id)s::text)"

MATCHES: Final[LiteralString] = """
    matches(
        %(query)s::tsquery, %(words)s::tsquery, %(beginning)s::tsquery, %(all_words)s::tsquery, %(patterns)s::text[],
        %(since_ms)s::bigint, %(until_ms)s::bigint, %(found_before_ms)s::bigint, %(found_before_id)s::text,
        %(wanted_sessions)s::bigint, %(wanted_utterances)s::bigint
    )"""
"""Sessions and the places of what matches in them, no fewer than are wanted: a function of the schema."""


def _whole(statement: LiteralString) -> LiteralString:
    return statement.format(before=BEFORE, preview=PREVIEW, hits=HITS, matches=MATCHES)


LIST_ALL: Final = _whole("""
    WITH page AS MATERIALIZED (
        SELECT * FROM sessions
        WHERE started_at_ms >= %(since_ms)s::bigint AND started_at_ms < %(until_ms)s::bigint AND {before}
        ORDER BY started_at_ms DESC, id DESC LIMIT %(limit)s
    )
    SELECT page.*, {preview} FROM page ORDER BY started_at_ms DESC, id DESC""")
"""Sessions from a place in the order on; the preview is made of the first four utterances of each."""

LIST_FOUND: Final = _whole("""
    WITH page AS MATERIALIZED (
        SELECT sessions.*, places FROM (
            SELECT * FROM {matches} AS found ORDER BY began_ms DESC FETCH FIRST %(limit)s ROWS WITH TIES
        ) AS newest
        CROSS JOIN LATERAL (SELECT * FROM sessions WHERE key = newest.session OFFSET 0) AS sessions
        ORDER BY started_at_ms DESC, id DESC LIMIT %(limit)s
    )
    SELECT page.*, {preview}, {hits} FROM page ORDER BY started_at_ms DESC, id DESC""")

RELEVANT_FOUND: Final = _whole("""
    WITH newest AS MATERIALIZED (
        SELECT session AS key, place FROM {matches} AS found, unnest(places) AS place
        ORDER BY began_ms DESC, session DESC LIMIT %(wanted_utterances)s
    ), scored AS MATERIALIZED (
        SELECT newest.key, array_agg(place) AS places,
            min(-ts_rank(search, %(query)s::tsquery, 1)::float8) AS score
        FROM newest CROSS JOIN LATERAL (SELECT search FROM utterances WHERE ctid = place OFFSET 0) AS said
        GROUP BY newest.key
    ), page AS MATERIALIZED (
        SELECT sessions.*, places, score FROM scored
        CROSS JOIN LATERAL (SELECT * FROM sessions WHERE key = scored.key OFFSET 0) AS sessions
        WHERE score > %(above_score)s::float8 OR score = %(above_score)s::float8 AND {before}
        ORDER BY score, started_at_ms DESC, id DESC LIMIT %(limit)s
    )
    SELECT page.*, {preview}, {hits} FROM page ORDER BY score, started_at_ms DESC, id DESC""")
"""Sessions by the score of their best utterance: how often the words occur, against its length; the lower the better.

The newest that match are compared, because to work out the score of all takes a second where a word is common.
Source: https://www.postgresql.org/docs/current/textsearch-controls.html#TEXTSEARCH-RANKING.
"""

FACTS: Final[LiteralString] = """
    SELECT count(*) AS sessions, coalesce(sum(utterances), 0)::bigint AS utterances, min(started_at_ms) AS oldest_ms,
        pg_database_size(current_database()) AS size_bytes
    FROM sessions"""

WRONG_COUNTS: Final[LiteralString] = """
    SELECT id, sessions.utterances AS noted, count(u.session) AS kept
    FROM sessions LEFT JOIN utterances AS u ON u.session = sessions.key
    GROUP BY sessions.key HAVING sessions.utterances <> count(u.session) ORDER BY id LIMIT 20"""

TEXTS: Final[LiteralString] = """
    SELECT session, id, utt, text, words, tokens, tsvector_to_array(search) AS lexemes, search_words,
        began_ms, started_at_ms
    FROM utterances JOIN sessions ON sessions.key = session"""

INDEX_AGAIN: Final[LiteralString] = """
    UPDATE utterances
    SET search = %(search)s::tsvector, search_words = %(search_words)s, began_ms = %(started_at_ms)s::bigint
    WHERE session = %(session)s AND utt = %(utt)s"""

ROW_BYTES: Final[LiteralString] = """
    SELECT (SELECT count(*) FROM sessions) + count(*) AS rows,
        coalesce(sum(pg_column_size(utterances.*)), 0)::bigint AS size_bytes
    FROM utterances"""

# Exact as long as there are few; of millions, as many as the server believes there are.
CALLS: Final[LiteralString] = """
    SELECT CASE WHEN few < 100000 THEN few ELSE greatest(few, (
        SELECT n_live_tup FROM pg_stat_user_tables
        WHERE schemaname = current_schema() AND relname = 'inferences'
    )) END AS calls
    FROM (SELECT count(*) AS few FROM (SELECT 1 FROM inferences LIMIT 100000) AS first) AS counted"""

USED: Final[LiteralString] = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS size_bytes
    FROM pg_class AS c WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"""
"""Of the tables, with their indexes and the room that was given free inside of them."""

OLDEST: Final[LiteralString] = """
    SELECT key, utterances FROM sessions
    WHERE started_at_ms < %(before_ms)s::bigint
      AND (ended_at_ms IS NOT NULL OR started_at_ms < %(unended_before_ms)s::bigint)
    ORDER BY started_at_ms, id LIMIT %(limit)s"""

DELETE_KEYS: Final[LiteralString] = """
    DELETE FROM sessions WHERE key IN (
        SELECT key FROM sessions WHERE key = ANY (%(keys)s::bigint[]) ORDER BY id FOR UPDATE
    )
    RETURNING utterances"""
