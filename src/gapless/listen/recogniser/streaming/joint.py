"""Prediction and joint networks over the engine: three shapes that transducers are exported in, behind one ``Joint``.

    separate, with states     predictor (token, states) -> predicted, states        joiner (frame, predicted) -> logits
    separate, without         predictor (last tokens)   -> predicted                joiner (frame, predicted) -> logits
    fused                     (frame, token, states)    -> logits, states

In: encoder frames, and rows of states. Out: logits and new states. Invariants: rows do not influence each other; the
states are the caller's own arrays, one row per stream along axis 0, wherever the file has its batch axis (the part's
manifest says so: ``axis``). Thread: any; every call waits for the engine.
"""

from __future__ import annotations

from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt

from gapless.errors import ModelError
from gapless.infer.contract import TensorInfo
from gapless.infer.wire.tensors import dtype_of
from gapless.listen.recogniser.decode.contract import Frames, Joint, Rows
from gapless.listen.recogniser.streaming.manifest import TransducerSpec
from gapless.listen.recogniser.streaming.parts import Part, Parts, zeros


def open_joint(
    spec: TransducerSpec,
    parts: Parts,
    *,
    blank: int,
    layout: Literal["time_major", "feature_major"],
) -> Joint:
    """The prediction and joint networks of a recogniser.

    Args:
        spec: how they are asked.
        parts: of the recogniser.
        blank: token that means: go on to the next frame.
        layout: of the encoder's output, and so of a frame with an axis of time.

    Raises:
        ModelError: a part has not the tensors that ``spec`` names.
        GaplessError: a part is not there, or cannot be loaded.
    """
    axis = 2 if layout == "feature_major" else 1
    if spec.fused is not None:
        return FusedJoint(spec, parts.open(spec.fused), blank, axis)
    if spec.predictor is None or spec.joiner is None:
        raise ModelError(
            "recogniser.toml names neither a fused part nor both a predictor and a joiner; add what is missing",
            param="transducer",
        )
    return SeparateJoint(spec, parts.open(spec.predictor), parts.open(spec.joiner), blank, axis)


@final
class SeparateJoint:
    """A predictor, with states or without, and a joiner.

    A row is: the last tokens, what the predictor made of them, and its states after them. What the predictor makes is
    computed when a token is emitted, so that the frames between two tokens cost the joiner only.
    """

    def __init__(
        self, spec: TransducerSpec, predictor: Part, joiner: Part, blank: int, time_axis: int
    ) -> None:
        self.blank = blank
        self.durations = spec.durations
        self._spec = spec
        self._predictor = predictor
        self._joiner = joiner
        self._tokens = predictor.input(spec.token_input)
        predictor.output(spec.predicted_output)
        joiner.input(spec.predicted_input)
        joiner.output(spec.logits_output)
        self._frames = joiner.input(spec.frame_input)
        self._time_axis = time_axis
        self._predicted_shape = joiner.input(spec.predicted_input).shape
        self._states = _find_states(spec, predictor)
        self._outputs = (spec.predicted_output, *(output for _, output in self._states))
        first = spec.first_tokens or (blank,) * spec.token_context
        tokens = np.array([first[-spec.token_context :]], np.int64)
        self._start = self._predict(tokens, tuple(zeros(tensor, 1) for tensor, _ in self._states))

    def start(self, n_rows: int) -> Rows:
        """State of rows that have emitted nothing."""
        if n_rows == 1:
            return self._start
        return tuple(np.repeat(array, n_rows, axis=0) for array in self._start)

    def join(self, frames: Frames, rows: Rows) -> tuple[npt.NDArray[np.float32], Rows]:
        """Score the next token of each row."""
        n_rows = len(frames)
        given = self._joiner.ask(
            {
                self._frames.name: _as_frames(frames, self._frames, self._time_axis),
                self._spec.predicted_input: _fit(rows[1], self._predicted_shape),
            },
            (self._spec.logits_output,),
        )
        return given[self._spec.logits_output].reshape(n_rows, -1), ()

    def advance(self, rows: Rows, tokens: npt.NDArray[np.int64], joined: Rows) -> Rows:  # noqa: ARG002 - of a fused one
        """States of rows after they emitted tokens."""
        last = np.concatenate([rows[0][:, 1:], tokens[:, None]], axis=1)
        return self._predict(last, rows[2:])

    def _predict(self, tokens: npt.NDArray[np.int64], states: Rows) -> Rows:
        inputs: dict[str, npt.NDArray[Any]] = {
            self._spec.token_input: _as_tokens(tokens, self._tokens)
        }
        for (tensor, _), state in zip(self._states, states, strict=True):
            inputs[tensor.name] = state
        if self._spec.token_length_input is not None:
            length = self._predictor.input(self._spec.token_length_input)
            inputs[length.name] = _ones(length, len(tokens)) * tokens.shape[1]
        given = self._predictor.ask(inputs, self._outputs)
        return (tokens, *(given[name] for name in self._outputs))


@final
class FusedJoint:
    """Both networks in one file.

    A row is: the last token, and the states before it. The call that scores a frame also gives the states behind the
    token; they are adopted with the next token that is emitted.
    """

    def __init__(self, spec: TransducerSpec, part: Part, blank: int, time_axis: int) -> None:
        self.blank = blank
        self.durations = spec.durations
        self._spec = spec
        self._part = part
        self._tokens = part.input(spec.token_input)
        part.output(spec.logits_output)
        self._frames = part.input(spec.frame_input)
        self._time_axis = time_axis
        self._length = (
            None if spec.token_length_input is None else part.input(spec.token_length_input)
        )
        self._states = _find_states(spec, part)
        self._outputs = (spec.logits_output, *(output for _, output in self._states))
        first = spec.first_tokens or (blank,)
        self._start: Rows = (
            np.array([first[-1:]], np.int64),
            *(zeros(tensor, 1) for tensor, _ in self._states),
        )

    def start(self, n_rows: int) -> Rows:
        """State of rows that have emitted nothing."""
        if n_rows == 1:
            return self._start
        return tuple(np.repeat(array, n_rows, axis=0) for array in self._start)

    def join(self, frames: Frames, rows: Rows) -> tuple[npt.NDArray[np.float32], Rows]:
        """Score the next token of each row; also the states behind its last one."""
        n_rows = len(frames)
        inputs: dict[str, npt.NDArray[Any]] = {
            self._frames.name: _as_frames(frames, self._frames, self._time_axis),
            self._spec.token_input: _as_tokens(rows[0], self._tokens),
        }
        if self._length is not None:
            inputs[self._length.name] = _ones(self._length, n_rows)
        for (tensor, _), state in zip(self._states, rows[1:], strict=True):
            inputs[tensor.name] = state
        given = self._part.ask(inputs, self._outputs)
        logits = given[self._spec.logits_output].reshape(n_rows, -1)
        return logits, tuple(given[output] for _, output in self._states)

    def advance(self, rows: Rows, tokens: npt.NDArray[np.int64], joined: Rows) -> Rows:  # noqa: ARG002 - see ``join``
        """States of rows after they emitted tokens."""
        return (tokens[:, None], *joined)


def _find_states(spec: TransducerSpec, part: Part) -> list[tuple[TensorInfo, str]]:
    """The states of a prediction network: the input of each, and the name of the output that follows it."""
    return [(part.input(before), part.output(after).name) for before, after in spec.states]


def _as_frames(frames: Frames, tensor: TensorInfo, time_axis: int) -> npt.NDArray[Any]:
    """Encoder frames as the input takes them: where it has an axis of time, each is one frame long."""
    return frames if len(tensor.shape) == 1 else np.expand_dims(frames, time_axis)


def _fit(predicted: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """What the predictor gave as the joiner takes it: with or without an axis of one token."""
    if predicted.ndim == len(shape) + 1:
        return predicted
    return predicted.reshape(len(predicted), *(1,) * (len(shape) - 1), predicted.shape[-1])


def _as_tokens(tokens: npt.NDArray[np.int64], tensor: TensorInfo) -> npt.NDArray[Any]:
    """Tokens in the type and shape of the input."""
    shaped = tokens if tensor.shape else tokens[:, 0]
    return shaped.astype(dtype_of(tensor.datatype), copy=False)


def _ones(tensor: TensorInfo, n_rows: int) -> npt.NDArray[Any]:
    return np.ones((n_rows, *tensor.shape), dtype_of(tensor.datatype))
