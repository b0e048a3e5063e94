"""Which recognisers are here, which of them is the default, and how more are fetched."""
