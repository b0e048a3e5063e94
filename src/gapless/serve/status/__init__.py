"""How the server does: what it measured in the last minute, judged by its targets, and the last hour for charts."""
