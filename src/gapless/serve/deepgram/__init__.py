"""Deepgram's dialect at ``/v1/listen``: live over a WebSocket, recordings over ``POST``.

query -> options        session messages -> dialect -> Results, Metadata        recording -> recorded -> one JSON
"""
