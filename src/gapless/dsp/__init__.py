"""Kernels: arrays in, arrays out; no classes, no state, nothing from the rest of Gapless."""
