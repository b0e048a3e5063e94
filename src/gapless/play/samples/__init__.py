"""Sounds in memory: from folders of files, or of the drum kit."""
