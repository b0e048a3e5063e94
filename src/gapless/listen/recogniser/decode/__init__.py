"""Decoding: scores of a network in, words out; pure state machines over many streams at a time."""
