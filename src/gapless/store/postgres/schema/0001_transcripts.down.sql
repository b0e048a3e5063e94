-- Drops everything that was heard. A table takes its indexes with it.

DROP FUNCTION matches;

DROP TABLE utterances;

DROP FUNCTION stretches;

DROP TABLE sessions;
