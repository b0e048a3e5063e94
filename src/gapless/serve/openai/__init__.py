"""OpenAI's HTTP dialect: form in, transcript or server-sent events out.

multipart -> fields -> transcriptions -> uploads -> messages
"""
