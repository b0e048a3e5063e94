"""Triton's ``config.pbtxt``: read as a manifest, and made from what is known of a model.

In: the text of a file, or a ``ModelInfo``. Out: a ``Manifest``, or a ``ModelConfig`` message for the wire. Invariants:
what has a meaning here is honoured; what would change results and cannot be honoured is refused; the rest, which tunes
Triton, is passed over. Thread: any (pure).

Source: Triton Inference Server, "Model Configuration" and "Implicit State Management".
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from gapless.errors import MissingDependencyError, ModelError
from gapless.infer.contract import ModelInfo, ModelLimits
from gapless.infer.repository.manifest import LimitEntries, Manifest, StateEntry, TensorEntry

CONFIG_FILE: Final = "config.pbtxt"

_MESSAGE: Final = re.compile(
    r"""(?P<kept>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\#[^\n]*)|(?P<field>\w+)\s*\["""
)
"""A list that follows its field's name without a colon; strings and comments are matched to be stepped over."""


def parse_config(text: str, name: str) -> Manifest:
    """What a ``config.pbtxt`` says.

    Args:
        text: the file's.
        name: what the model's folder is called.

    Raises:
        ModelError: it is no such text, or asks for something that Gapless does not do.
        MissingDependencyError: protobuf is not installed.
    """
    config = _parse(text)
    _refuse_what_is_not_done(config, text, name)
    # Where tensors are not described either, nobody meant to say that there is no batch axis.
    silent = not (config.max_batch_size or config.input or config.output)
    manifest = Manifest(
        file=config.default_model_filename or Manifest().file,
        versions=_versions(config.version_policy),
        max_batch=None if silent else config.max_batch_size,
        inputs=tuple(
            TensorEntry(
                name=tensor.name,
                datatype=_datatype(tensor.data_type),
                shape=tuple(tensor.dims) or None,
                optional=tensor.optional,
            )
            for tensor in config.input
        ),
        outputs=tuple(
            TensorEntry(
                name=tensor.name,
                datatype=_datatype(tensor.data_type),
                shape=tuple(tensor.dims) or None,
                labels_file=tensor.label_filename or None,
            )
            for tensor in config.output
            if tensor.name not in _state_outputs(config)
        ),
        states=tuple(
            StateEntry(
                input=state.input_name,
                output=state.output_name,
                datatype=_datatype(state.data_type),
                shape=tuple(state.dims) or None,
            )
            for state in config.sequence_batching.state
        ),
        limits=_limits(config),
        provider=_provider(config),
    )
    try:
        return msgspec.convert(msgspec.to_builtins(manifest), Manifest)
    except msgspec.ValidationError as error:
        raise ModelError(f"{CONFIG_FILE} says something impossible: {error}; correct it") from error


def model_config(info: ModelInfo) -> Any:
    """The ``ModelConfig`` message of a model, as clients of Triton know it.

    Raises:
        MissingDependencyError: protobuf is not installed.
    """
    messages = _messages()
    limits = info.limits
    config = messages.ModelConfig(
        name=info.name,
        platform=info.platform,
        backend="onnxruntime" if info.platform == "onnxruntime_onnx" else "",
        max_batch_size=limits.buckets[-1] if info.batched else 0,
    )
    for tensor in info.inputs:
        config.input.add(
            name=tensor.name,
            data_type=_data_type(tensor.datatype),
            dims=tensor.shape,
            optional=tensor.optional,
        )
    for tensor in info.outputs:
        config.output.add(
            name=tensor.name, data_type=_data_type(tensor.datatype), dims=tensor.shape
        )
    if info.sequences != "none":
        _add_sequences(config.sequence_batching, info)
    elif config.max_batch_size > 1:
        batching = config.dynamic_batching
        batching.preferred_batch_size.extend(limits.buckets)
        batching.max_queue_delay_microseconds = round(limits.max_delay_ms * 1000)
        batching.default_queue_policy.max_queue_size = limits.max_waiting_rows
        batching.default_queue_policy.default_timeout_microseconds = round(
            (limits.timeout_ms or 0) * 1000
        )
        batching.default_queue_policy.allow_timeout_override = True
    return config


def _messages() -> Any:
    try:
        from gapless.infer.wire import messages
    except ImportError as error:
        raise MissingDependencyError(
            "protobuf, which reads and writes Triton's configuration, is not installed; "
            "run `pip install 'gapless[grpc]'`"
        ) from error
    return messages


def _parse(text: str) -> Any:
    config = _messages().ModelConfig()
    from google.protobuf import text_format

    # The parser steps over `unknown: [{...}]`, but not over `unknown [{...}]`, which means the same.
    uniform = _MESSAGE.sub(lambda match: match["kept"] or f"{match['field']}: [", text)
    try:
        text_format.Parse(uniform, config, allow_unknown_field=True)
    except text_format.ParseError as error:
        raise ModelError(
            f"{CONFIG_FILE} cannot be read: {error}; correct it, or write a manifest.toml instead"
        ) from error
    return config


def _refuse_what_is_not_done(config: Any, text: str, name: str) -> None:
    elsewhere = "run it on a Triton server, and name that server in a manifest.toml"
    if config.name not in {"", name}:
        raise ModelError(
            f"{CONFIG_FILE} calls the model {config.name!r}, but its folder is called {name!r}; make them equal",
            param="name",
        )
    engine = config.platform or config.backend
    if engine not in {"", "onnxruntime_onnx", "onnxruntime"}:
        raise ModelError(
            f"{CONFIG_FILE} asks for {engine!r}, and Gapless itself runs onnxruntime only; {elsewhere}",
            param="platform" if config.platform else "backend",
        )
    if any(tensor.HasField("reshape") for tensor in (*config.input, *config.output)):
        raise ModelError(
            f"{CONFIG_FILE} reshapes a tensor, which Gapless does not; say the model's own shape in a manifest.toml",
            param="reshape",
        )
    bare = _MESSAGE.sub(lambda match: "" if match["kept"] else match[0], text)
    if re.search(r"\bcontrol_input\b", bare):
        raise ModelError(
            f"{CONFIG_FILE} has control inputs, which Gapless does not fill; {elsewhere}",
            param="sequence_batching.control_input",
        )
    if any(
        initial.data_file
        for state in config.sequence_batching.state
        for initial in state.initial_state
    ):
        raise ModelError(
            f"{CONFIG_FILE} takes a first state from a file, and Gapless starts from one value everywhere; {elsewhere}",
            param="sequence_batching.state.initial_state",
        )


def _versions(policy: Any) -> Literal["all"] | int | tuple[int, ...]:
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return "all"
    if choice == "specific":
        return tuple(policy.specific.versions)
    return policy.latest.num_versions or 1


def _limits(config: Any) -> LimitEntries:
    batching, sequences = config.dynamic_batching, config.sequence_batching
    queue = batching.default_queue_policy
    defaults = ModelLimits()
    return LimitEntries(
        buckets=_buckets(batching.preferred_batch_size, config.max_batch_size),
        max_delay_ms=batching.max_queue_delay_microseconds / 1000,
        max_waiting_rows=queue.max_queue_size or defaults.max_waiting_rows,
        timeout_ms=queue.default_timeout_microseconds / 1000 or None,
        sequence_idle_ms=sequences.max_sequence_idle_microseconds // 1000
        or defaults.sequence_idle_ms,
    )


def _buckets(preferred: Any, largest: int) -> tuple[int, ...]:
    """Triton runs any size and likes some better; here one row alone must not be padded up to those."""
    if not preferred or not largest:
        return ()
    return tuple(sorted({1, *(size for size in preferred if 0 < size < largest), largest}))


def _provider(config: Any) -> Literal["cpu"] | None:
    """CPU where every instance asks for it; what has a GPU takes the best that is here."""
    group = type(config).DESCRIPTOR.fields_by_name["instance_group"].message_type
    cpu = group.enum_types_by_name["Kind"].values_by_name["KIND_CPU"].number
    kinds = {instances.kind for instances in config.instance_group}
    return "cpu" if kinds == {cpu} else None


def _state_outputs(config: Any) -> set[str]:
    """Triton lets a client ask for a state, for debugging; here it stays inside."""
    return {state.output_name for state in config.sequence_batching.state}


def _datatype(number: int) -> str | None:
    name: str = _data_types().values_by_number[number].name
    plain = name.removeprefix("TYPE_")
    return {"INVALID": None, "STRING": "BYTES"}.get(plain, plain)


def _data_type(datatype: str) -> int:
    name = "STRING" if datatype == "BYTES" else datatype
    number: int = _data_types().values_by_name[f"TYPE_{name}"].number
    return number


def _data_types() -> Any:
    field = _messages().ModelConfig.DESCRIPTOR.fields_by_name["input"]
    return field.message_type.fields_by_name["data_type"].enum_type


def _add_sequences(batching: Any, info: ModelInfo) -> None:
    batching.max_sequence_idle_microseconds = info.limits.sequence_idle_ms * 1000
    for state in info.states:
        entry = batching.state.add(
            input_name=state.input,
            output_name=state.output,
            data_type=_data_type(state.datatype),
            dims=state.shape,
        )
        if state.initial == 0:
            entry.initial_state.add(
                name=state.input,
                data_type=_data_type(state.datatype),
                dims=state.shape,
                zero_data=True,
            )
