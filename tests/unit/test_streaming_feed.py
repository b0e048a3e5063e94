"""Samples on their way through an encoder, with an engine that answers when the test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import numpy as np
import pytest

from gapless.errors import ModelError, OverloadError
from gapless.infer.contract import ModelInfo, TensorInfo
from gapless.infer.inference import Inference, Outcome, Request, Result
from gapless.listen.recogniser.streaming.encoder import UNDER_WAY, Encoder, Feed
from gapless.listen.recogniser.streaming.manifest import EncoderSpec, FeatureSpec
from gapless.listen.recogniser.streaming.parts import Part
from gapless.listen.recogniser.streaming.preprocessed import OwnFeatures

SPEC: Final = EncoderSpec(input="x", output="y", chunk_frames=4, subsampling=4, frame_ms=40.0)
INFO: Final = ModelInfo(
    name="r.encoder",
    platform="onnxruntime_onnx",
    inputs=(TensorInfo("x", "FP32", (4, 40)),),
    outputs=(TensorInfo("y", "FP32", (1, 1)),),
    sequences="slots",
)
CHUNK: Final = 640
REACH: Final = 240
"""Samples of a frame of 400 that lie behind its hop of 160."""


class Engine:
    """An engine that takes down what it is asked, and an encoder's part."""

    info = INFO

    def __init__(self) -> None:
        self.asked: list[tuple[Request, Callable[[Outcome], None]]] = []
        self.room = 1000
        """How many requests it still takes."""
        self.sequences = 0
        """Open now."""

    def input(self, name: str) -> TensorInfo:
        return {tensor.name: tensor for tensor in INFO.inputs}[name]

    def output(self, name: str) -> TensorInfo:
        return {tensor.name: tensor for tensor in INFO.outputs}[name]

    def open_sequence(self, model: str) -> Engine:
        assert model == INFO.name
        self.sequences += 1
        return self

    def close(self) -> None:
        self.sequences -= 1

    def submit(self, request: Request, done: Callable[[Outcome], None]) -> None:
        if not self.room:
            raise OverloadError("no room; try again", retry_after_ms=10)
        self.room -= 1
        self.asked.append((request, done))

    def answer(self, number: int) -> None:
        """Answer a request with the number of the window."""
        self.asked[number][1](
            Result(
                model=INFO.name,
                version="1",
                outputs={"y": np.full((1, 1, 1), number, np.float32)},
                queue_ns=0,
                compute_ns=0,
                rows=1,
            )
        )


@pytest.fixture
def engine() -> Engine:
    return Engine()


def open_feed(engine: Engine, rings: list[int] | None = None, *, bulk: bool = False) -> Feed:
    encoder = Encoder(
        cast("Inference", engine), cast("Part", engine), SPEC, OwnFeatures(FeatureSpec())
    )
    return encoder.open(lambda: rings.append(0) if rings is not None else None, bulk=bulk)


def advance(feed: Feed) -> bool:
    """As the hub does."""
    feed.prepare()
    return feed.submit()


def sound(n_chunks: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """So many chunks, and what their last frame reaches beyond them."""
    return np.zeros(n_chunks * CHUNK + REACH, np.float32)


def numbers(feed: Feed) -> list[float]:
    return [float(frames[0, 0]) for frames in feed.take()]


def test_a_bounded_number_of_windows_is_under_way_and_the_rest_waits(engine: Engine) -> None:
    feed = open_feed(engine)
    feed.accept(sound(3 * UNDER_WAY))

    assert advance(feed)
    assert len(engine.asked) == UNDER_WAY
    engine.answer(0)
    assert numbers(feed) == [0]
    assert advance(feed)
    assert len(engine.asked) == UNDER_WAY + 1
    assert not feed.idle


def test_answers_are_taken_in_the_order_of_their_windows(engine: Engine) -> None:
    rings: list[int] = []
    feed = open_feed(engine, rings)
    feed.accept(sound(3))
    advance(feed)

    engine.answer(2)
    engine.answer(0)

    assert numbers(feed) == [0]
    engine.answer(1)
    assert numbers(feed) == [1, 2]
    assert len(rings) == 3
    assert feed.idle
    assert not feed.over


def test_what_was_heard_grows_with_the_answers(engine: Engine) -> None:
    feed = open_feed(engine)
    feed.accept(sound(2))
    advance(feed)

    assert feed.heard == 0
    engine.answer(0)
    feed.take()
    assert feed.heard == CHUNK + REACH, "the last frame reaches beyond its hop"
    engine.answer(1)
    feed.take()
    assert feed.heard == 2 * CHUNK + REACH, "what makes no window yet is behind it too"


def test_a_window_that_finds_no_room_is_tried_again(engine: Engine) -> None:
    feed = open_feed(engine)
    engine.room = 1
    feed.accept(sound(2))

    assert not advance(feed)
    assert not advance(feed)
    engine.room = 9
    assert advance(feed)
    assert len(engine.asked) == 2
    first, second = (request.inputs["x"] for request, _ in engine.asked)
    assert first.shape == second.shape == (1, 4, 40)


def test_the_end_is_over_when_the_last_answer_was_taken(engine: Engine) -> None:
    feed = open_feed(engine)
    feed.accept(sound(1)[:-1])
    feed.finish()

    assert advance(feed)
    assert not feed.over
    engine.answer(0)
    assert numbers(feed) == [0]
    assert feed.over


def test_an_utterance_without_a_frame_is_over_at_once(engine: Engine) -> None:
    feed = open_feed(engine)
    feed.accept(np.zeros(100, np.float32))
    feed.finish()

    assert advance(feed)
    assert feed.over
    assert feed.take() == []
    assert engine.asked == []


def test_a_window_that_fails_is_raised_in_its_turn(engine: Engine) -> None:
    feed = open_feed(engine)
    feed.accept(sound(2))
    advance(feed)
    engine.asked[1][1](ModelError("broken; mend it"))

    assert feed.take() == []
    engine.answer(0)
    with pytest.raises(ModelError, match="broken"):
        feed.take()


def test_closing_gives_the_sequence_back_once(engine: Engine) -> None:
    feed = open_feed(engine)
    feed.accept(sound(1))
    advance(feed)
    assert engine.sequences == 1

    feed.close()
    feed.close()

    assert engine.sequences == 0


def test_a_sample_that_is_no_number_is_silence(engine: Engine) -> None:
    feed = open_feed(engine)
    samples = sound(1)
    samples[100:200] = np.nan
    feed.accept(samples)
    advance(feed)

    assert np.isfinite(engine.asked[0][0].inputs["x"]).all()


@pytest.mark.parametrize("bulk", [False, True])
def test_windows_of_bulk_work_let_live_ones_go_first(bulk: bool, engine: Engine) -> None:
    feed = open_feed(engine, bulk=bulk)
    feed.accept(sound(1))
    advance(feed)

    assert [request.live for request, _ in engine.asked] == [not bulk]
