"""Sound as machine code: units that make and change it, voices, and what runs them a quantum at a time."""
