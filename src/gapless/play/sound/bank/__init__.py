"""Voices by the thousand: what plays what a pattern starts."""
