"""Playing in the browser, ``GET /v1/play``: programs come in, sound goes out, as much as is asked for."""
