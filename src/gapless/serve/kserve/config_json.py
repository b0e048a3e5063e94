"""A model's configuration as JSON, as Triton writes it.

In: a ``ModelInfo``. Out: an object for JSON. Invariants: fields have their names of the protocol file; whole numbers
are numbers, where protobuf's own JSON makes texts of those of 64 bits. Thread: any (pure functions).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from gapless.infer.contract import ModelInfo
from gapless.infer.repository.config_pbtxt import model_config


def config_as_json(info: ModelInfo) -> dict[str, Any]:
    """The configuration.

    Raises:
        MissingDependencyError: protobuf is not installed.
    """
    config = model_config(info)
    from google.protobuf.json_format import MessageToDict

    plain = MessageToDict(
        config, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {name: _with_numbers(name, value, _wide_fields()) for name, value in plain.items()}


def _with_numbers(name: str, value: Any, wide: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {inner: _with_numbers(inner, each, wide) for inner, each in value.items()}
    if isinstance(value, list):
        return [_with_numbers(name, each, wide) for each in value]
    return int(value) if name in wide else value


@cache
def _wide_fields() -> frozenset[str]:
    """Names of the fields of 64 bits, in the configuration and all that it holds."""
    from google.protobuf.descriptor import FieldDescriptor

    from gapless.infer.wire.messages import ModelConfig

    wide = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
    waiting, seen = [ModelConfig.DESCRIPTOR], set()
    names: set[str] = set()
    while waiting:
        message = waiting.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        for field in message.fields:
            if field.message_type is not None:
                waiting.append(field.message_type)
            elif field.cpp_type in wide:
                names.add(field.name)
    return frozenset(names)
