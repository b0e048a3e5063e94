"""Gapless."""
