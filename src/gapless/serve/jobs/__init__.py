"""Jobs over HTTP: recordings that are heard when there is time."""
