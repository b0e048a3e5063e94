"""What is typed at a prompt, statement by statement, and what it becomes."""
