"""Calls of models as rows of the store."""
