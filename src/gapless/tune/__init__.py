"""Fit the machine: what it has."""
