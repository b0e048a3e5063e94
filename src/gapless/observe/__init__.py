"""Logs: what happened, in words."""
