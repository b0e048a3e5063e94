"""What is claimed, measured: each claim beside a baseline, in fresh processes, and it can come out red."""
