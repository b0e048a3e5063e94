"""PocketSphinx: the recogniser that needs nothing."""
