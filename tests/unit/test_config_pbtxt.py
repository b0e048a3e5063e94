from __future__ import annotations

import pytest
from tritonclient.grpc import model_config_pb2

from gapless.errors import ModelError
from gapless.infer.contract import ModelInfo, ModelLimits, StateInfo, TensorInfo
from gapless.infer.repository.config_pbtxt import model_config, parse_config
from gapless.infer.repository.manifest import LimitEntries, Manifest, StateEntry, TensorEntry


def test_what_triton_says_becomes_a_manifest() -> None:
    manifest = parse_config(
        """
        name: "m"
        platform: "onnxruntime_onnx"
        max_batch_size: 16
        default_model_filename: "net.onnx"
        input [ { name: "x", data_type: TYPE_FP32, dims: [ -1, 3 ], format: FORMAT_NCHW },
                { name: "word" data_type: TYPE_STRING dims: [ 1 ] optional: true } ]
        output { name: "y" data_type: TYPE_INT64 dims: 2 label_filename: "labels.txt" }
        version_policy { specific { versions: [ 2, 4 ] } }
        dynamic_batching {
          preferred_batch_size: [ 4, 8 ]
          max_queue_delay_microseconds: 1500
          default_queue_policy { max_queue_size: 100 default_timeout_microseconds: 2000 }
        }
        """,
        "m",
    )

    assert manifest == Manifest(
        file="net.onnx",
        versions=(2, 4),
        max_batch=16,
        inputs=(
            TensorEntry(name="x", datatype="FP32", shape=(-1, 3)),
            TensorEntry(name="word", datatype="BYTES", shape=(1,), optional=True),
        ),
        outputs=(TensorEntry(name="y", datatype="INT64", shape=(2,), labels_file="labels.txt"),),
        limits=LimitEntries(
            buckets=(1, 4, 8, 16), max_delay_ms=1.5, max_waiting_rows=100, timeout_ms=2.0
        ),
    )


def test_states_stay_inside_though_triton_lists_them_as_outputs() -> None:
    manifest = parse_config(
        """
        max_batch_size: 8
        input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
        output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }
        output { name: "h_next" data_type: TYPE_FP32 dims: [ 6 ] }
        sequence_batching {
          max_sequence_idle_microseconds: 5000000
          state [ { input_name: "h" output_name: "h_next" data_type: TYPE_FP32 dims: [ 6 ]
                    initial_state: { data_type: TYPE_FP32 dims: [ 6 ] zero_data: true } } ]
        }
        """,
        "m",
    )

    assert [output.name for output in manifest.outputs] == ["y"]
    assert manifest.states == (StateEntry(input="h", output="h_next", datatype="FP32", shape=(6,)),)
    assert manifest.limits.sequence_idle_ms == 5000


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("", 1),
        ("version_policy: { latest { num_versions: 3 } }", 3),
        ("version_policy: { latest { } }", 1),
        ("version_policy: { all { } }", "all"),
    ],
)
def test_version_policies(text: str, versions: object) -> None:
    assert parse_config(text, "m").versions == versions


def test_a_size_of_0_is_meant_where_tensors_are_described() -> None:
    assert parse_config('name: "m"', "m").max_batch is None
    assert parse_config('input { name: "x" }', "m").max_batch == 0


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        ("instance_group [ { kind: KIND_CPU count: 2 } ]", "cpu"),
        ("instance_group [ { kind: KIND_GPU } ]", None),
        ("instance_group [ { kind: KIND_CPU }, { kind: KIND_GPU } ]", None),
        ("", None),
    ],
)
def test_what_computes(text: str, provider: str | None) -> None:
    assert parse_config(text, "m").provider == provider


def test_what_only_tunes_triton_is_passed_over() -> None:
    manifest = parse_config(
        r"""
        name: "m"  # not a list: [
        optimization {
          cuda { graphs: true graph_spec [ { batch_size: 1 } ] }
          execution_accelerators {
            gpu_execution_accelerator : [ { name : "tensorrt" parameters { key: "a" value: "[" } } ]
          }
        }
        model_warmup [ { name: "w" inputs { key: "x" value { dims: [ 1 ] zero_data: true } } } ]
        parameters: { key: "a \" [", value: { string_value: 'b [' } }
        response_cache { enable: true }
        """,
        "m",
    )

    assert manifest == Manifest()


@pytest.mark.parametrize(
    ("text", "param", "words"),
    [
        ('name: "other"', "name", "'other'.*'m'"),
        ('platform: "tensorflow_savedmodel"', "platform", "'tensorflow_savedmodel'"),
        ('backend: "python"', "backend", "'python'"),
        ('platform: "ensemble" ensemble_scheduling { step [ { } ] }', "platform", "'ensemble'"),
        ('input { name: "x" reshape { shape: [ ] } }', "reshape", "reshapes"),
        (
            'sequence_batching { control_input [ { name: "S" control [ { kind: X } ] } ] }',
            "sequence_batching.control_input",
            "control inputs",
        ),
        (
            'sequence_batching { state { input_name: "h" initial_state { data_file: "f" } } }',
            "sequence_batching.state.initial_state",
            "from a file",
        ),
        ("max_batch_size: -1", None, "impossible"),
        ('max_batch_size: "a"', None, "integer"),
        ("input { data_type: TYPE_FOO }", None, "TYPE_FOO"),
        ("{", None, "cannot be read"),
    ],
)
def test_what_cannot_be_honoured_is_refused(text: str, param: str | None, words: str) -> None:
    with pytest.raises(ModelError, match=words) as error:
        parse_config(text, "m")

    assert "config.pbtxt" in error.value.message
    assert error.value.param == param


def test_a_word_in_a_comment_or_a_string_refuses_nothing() -> None:
    parse_config('parameters { key: "control_input" value { } } # control_input', "m")


INFO = ModelInfo(
    name="m",
    platform="onnxruntime_onnx",
    inputs=(TensorInfo("x", "FP32", (-1, 3)), TensorInfo("t", "BYTES", (1,), optional=True)),
    outputs=(TensorInfo("y", "FP16", ()),),
    batched=True,
    limits=ModelLimits(buckets=(1, 2, 8), max_delay_ms=1.5, timeout_ms=20, max_waiting_rows=9),
)


def as_triton_reads_it(info: ModelInfo) -> model_config_pb2.ModelConfig:
    """The message, by way of its bytes, in the class that the unmodified client has."""
    config = model_config_pb2.ModelConfig()
    config.ParseFromString(model_config(info).SerializeToString())
    return config


def test_clients_of_triton_see_the_model() -> None:
    config = as_triton_reads_it(INFO)

    assert (config.name, config.platform, config.backend) == (
        "m",
        "onnxruntime_onnx",
        "onnxruntime",
    )
    assert config.max_batch_size == 8
    assert [
        (tensor.name, tensor.data_type, list(tensor.dims), tensor.optional)
        for tensor in config.input
    ] == [
        ("x", model_config_pb2.TYPE_FP32, [-1, 3], False),
        ("t", model_config_pb2.TYPE_STRING, [1], True),
    ]
    assert [(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in config.output] == [
        ("y", model_config_pb2.TYPE_FP16, [])
    ]
    batching = config.dynamic_batching
    assert list(batching.preferred_batch_size) == [1, 2, 8]
    assert batching.max_queue_delay_microseconds == 1500
    assert batching.default_queue_policy.max_queue_size == 9
    assert batching.default_queue_policy.default_timeout_microseconds == 20_000


def test_clients_of_triton_see_states() -> None:
    info = ModelInfo(
        name="m",
        platform="onnxruntime_onnx",
        inputs=(TensorInfo("x", "FP32", (4,)),),
        outputs=(TensorInfo("y", "FP32", (2,)),),
        states=(
            StateInfo("h", "hn", "FP32", (6,)),
            StateInfo("c", "cn", "FP32", (6,), initial=1.0),
        ),
        sequences="slots",
        batched=True,
        limits=ModelLimits(buckets=(1, 4), sequence_idle_ms=50),
    )

    batching = as_triton_reads_it(info).sequence_batching

    assert batching.max_sequence_idle_microseconds == 50_000
    assert [(state.input_name, state.output_name) for state in batching.state] == [
        ("h", "hn"),
        ("c", "cn"),
    ]
    assert [state.zero_data for state in batching.state[0].initial_state] == [True]
    assert not batching.state[1].initial_state


def test_a_model_without_batches_says_0() -> None:
    info = ModelInfo(name="m", platform="triton", inputs=(), outputs=())

    config = as_triton_reads_it(info)

    assert config.max_batch_size == 0
    assert config.WhichOneof("scheduling_choice") is None


def test_what_is_shown_can_be_read_again() -> None:
    from google.protobuf import text_format

    manifest = parse_config(text_format.MessageToString(model_config(INFO)), "m")

    assert manifest.max_batch == 8
    assert manifest.limits.buckets == (1, 2, 8)
    assert [entry.name for entry in manifest.inputs] == ["x", "t"]
