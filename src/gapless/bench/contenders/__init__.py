"""The ways of doing things that benches compare: each runs in a process of its own, and imports what it needs there."""
