"""Puts a load on a server: requests that come whether or not the ones before were answered. See ``run.py``."""
