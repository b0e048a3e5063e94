-- Drops what is known of calls of models.

DROP TABLE inferences;
