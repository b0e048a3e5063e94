"""Recognisers that run on the inference engine: encoder, prediction and joint networks as ONNX files."""
