"""KServe v2, the Open Inference Protocol with Triton's extensions: one inference engine behind HTTP and gRPC.

bytes -> codec -> call -> inference -> codec -> bytes
"""
