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
        SELECT key, id FROM sessions
        WHERE id IN (SELECT session_id COLLATE "C" FROM given) ORDER BY id FOR NO KEY UPDATE
    ), added AS (
        INSERT INTO utterances (session, {columns})
        SELECT locked.key, {columns} FROM given JOIN locked ON locked.id = given.session_id ORDER BY place
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
    (SELECT coalesce(json_agg(json_build_array(utt, start_ms, end_ms, text) ORDER BY start_ms, key), '[]') FROM (
        SELECT utt, start_ms, end_ms, text, key FROM utterances
        WHERE ctid = ANY (page.places) ORDER BY start_ms, key LIMIT %(max_hits)s
    ) AS first)::text AS hits"""
"""The first hits of a session, as JSON; ``places`` are those of all that match in it."""

RANGE: Final[LiteralString] = (
    "started_at_ms >= %(since_ms)s::bigint AND started_at_ms < %(until_ms)s::bigint"
)

BEFORE: Final[LiteralString] = "(started_at_ms, id) < (%(before_ms)s::bigint, %(before_id)s::text)"

LIST: Final[LiteralString] = """
    WITH page AS MATERIALIZED (
        SELECT * FROM sessions WHERE {range} AND {before}
        ORDER BY started_at_ms DESC, id DESC LIMIT %(limit)s
    )
    SELECT page.*, {preview} FROM page ORDER BY started_at_ms DESC, id DESC"""

LIST_ALL: Final[LiteralString] = LIST.format(range=RANGE, before=BEFORE, preview=PREVIEW)
"""Sessions from a place in the order on; the preview is made of the first four utterances of each."""

QUERY: Final[LiteralString] = "(SELECT %(query)s::tsquery)"
"""Without SELECT the planner would look into it, and guess how often its words occur."""

MATCHES: Final[LiteralString] = f"search @@ {QUERY}"

MATCHES_PHRASES: Final[LiteralString] = (
    f"(search @@ {QUERY}"
    " OR search @@ (SELECT %(all_words)s::tsquery) AND search_words LIKE ALL (%(patterns)s::text[]))"
)
"""A text whose positions do not fit into the index is looked at itself; ``search_words`` of all others is NULL."""

NEAREST: Final[LiteralString] = """
    SELECT newest.*, places FROM (
        SELECT * FROM sessions WHERE {range} AND {before}
        ORDER BY started_at_ms DESC, id DESC LIMIT {sessions} OFFSET {offset}
    ) AS newest
    CROSS JOIN LATERAL (
        SELECT array_agg(ctid) AS places FROM (
            SELECT ctid, search, search_words FROM utterances WHERE session = newest.key OFFSET 0
        ) AS said
        WHERE {matches}
    ) AS matching
    WHERE places IS NOT NULL AND {condition}
    ORDER BY started_at_ms DESC, id DESC LIMIT %(limit)s"""
"""What matches in some of the newest sessions, by looking through all they said. OFFSET 0 keeps the conditions apart:
what a session said is soon looked through, and to ask the index of words for each would take far longer."""

INDEXED: Final[LiteralString] = """
    SELECT sessions.*, places FROM (
        SELECT session, array_agg(ctid) AS places FROM utterances
        WHERE {matches} AND {part} GROUP BY session OFFSET 0
    ) AS found
    CROSS JOIN LATERAL (SELECT * FROM sessions WHERE key = found.session OFFSET 0) AS sessions
    WHERE {range} AND {before} AND {condition}
    ORDER BY started_at_ms DESC, id DESC LIMIT %(limit)s"""
"""What matches, by the index of words."""

# One way after the other until there is enough: look through what the newest sessions said, which finds common words;
# go on so where some of them matched; ask the index of words and leave out the pages of older sessions; ask it alone,
# which is best for rare words. A way that is not needed is not gone: the server sees so before it begins. No estimate
# of how often a word occurs decides, because for beginnings these are far off.
FOUND: Final[LiteralString] = """
    WITH near AS MATERIALIZED ({near}),
    next AS MATERIALIZED ({next}),
    newer AS MATERIALIZED (
        SELECT key, started_at_ms, id FROM sessions WHERE {range} AND {before}
        ORDER BY started_at_ms DESC, id DESC LIMIT {newer_sessions}
    ),
    middle AS MATERIALIZED ({middle}),
    page AS MATERIALIZED (
        SELECT * FROM (
            SELECT * FROM near WHERE {is_near}
            UNION ALL SELECT * FROM next WHERE {is_near}
        ) AS both_near
        UNION ALL SELECT * FROM middle WHERE {is_middle}
        UNION ALL SELECT * FROM ({far}) AS far
    )
    SELECT page.*, {preview}, {hits} FROM page
    ORDER BY started_at_ms DESC, id DESC LIMIT %(limit)s"""

NEAR_SESSIONS: Final[LiteralString] = "25"
"""To look through one takes some 20 us."""

NEXT_SESSIONS: Final[LiteralString] = "75"

NEWER_SESSIONS: Final[LiteralString] = "1500"

IS_NEWER: Final[LiteralString] = (
    "(started_at_ms, id) >= (SELECT started_at_ms, id FROM newer ORDER BY started_at_ms, id LIMIT 1)"
)
IN_NEAR: Final[LiteralString] = "(SELECT count(*) FROM near)"
IN_NEXT: Final[LiteralString] = "(SELECT count(*) FROM next)"
IN_MIDDLE: Final[LiteralString] = "(SELECT count(*) FROM middle)"

RELEVANT: Final[LiteralString] = """
    WITH near AS MATERIALIZED (
        SELECT newest.key, said.ctid AS place, said.search FROM (
            SELECT key, started_at_ms, id FROM sessions WHERE {range}
            ORDER BY started_at_ms DESC, id DESC LIMIT {near_sessions}
        ) AS newest
        CROSS JOIN LATERAL (
            SELECT ctid, search, search_words FROM utterances WHERE session = newest.key OFFSET 0
        ) AS said
        WHERE {matches} LIMIT %(ranked)s
    ), far AS MATERIALIZED (
        SELECT sessions.key, said.ctid AS place, said.search FROM (
            SELECT ctid, session, search FROM utterances WHERE {matches} OFFSET 0
        ) AS said
        CROSS JOIN LATERAL (SELECT * FROM sessions WHERE key = said.session OFFSET 0) AS sessions
        WHERE {range} AND (SELECT count(*) FROM near) < %(ranked)s
        ORDER BY started_at_ms DESC, id DESC LIMIT %(ranked)s
    ), found AS MATERIALIZED (
        SELECT key, array_agg(place) AS places, min(-ts_rank(search, {query}, 1)::float8) AS score FROM (
            SELECT * FROM near WHERE (SELECT count(*) FROM near) >= %(ranked)s UNION ALL SELECT * FROM far
        ) AS matching GROUP BY key
    ), page AS MATERIALIZED (
        SELECT sessions.*, places, score FROM found JOIN sessions USING (key)
        WHERE score > %(above_score)s::float8 OR score = %(above_score)s::float8 AND {before}
        ORDER BY score, started_at_ms DESC, id DESC LIMIT %(limit)s
    )
    SELECT page.*, {preview}, {hits} FROM page ORDER BY score, started_at_ms DESC, id DESC"""
"""Sessions by the score of their best utterance: how often the words occur, against its length; the lower the better.

The newest that match are compared, because to work out the score of all takes a second where a word is common.
Source: https://www.postgresql.org/docs/current/textsearch-controls.html#TEXTSEARCH-RANKING.
"""

RANKED_SESSIONS: Final[LiteralString] = "300"
"""To be looked through for what is compared before the index of words is asked."""


def _found(matches: LiteralString) -> LiteralString:
    is_near: LiteralString = f"{IN_NEAR} + {IN_NEXT} >= %(limit)s"
    is_middle: LiteralString = f"{IN_MIDDLE} >= %(limit)s"
    page = {"range": RANGE, "before": BEFORE, "matches": matches}
    return FOUND.format(
        **page,
        near=NEAREST.format(**page, sessions=NEAR_SESSIONS, offset="0", condition="true"),
        next=NEAREST.format(
            **page,
            sessions=NEXT_SESSIONS,
            offset=NEAR_SESSIONS,
            condition=f"{IN_NEAR} BETWEEN 3 AND %(limit)s - 1",
        ),
        newer_sessions=NEWER_SESSIONS,
        middle=INDEXED.format(
            **page,
            part="session >= (SELECT min(key) FROM newer)",
            condition=f"{IS_NEWER} AND {IN_NEAR} > 0 AND NOT {is_near}",
        ),
        far=INDEXED.format(**page, part="true", condition=f"NOT {is_near} AND NOT {is_middle}"),
        is_near=is_near,
        is_middle=f"NOT {is_near} AND {is_middle}",
        preview=PREVIEW,
        hits=HITS,
    )


def _relevant(matches: LiteralString) -> LiteralString:
    return RELEVANT.format(
        range=RANGE,
        before=BEFORE,
        preview=PREVIEW,
        matches=matches,
        query=QUERY,
        near_sessions=RANKED_SESSIONS,
        hits=HITS,
    )


LIST_FOUND: Final[LiteralString] = _found(MATCHES)
LIST_PHRASES: Final[LiteralString] = _found(MATCHES_PHRASES)
RELEVANT_FOUND: Final[LiteralString] = _relevant(MATCHES)
RELEVANT_PHRASES: Final[LiteralString] = _relevant(MATCHES_PHRASES)

FACTS: Final[LiteralString] = """
    SELECT count(*) AS sessions, coalesce(sum(utterances), 0)::bigint AS utterances, min(started_at_ms) AS oldest_ms,
        pg_database_size(current_database()) AS size_bytes
    FROM sessions"""

WRONG_COUNTS: Final[LiteralString] = """
    SELECT id, sessions.utterances AS noted, count(u.session) AS kept
    FROM sessions LEFT JOIN utterances AS u ON u.session = sessions.key
    GROUP BY sessions.key HAVING sessions.utterances <> count(u.session) ORDER BY id LIMIT 20"""

TEXTS: Final[LiteralString] = """
    SELECT session, id, utt, text, words, tokens, tsvector_to_array(search) AS lexemes, search_words
    FROM utterances JOIN sessions ON sessions.key = session"""

INDEX_AGAIN: Final[LiteralString] = """
    UPDATE utterances SET search = %(search)s::tsvector, search_words = %(search_words)s
    WHERE session = %(session)s AND utt = %(utt)s"""

ROW_BYTES: Final[LiteralString] = """
    SELECT (SELECT count(*) FROM sessions) + count(*) AS rows,
        coalesce(sum(pg_column_size(utterances.*)), 0)::bigint AS size_bytes
    FROM utterances"""

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
