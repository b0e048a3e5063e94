"""What is remembered for speed: answers that may be asked for again, in memory and in Redis."""
