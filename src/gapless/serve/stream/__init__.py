"""The native stream, `GET /v1/stream`: a session core without I/O, and the shells that run it.

endpoint -> registry -> live -> session (decides) + hearing (computes)
"""
