"""Models that run on Triton servers: channels that are kept, servers that fail, streams that stay where they began."""
