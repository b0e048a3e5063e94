-- Drops everything that was heard. A table takes its indexes with it.

DROP TABLE utterances;

DROP TABLE sessions;
