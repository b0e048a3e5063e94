"""Models in ONNX files, run by ONNX Runtime in this process."""
