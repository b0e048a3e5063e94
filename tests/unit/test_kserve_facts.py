"""What clients are told of models: of those that answer, of those that do not, of those never used."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gapless.errors import ConnectionLostError, ModelNotFoundError, ProtocolError
from gapless.infer.engine.statistics import (
    BatchStatistics,
    Duration,
    ModelStatistics,
    ModelTimes,
)
from gapless.infer.models import Held, ModelStatus, State
from gapless.observe.histogram import Histogram
from gapless.serve.kserve import facts
from gapless.serve.kserve.config_json import config_as_json
from gapless.serve.kserve.messages import MemoryUsage, StatisticDuration
from gapless.testing.models import FixedModels, double, mirror, running_sum


class ListedModels:
    """A library that is nothing but its list."""

    def __init__(self, *listed: ModelStatus) -> None:
        self._listed = [*listed]
        self._loadable = FixedModels(double())

    def preload(self) -> None:
        pass

    def index(self) -> list[ModelStatus]:
        return self._listed

    def digest_of(self, name: str, version: str | None = None) -> str | None:
        return self._loadable.digest_of(name, version)

    def try_acquire(self, name: str, version: str | None = None) -> Held | None:
        return self._loadable.try_acquire(name, version)

    def acquire(self, name: str, version: str | None = None) -> Held:
        return self._loadable.acquire(name, version)

    def load(self, name: str) -> None:
        self._loadable.load(name)

    def unload(self, name: str) -> None:
        self._loadable.unload(name)

    def close(self) -> None:
        self._loadable.close()


def status(version: str, state: State, reason: str = "") -> ModelStatus:
    return ModelStatus(name="double", version=version, state=state, reason=reason)


def test_without_a_version_the_newest_that_answers_is_meant() -> None:
    models = ListedModels(
        status("9", "READY"), status("10", "READY"), status("11", "UNAVAILABLE", "broken")
    )

    assert facts.find_model(models, "double").version == "10"
    assert facts.find_model(models, "double", "11").reason == "broken"


def test_if_none_answers_the_newest_says_why() -> None:
    models = ListedModels(
        status("1", "UNAVAILABLE", "old and broken"), status("2", "UNAVAILABLE", "broken")
    )

    with pytest.raises(ConnectionLostError, match="broken; try again"):
        facts.require_ready(facts.find_model(models, "double"))


@pytest.mark.parametrize(("name", "version"), [("other", None), ("double", "2")])
def test_what_is_not_here_cannot_be_found(name: str, version: str | None) -> None:
    with pytest.raises(ModelNotFoundError):
        facts.find_model(ListedModels(status("1", "READY")), name, version)


def test_a_model_that_never_loaded_is_loaded_to_be_described() -> None:
    models = ListedModels(status("1", "READY"))

    info = facts.info_of(models, "double")

    assert info == double().info
    described = facts.model_metadata(models, info)
    assert (described.name, described.versions) == ("double", ("1",))


def test_shapes_have_the_batch_axis_only_where_there_is_one() -> None:
    models = FixedModels(double(), mirror())

    assert facts.model_metadata(models, double().info).inputs[0].shape == (-1, 4)
    assert facts.model_metadata(models, mirror().info).inputs[0].shape == (-1,)


def test_the_index_calls_what_was_taken_out_unavailable_as_triton_does() -> None:
    models = ListedModels(
        status("1", "READY", "a newer file is broken"),
        status("2", "UNLOADED", "by hand"),
        status("3", "LOADING"),
    )

    told = [(entry.state, entry.reason) for entry in facts.index_entries(models)]

    assert told == [
        ("READY", "a newer file is broken"),
        ("UNAVAILABLE", "unloaded"),
        ("LOADING", ""),
    ]
    assert [entry.version for entry in facts.index_entries(models, only_ready=True)] == ["1"]


@pytest.mark.parametrize("parameter", ["config", "file:1/model.onnx"])
def test_a_load_brings_nothing_of_its_own(parameter: str) -> None:
    with pytest.raises(ProtocolError, match="folder"):
        facts.refuse_overrides({"unload_dependents": False, parameter: "x"})


EMPTY = Histogram().snapshot()
NO_TIMES = ModelTimes(EMPTY, EMPTY, EMPTY, EMPTY)


def test_counts_and_times_keep_their_places() -> None:
    step = BatchStatistics(
        rows=4, gather=Duration(1, 10), compute=Duration(1, 20), scatter=Duration(1, 30)
    )
    counted = ModelStatistics(
        name="double",
        version="1",
        last_inference_ms=123,
        rows=4,
        calls=1,
        success=Duration(2, 3),
        fail=Duration(4, 5),
        queue=Duration(6, 7),
        gather=Duration(8, 9),
        compute=Duration(10, 11),
        scatter=Duration(12, 13),
        batches=(step,),
        waiting_rows=0,
        sequences=0,
        max_sequences=0,
        refused=0,
        expired=0,
        cancelled=0,
        times=NO_TIMES,
    )
    listed = replace(status("1", "READY"), memory_bytes=99)

    (told,) = facts.model_statistics(ListedModels(listed), [counted], "double")

    assert (told.last_inference, told.inference_count, told.execution_count) == (123, 4, 1)
    parts = told.inference_stats
    assert (parts.success, parts.fail) == (StatisticDuration(2, 3), StatisticDuration(4, 5))
    assert (parts.queue, parts.compute_input) == (StatisticDuration(6, 7), StatisticDuration(8, 9))
    assert parts.compute_infer == StatisticDuration(10, 11)
    assert parts.compute_output == StatisticDuration(12, 13)
    (batch,) = told.batch_stats
    assert (batch.batch_size, batch.compute_input) == (4, StatisticDuration(1, 10))
    assert (batch.compute_infer, batch.compute_output) == (
        StatisticDuration(1, 20),
        StatisticDuration(1, 30),
    )
    assert told.memory_usage == (MemoryUsage("CPU", 0, 99),)


def test_what_was_never_used_counts_nothing_and_what_does_not_answer_is_left_out() -> None:
    models = ListedModels(status("1", "READY"), status("2", "UNAVAILABLE"))

    (told,) = facts.model_statistics(models, [])

    assert (told.version, told.inference_count, told.batch_stats) == ("1", 0, ())
    assert told.inference_stats.success == StatisticDuration()


def test_the_configuration_has_whole_numbers_everywhere() -> None:
    config = config_as_json(running_sum().info)

    batching = config["sequence_batching"]
    assert batching["max_sequence_idle_microseconds"] == 60_000_000
    assert batching["state"][0]["dims"] == [2, 3]
    assert config["input"][0] == {
        "name": "x",
        "data_type": "TYPE_FP32",
        "dims": [3],
        "optional": False,
    }
