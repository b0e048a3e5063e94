"""Denoisers that are ONNX files, each described by the manifest beside it."""
