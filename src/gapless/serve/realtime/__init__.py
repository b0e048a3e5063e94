"""OpenAI's Realtime dialect, for transcription: JSON events over a WebSocket, and secrets for browsers.

config -> events -> dialect -> routes; secrets beside them
"""
