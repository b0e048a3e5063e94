"""What is kept: sessions, utterances and words, with full-text search."""
