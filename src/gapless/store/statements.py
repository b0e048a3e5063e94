"""Every statement that the store runs; the tables are in ``schema/``.

In: parameters by name, or in order where there are few. Out: rows. Invariants: no text from outside is ever part of a
statement. Thread: any (constants).
"""

from __future__ import annotations

from typing import Final

BEGIN_SESSION: Final = """
    INSERT INTO sessions (id, source, model, started_at_ms, name, language, ended_at_ms, audio_ms)
    VALUES (:id, :source, :model, :started_at_ms, :name, :language, :ended_at_ms, :audio_ms)
    ON CONFLICT (id) DO NOTHING"""

ADD_UTTERANCE: Final = """
    INSERT INTO utterances (
        key, session, utt, text, start_ms, end_ms, language, confidence, speaker,
        avg_logprob, no_speech_prob, compression_ratio, temperature, words, tokens
    )
    SELECT
        (key << 24) + utterances, key, :utt, :text, :start_ms, :end_ms, :language, :confidence, :speaker,
        :avg_logprob, :no_speech_prob, :compression_ratio, :temperature, :words, :tokens
    FROM sessions WHERE id = :session_id
    ON CONFLICT (session, utt) DO NOTHING"""

END_SESSION: Final = "UPDATE sessions SET ended_at_ms = ?, audio_ms = ? WHERE id = ?"

DELETE_SESSION: Final = "DELETE FROM sessions WHERE id = ?"

PURGE_INDEX: Final = "INSERT INTO utterances_search (utterances_search, rank) VALUES ('merge', ?)"
"""Merges about so many pages. Source: https://sqlite.org/fts5.html, "The 'merge' Command"."""

GET_SESSION: Final = "SELECT * FROM sessions WHERE id = ?"

GET_UTTERANCES: Final = "SELECT * FROM utterances WHERE session = ? ORDER BY start_ms, key"

LIST: Final = """
    WITH page AS (
        SELECT * FROM sessions
        WHERE started_at_ms >= :since_ms AND started_at_ms < :until_ms
          AND (started_at_ms, id) < (:before_ms, :before_id)
          AND {condition}
        ORDER BY started_at_ms DESC, id DESC LIMIT :limit
    )
    SELECT page.*, (
        SELECT group_concat(text, ' ') FROM (
            SELECT text FROM utterances WHERE key BETWEEN page.key << 24 AND (page.key << 24) + 3
        )
    ) AS preview
    FROM page ORDER BY started_at_ms DESC, id DESC"""
"""Sessions from a place in the order on; the preview is made of the first four utterances of each."""

LIST_ALL: Final = LIST.format(condition="true")

LIST_FOUND: Final = LIST.format(
    condition="key IN (SELECT rowid >> 24 FROM utterances_search WHERE utterances_search MATCH :match)"
)

# The first part finds what is shown, the second marks it: to mark all that matches would read all of its text. Both ask
# the index once for each session, because it works out the expression anew each time.
HITS: Final = """
    WITH found AS MATERIALIZED (
        SELECT u.key, row_number() OVER (PARTITION BY u.session ORDER BY u.start_ms, u.key) AS place
        FROM json_each(:sessions) AS page
        CROSS JOIN utterances_search
            ON utterances_search.rowid BETWEEN page.value << 24 AND (page.value << 24) + 0xFFFFFF
        CROSS JOIN utterances AS u ON u.key = utterances_search.rowid
        WHERE utterances_search MATCH :match
    ), shown AS MATERIALIZED (
        SELECT key, place FROM found WHERE place <= :max_hits
    )
    SELECT u.session, u.utt, u.start_ms, u.end_ms,
           highlight(utterances_search, 0, :open_mark, :close_mark) AS marked
    FROM json_each(:sessions) AS page
    CROSS JOIN utterances_search
        ON utterances_search.rowid BETWEEN page.value << 24 AND (page.value << 24) + 0xFFFFFF
    CROSS JOIN shown ON shown.key = utterances_search.rowid
    CROSS JOIN utterances AS u ON u.key = shown.key
    WHERE utterances_search MATCH :match
    ORDER BY u.session, shown.place"""
"""The first hits of some sessions, whose keys come as a JSON array."""
