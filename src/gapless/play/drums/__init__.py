"""A drum kit that is computed, so that every program sounds without a download."""
