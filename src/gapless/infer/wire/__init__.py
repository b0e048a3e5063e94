"""Tensors and inference messages as they travel: the Open Inference Protocol, with Triton's additions."""
