"""Tensors in, tensors out: models loaded once and shared by everyone who uses them."""
