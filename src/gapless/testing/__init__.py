"""Fakes and contract suites that ship with the package, for all who build on it."""
