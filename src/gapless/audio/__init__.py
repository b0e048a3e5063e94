"""Samples and how they move: formats, files, resampling, and the contract of a stage."""
