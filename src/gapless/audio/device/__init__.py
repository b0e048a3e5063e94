"""Devices that hear and play, and the sound servers that lead to them."""
