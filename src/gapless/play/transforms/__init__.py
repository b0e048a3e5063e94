"""What can be done to patterns, by the names that the language gives it."""
