"""Our copy of the protocol against the one that tritonclient was generated from: same names, numbers and types."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2, service_pb2

from gapless.infer.wire import messages

THEIRS = service_pb2.DESCRIPTOR.pool


def compiled() -> dict[str, Any]:
    """Our files, by package."""
    data = files("gapless.infer.wire").joinpath("messages.binpb").read_bytes()
    return {file.package: file for file in descriptor_pb2.FileDescriptorSet.FromString(data).file}


def nested(prefix: str, parents: Any) -> Iterator[tuple[str, Any]]:
    for message in parents:
        name = f"{prefix}.{message.name}"
        yield name, message
        yield from nested(name, message.nested_type)


KSERVE = dict(nested("inference", compiled()["inference"].message_type))
"""Every message of ``kserve.proto`` by its full name, the nested ones and the entries of maps too."""

ENUMS = {
    **{f"inference.{enum.name}": enum for enum in compiled()["inference"].enum_type},
    **{
        f"{name}.{enum.name}": enum
        for name, message in KSERVE.items()
        for enum in message.enum_type
    },
}


def fields_of(message: Any) -> dict[str, tuple[object, ...]]:
    """What decides how a field travels, by the field's name."""
    return {
        field.name: (
            field.number,
            field.type,
            field.label,
            field.type_name,
            message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None,
        )
        for field in message.field
    }


def theirs(full_name: str) -> Any:
    description = descriptor_pb2.DescriptorProto()
    THEIRS.FindMessageTypeByName(full_name).CopyToProto(description)
    return description


@pytest.mark.parametrize("name", sorted(KSERVE))
def test_every_field_is_the_one_that_tritonclient_has(name: str) -> None:
    ours, published = fields_of(KSERVE[name]), fields_of(theirs(name))

    assert bool(ours) == bool(published)
    assert {field: published.get(field) for field in ours} == ours
    assert KSERVE[name].options.map_entry == theirs(name).options.map_entry


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_every_value_of_an_enumeration_is_the_one_that_tritonclient_has(name: str) -> None:
    published = THEIRS.FindEnumTypeByName(name)

    assert {value.name: value.number for value in ENUMS[name].value} == {
        value.name: value.number for value in published.values
    }


def test_the_comparison_covers_the_protocol() -> None:
    assert THEIRS is model_config_pb2.DESCRIPTOR.pool
    assert {"inference.ModelInferRequest.InferInputTensor", "inference.ModelConfig"} < set(KSERVE)
    assert len(KSERVE) > 50


def test_the_health_messages_are_those_that_grpc_published() -> None:
    file = compiled()["grpc.health.v1"]
    request, response = file.message_type

    assert fields_of(request) == {"service": (1, 9, 1, "", None)}
    assert fields_of(response) == {
        "status": (1, 14, 1, ".grpc.health.v1.HealthCheckResponse.ServingStatus", None)
    }
    assert {value.name: value.number for value in response.enum_type[0].value} == {
        "UNKNOWN": 0,
        "SERVING": 1,
        "NOT_SERVING": 2,
        "SERVICE_UNKNOWN": 3,
    }


def test_a_message_of_ours_is_read_by_tritonclient_and_back() -> None:
    ours = messages.ModelInferRequest(model_name="m", model_version="2", id="x")
    ours.parameters["sequence_id"].int64_param = -7
    ours.parameters["priority"].uint64_param = 2
    ours.parameters["gain"].double_param = 0.25
    tensor = ours.inputs.add(name="a", datatype="FP32", shape=[1, -1])
    tensor.contents.fp32_contents.extend([0.5, 1.5])
    ours.outputs.add(name="y").parameters["classification"].int64_param = 3
    ours.raw_input_contents.append(b"\x00\xff")
    data = ours.SerializeToString()

    read = service_pb2.ModelInferRequest.FromString(data)

    assert read.parameters["priority"].uint64_param == 2
    assert list(read.inputs[0].contents.fp32_contents) == [0.5, 1.5]
    assert messages.ModelInferRequest.FromString(read.SerializeToString()) == ours


@pytest.mark.long
@pytest.mark.parametrize("first", ["gapless.infer.wire.messages", "tritonclient.grpc"])
def test_one_process_holds_our_messages_and_those_of_tritonclient(first: str) -> None:
    code = f"import {first}\nimport tritonclient.grpc\nimport gapless.infer.wire.messages"

    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_every_field_that_is_not_known_is_passed_over() -> None:
    newer = service_pb2.ModelInferRequest(model_name="m").SerializeToString() + b"\xfa\x3f\x01x"

    assert messages.ModelInferRequest.FromString(newer).model_name == "m"
