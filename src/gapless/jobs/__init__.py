"""Recordings that are heard when there is time: workers that take them from the store's queue."""
