"""Answers that are given again: who asks the cache before the engine."""
