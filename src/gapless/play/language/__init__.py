"""The play language: the text of a ``.ph`` file -> a ``Program``."""
