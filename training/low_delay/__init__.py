"""Training and evaluation of the noise suppression that is 4 ms late."""
