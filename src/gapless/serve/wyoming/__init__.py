"""Wyoming, Home Assistant's protocol for voice services, over TCP.

bytes -> wire -> connection (what is asked) -> utterance (a dialect over one stream) -> transcript
"""
