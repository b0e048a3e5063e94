"""Noise suppression 4 ms late: stale gains of RNNoise, corrected by a small network, in kernels of the zone."""
