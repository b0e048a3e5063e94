"""Filters: units that weigh the frequencies of a sound."""
