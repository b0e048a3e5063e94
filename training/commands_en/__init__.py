"""Training of ``commands-en``, the small English speech model that comes with Gapless."""
