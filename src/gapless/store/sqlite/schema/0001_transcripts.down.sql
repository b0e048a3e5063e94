-- Drops everything that was heard. A table takes its indexes and triggers with it.

DROP TABLE utterances_search;

DROP TABLE utterances;

DROP TABLE sessions;
