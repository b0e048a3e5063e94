"""MIDI: notes and a clock to other machines, and from them."""
