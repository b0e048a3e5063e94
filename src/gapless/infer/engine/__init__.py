"""How rows are run: checked, queued, put together, stepped and taken apart."""
