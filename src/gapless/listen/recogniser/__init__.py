"""Utterances of samples in, words out: one contract, several recognisers behind it."""
