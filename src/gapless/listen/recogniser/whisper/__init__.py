"""Whisper models in CTranslate2 format, and the guards against what they invent."""
