"""The virtual microphone: what cleans, what keeps it running, and what one may ask it from outside."""
