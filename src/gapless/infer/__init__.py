"""Tensors in, tensors out, for many askers: one engine that every model of tensors runs on.

    contract.py     what a model is; models.py: what a library of models is
    inference.py    the engine's face: ask, and open streams
    engine/         how rows are run: checked, queued, put together, stepped, taken apart
    onnx/           models in files, run by ONNX Runtime here; onnx/int8: their smaller versions
    triton/         models on Triton servers
    repository/     where models come from: folders, manifests, what is in memory
    wire/           tensors and messages as they travel
    builtin/        models that come with Gapless
    open.py         all of it put together from settings

``docs/explanation/how-inference-works.md`` tells the story.
"""
