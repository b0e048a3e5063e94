"""Several worker processes that serve one port: a supervisor, and how the workers reach one another."""
