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

SESSION_ROOM: Final = "SELECT key, utterances FROM sessions WHERE id = ?"

KNOWN: Final = """
    SELECT utt FROM utterances WHERE session = :session AND utt IN (SELECT value FROM json_each(:utts))"""
"""Which utterances of a session are there, of some whose names come as a JSON array."""

ADD_UTTERANCE: Final = """
    INSERT INTO utterances (
        key, session, utt, text, start_ms, end_ms, language, confidence, speaker,
        avg_logprob, no_speech_prob, compression_ratio, temperature, words, tokens
    ) VALUES (
        :key, :session, :utt, :text, :start_ms, :end_ms, :language, :confidence, :speaker,
        :avg_logprob, :no_speech_prob, :compression_ratio, :temperature, :words, :tokens
    )"""

ADD_TO_INDEX: Final = """
    INSERT INTO utterances_search (rowid, text)
    SELECT key, text FROM utterances WHERE key BETWEEN :first AND :last"""
"""One statement for all: FTS5 writes what it has gathered at the end of each."""

COUNT_UTTERANCES: Final = "UPDATE sessions SET utterances = :utterances WHERE key = :session"

END_SESSION: Final = "UPDATE sessions SET ended_at_ms = ?, audio_ms = ? WHERE id = ?"

DELETE_SESSION: Final = "DELETE FROM sessions WHERE id = ?"

PURGE_INDEX: Final = "INSERT INTO utterances_search (utterances_search, rank) VALUES ('merge', ?)"
"""Merges about so many pages. Source: https://sqlite.org/fts5.html, "The 'merge' Command"."""

GET_SESSION: Final = "SELECT * FROM sessions WHERE id = ?"

GET_UTTERANCES: Final = "SELECT * FROM utterances WHERE session = ? ORDER BY start_ms, key"

PAGE: Final = """
    SELECT page.*, (
        SELECT group_concat(text, ' ') FROM (
            SELECT text FROM utterances WHERE key BETWEEN page.key << 24 AND (page.key << 24) + 3
        )
    ) AS preview
    FROM {sessions}"""
"""Sessions, each with its first four utterances."""

LIST: Final = PAGE.format(
    sessions="""sessions AS page
    WHERE started_at_ms >= :since_ms AND started_at_ms < :until_ms
      AND (started_at_ms, id) < (:before_ms, :before_id)
    ORDER BY started_at_ms DESC, id DESC LIMIT :limit"""
)
"""Sessions from a place in the order on."""

LIST_KEYS: Final = PAGE.format(
    sessions="""json_each(:keys) AS one
    CROSS JOIN sessions AS page ON page.key = one.value"""
)
"""Sessions by their keys, which come as a JSON array in the order that is wanted."""

HITS: Final = """
    WITH found AS MATERIALIZED (
        SELECT u.key, row_number() OVER (PARTITION BY u.session ORDER BY u.start_ms, u.key) AS place
        FROM json_each(:keys) AS one CROSS JOIN utterances AS u ON u.key = one.value
    )
    SELECT session, utt, start_ms, end_ms, text FROM found CROSS JOIN utterances USING (key)
    WHERE place <= :max_hits ORDER BY session, place"""
"""Of some utterances, whose keys come as a JSON array, the first ones of each session."""

COUNTS: Final = """
    SELECT count(*) AS sessions, coalesce(sum(utterances), 0) AS utterances,
           min(started_at_ms) AS oldest_ms
    FROM sessions"""

OLDEST: Final = """
    SELECT key, utterances FROM sessions
    WHERE started_at_ms < :before_ms AND (ended_at_ms IS NOT NULL OR started_at_ms < :unended_before_ms)
    ORDER BY started_at_ms, id LIMIT :limit"""
"""What is deleted first. Sessions that were never ended are few: a server leaves at most those of its last moment."""

DELETE_KEYS: Final = "DELETE FROM sessions WHERE key IN (SELECT value FROM json_each(?))"

WRONG_COUNTS: Final = """
    SELECT id, sessions.utterances AS noted,
           (SELECT count(*) FROM utterances WHERE session = sessions.key) AS kept
    FROM sessions WHERE noted <> kept LIMIT 20"""

WRONG_WORDS: Final = """
    SELECT id, utt FROM utterances JOIN sessions ON sessions.key = session
    WHERE NOT (json_valid(words) AND json_valid(tokens)) LIMIT 20"""

CHECK_INDEX: Final = (
    "INSERT INTO utterances_search (utterances_search, rank) VALUES ('integrity-check', 1)"
)
"""Compares the search index with the text. Source: https://sqlite.org/fts5.html, "The 'integrity-check' Command"."""
