"""The quick way: what is asked again byte by byte is answered before a task is made for it."""
