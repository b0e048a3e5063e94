"""Prediction and joint networks in the shapes that transducers are exported in, computed by hand beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from gapless.errors import ModelError
from gapless.infer.contract import Array
from gapless.infer.open import open_inference
from gapless.listen.recogniser.decode.contract import Joint, Rows
from gapless.listen.recogniser.streaming.joint import open_joint
from gapless.listen.recogniser.streaming.manifest import TransducerSpec
from gapless.listen.recogniser.streaming.parts import Parts
from gapless.settings import Settings
from gapless.testing.onnx_models import write_graph
from gapless.testing.streaming_models import TOKENS, write_recogniser

Open = Callable[[TransducerSpec], Joint]

FUSED = TransducerSpec(
    predictor=None,
    joiner=None,
    fused="decoder_joint",
    frame_input="encoder_outputs",
    token_input="targets",
    token_length_input="target_length",
    logits_output="outputs",
    states=(("input_states_1", "output_states_1"), ("input_states_2", "output_states_2")),
    durations=(0, 1),
)
STATELESS = TransducerSpec(
    frame_input="encoder_out",
    predicted_input="decoder_out",
    predicted_output="decoder_out",
    token_input="y",
    logits_output="logit",
    token_context=2,
    first_tokens=(-1, 0),
)


@pytest.fixture
def open_it(tmp_path: Path) -> Iterator[Open]:
    """Opens a joint over the parts that lie in the folder of the recogniser ``r``."""
    with ExitStack() as stack:

        def open_now(spec: TransducerSpec) -> Joint:
            (tmp_path / "r" / "recogniser.toml").touch()
            settings = Settings(models_dir=str(tmp_path), repository_poll_ms=0)
            parts = Parts(stack.enter_context(open_inference(settings)), "r")
            stack.callback(parts.close)
            return open_joint(spec, parts, blank=3, layout="feature_major")

        yield open_now


def write_fused(folder: Path) -> None:
    """Logits are the frame's sum, the token, and the sums of the states, which go on as 2 s + token and 3 s - token."""
    cast = helper.make_node("Cast", ["targets"], ["token"], to=TensorProto.FLOAT)
    nodes = [
        cast,
        helper.make_node("ReduceSum", ["encoder_outputs", "both"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "behind"], ["frame"]),
        helper.make_node("Mul", ["input_states_1", "two"], ["doubled"]),
        helper.make_node("Mul", ["input_states_2", "three"], ["tripled"]),
        helper.make_node("Add", ["doubled", "token"], ["output_states_1"]),
        helper.make_node("Sub", ["tripled", "token"], ["output_states_2"]),
        helper.make_node("ReduceSum", ["input_states_1", "ends"], ["one"], keepdims=0),
        helper.make_node("ReduceSum", ["input_states_2", "ends"], ["other"], keepdims=0),
        helper.make_node("Unsqueeze", ["one", "behind"], ["one_behind"]),
        helper.make_node("Unsqueeze", ["other", "behind"], ["other_behind"]),
        helper.make_node("Cast", ["target_length"], ["length"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["length", "behind"], ["length_behind"]),
        helper.make_node(
            "Concat",
            ["frame", "token", "one_behind", "other_behind", "length_behind"],
            ["flat"],
            axis=1,
        ),
        helper.make_node("Unsqueeze", ["flat", "middle"], ["outputs"]),
    ]
    state = (np.float32, (2, "B", 1))
    write_graph(
        folder / "1" / "model.onnx",
        nodes,
        {
            "encoder_outputs": (np.float32, ("B", 4, "T")),
            "targets": (np.int32, ("B", 1)),
            "target_length": (np.int32, ("B",)),
            "input_states_1": state,
            "input_states_2": state,
        },
        {
            "outputs": (np.float32, ("B", 1, 1, 5)),
            "output_states_1": state,
            "output_states_2": state,
        },
        {
            "both": np.array([1, 2]),
            "ends": np.array([0, 2]),
            "behind": np.array([1]),
            "middle": np.array([1, 2]),
            "two": np.array([2], np.float32),
            "three": np.array([3], np.float32),
        },
    )
    states = [f"{side}put_states_{n}" for side in ("in", "out") for n in (1, 2)]
    tables = [f'[[{name[: name.index("_")]}]]\nname = "{name}"\naxis = 1\n' for name in states]
    (folder / "manifest.toml").write_text("max_batch = 4\n" + "".join(tables), "utf-8")


def test_a_fused_network_gives_the_state_behind_its_token(open_it: Open, tmp_path: Path) -> None:
    write_fused(tmp_path / "r" / "decoder_joint")
    joint = open_it(FUSED)
    frames = np.arange(12, dtype=np.float32).reshape(3, 4)

    rows = joint.start(3)
    logits, joined = joint.join(frames, rows)
    np.testing.assert_array_equal(logits, [[sum(f), 3, 0, 0, 1] for f in frames])
    rows = joint.advance(rows, np.array([0, 1, 2]), joined)
    logits, joined = joint.join(frames, rows)

    # The states that were adopted are those behind the blank, 3, that every utterance begins with: 2 * 0 + 3, 3 * 0 - 3.
    wanted = [[sum(f), t, 2 * 3, 2 * -3, 1] for f, t in zip(frames, (0, 1, 2), strict=True)]
    np.testing.assert_array_equal(logits, wanted)
    np.testing.assert_array_equal(joined[0][:, :, 0], [[2 * 3 + t] * 2 for t in (0, 1, 2)])
    np.testing.assert_array_equal(joined[1][:, :, 0], [[3 * -3 - t] * 2 for t in (0, 1, 2)])
    assert (joint.blank, joint.durations) == (3, (0, 1))


def write_stateless(folder: Path) -> None:
    """The predictor says 10 a + b of its last tokens a and b; the joiner adds that to the frame."""
    predicted = [
        helper.make_node("Cast", ["y"], ["tokens"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["tokens", "weights"], ["decoder_out"]),
    ]
    write_graph(
        folder / "predictor" / "1" / "model.onnx",
        predicted,
        {"y": (np.int64, ("N", 2))},
        {"decoder_out": (np.float32, ("N", 1))},
        {"weights": np.array([[10], [1]], np.float32)},
    )
    write_graph(
        folder / "joiner" / "1" / "model.onnx",
        [helper.make_node("Add", ["encoder_out", "decoder_out"], ["logit"])],
        {"encoder_out": (np.float32, ("N", 4)), "decoder_out": (np.float32, ("N", 1))},
        {"logit": (np.float32, ("N", 4))},
    )
    for part in ("predictor", "joiner"):
        (folder / part / "manifest.toml").write_text("max_batch = 4\n", "utf-8")


def test_a_stateless_predictor_sees_the_last_tokens(open_it: Open, tmp_path: Path) -> None:
    write_stateless(tmp_path / "r")
    joint = open_it(STATELESS)
    frames = np.zeros((2, 4), np.float32)

    def heard(rows: Rows) -> list[float]:
        logits, joined = joint.join(frames, rows)
        assert joined == ()
        return [float(value) for value in logits[:, 0]]

    rows = joint.start(2)
    assert heard(rows) == [-10, -10]
    rows = joint.advance(rows, np.array([1, 2]), ())
    assert heard(rows) == [1, 2]
    rows = joint.advance(rows, np.array([3, 1]), ())
    assert heard(rows) == [13, 21]


@pytest.mark.long
def test_more_rows_than_a_batch_are_as_good_as_each_alone(open_it: Open, tmp_path: Path) -> None:
    write_recogniser(tmp_path / "r")
    joint = open_it(TransducerSpec(states=(("ph", "ph_next"), ("pc", "pc_next"))))
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((150, 25)).astype(np.float32)
    tokens = rng.integers(0, len(TOKENS), 150)

    def run(which: slice) -> Array:
        n_rows = len(frames[which])
        rows = joint.advance(joint.start(n_rows), tokens[which], ())
        return joint.join(frames[which], rows)[0]

    together = run(slice(None))
    alone = np.concatenate([run(slice(row, row + 1)) for row in range(150)])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)
    assert len(np.unique(together[:, 1])) > 100


def test_a_predictor_without_a_joiner_is_refused(open_it: Open, tmp_path: Path) -> None:
    write_stateless(tmp_path / "r")

    with pytest.raises(ModelError, match="neither a fused part nor both"):
        open_it(TransducerSpec(joiner=None))
