"""Audio in, text out; one module per stage, in the order of the story.

vad -> segment -> recogniser -> listener (all of them, wired) -> events
"""
