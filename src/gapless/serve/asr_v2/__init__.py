"""The ASR v2 dialect: ``GET /v2/decode/stream/{model}`` (WebSocket) and ``POST /v2/decode/batch/{model}``.

Audio goes in as binary frames with control bytes between them; text comes out as one growing transcription.
"""
