"""Which optimisations are on for whom, while the server runs."""
