"""Prediction and joint networks of NeMo's transducers, in one file or in two.

In: their files, the width of the encoder's frames. Out: how they are asked, their parts, and the tokens. Invariants:
the scores are as many as tokens and durations. Thread: one at a time; loads and runs the networks.

What NeMo exports (``RNNTDecoder`` and ``RNNTJoint`` with ``_rnnt_export``, so that no start symbol is put in front;
the names as onnx-asr ``models/nemo.py`` and sherpa-onnx ``scripts/nemo/*/show-onnx-transudcer.py`` read them):

    decoder_joint-model.onnx    encoder_outputs [B, D, T], targets int32 [B, U], target_length int32 [B],
                                input_states_1, input_states_2 [layers, B, H]
                             -> outputs [B, T, U, V + 1 (+ durations)], prednet_lengths,
                                output_states_1, output_states_2
    decoder.onnx                targets, target_length, states.1 [layers, B, H], onnx::LSTM_3 [layers, 1, H]
                             -> outputs [B, H, U], prednet_lengths, states, 74 (or another number)
    joiner.onnx                 encoder_outputs [B, D, T], decoder_outputs [B, H, U] -> outputs [B, T, U, V + 1]

Where the second state's batch is always 1, as it is there, the file takes one row at a time, and so do we. The blank
is the last token, and is what the prediction network is given at the start (``blank_as_pad``). A TDT model scores
durations 0, 1, 2 ... frames behind its tokens; 0 to 4 in all that NVIDIA published (Xu et al. 2023, "Efficient
Sequence Transduction by Jointly Predicting Tokens and Durations").
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gapless.errors import ModelError
from gapless.infer.onnx.description import OnnxTensor
from gapless.infer.repository.manifest import Manifest, TensorEntry
from gapless.listen.recogniser.profiles.files import ModelFiles
from gapless.listen.recogniser.profiles.layout import PartLayout
from gapless.listen.recogniser.profiles.network import Network
from gapless.listen.recogniser.profiles.parts import make_part
from gapless.listen.recogniser.profiles.tokens import Tokens, read_tokens
from gapless.listen.recogniser.streaming.manifest import TransducerSpec

STATE_AXIS: Final = 1
"""Of an LSTM's states: [layers, batch, values]."""

FLOATS: Final = frozenset({"FP32", "FP16"})
MAX_SYMBOLS: Final = 10
"""Tokens per frame, at most: NeMo's ``greedy.max_symbols``."""


class Decoder(NamedTuple):
    """What a transducer has behind its encoder."""

    spec: TransducerSpec
    parts: tuple[PartLayout, ...]
    tokens: Tokens


def describe_decoder(files: ModelFiles, width: int) -> Decoder:
    """Describe the prediction and joint networks of a folder.

    Args:
        files: of the model.
        width: values of an encoder frame.

    Raises:
        ModelError: a file is missing, or is not what NeMo exports.
    """
    common = {"max_symbols": int(files.config.get("max_tokens_per_step", MAX_SYMBOLS))}
    if "fused" in files.networks:
        return _fused(files, width, common)
    return _separate(files, width, common)


def _fused(files: ModelFiles, width: int, common: dict[str, Any]) -> Decoder:
    network = Network(files.network("fused"))
    frame = network.input("encoder_outputs")
    logits = network.first_output("outputs")
    prediction = _Prediction(network, logits.name, frame.name)
    part, trial = make_part(
        "decoder_joint",
        network,
        Manifest(
            inputs=(TensorEntry(name=frame.name, shape=(width, 1)), *prediction.inputs),
            outputs=prediction.outputs,
        ),
        prediction.integers,
    )
    tokens = read_tokens(files, trial.rows[logits.name][-1], blank="last")
    spec = TransducerSpec(
        fused=part.name,
        frame_input=frame.name,
        token_input=prediction.token,
        token_length_input=prediction.length,
        states=prediction.states,
        logits_output=logits.name,
        durations=tuple(range(tokens.n_durations)),
        **common,
    )
    return Decoder(spec, (part,), tokens)


def _separate(files: ModelFiles, width: int, common: dict[str, Any]) -> Decoder:
    network = Network(files.network("predictor"))
    predicted = network.first_output("outputs")
    prediction = _Prediction(network, predicted.name)
    predictor, trial = make_part(
        "predictor",
        network,
        Manifest(inputs=prediction.inputs, outputs=prediction.outputs),
        prediction.integers,
    )
    joint = Network(files.network("joiner"))
    frame, given = joint.input("encoder_outputs"), joint.input("decoder_outputs")
    logits = joint.first_output("outputs")
    joiner, joined = make_part(
        "joiner",
        joint,
        Manifest(
            inputs=(
                TensorEntry(name=frame.name, shape=(width, 1)),
                TensorEntry(name=given.name, shape=trial.rows[predicted.name]),
            )
        ),
    )
    tokens = read_tokens(files, joined.rows[logits.name][-1], blank="last")
    spec = TransducerSpec(
        predictor=predictor.name,
        joiner=joiner.name,
        frame_input=frame.name,
        predicted_input=given.name,
        token_input=prediction.token,
        token_length_input=prediction.length,
        states=prediction.states,
        predicted_output=predicted.name,
        logits_output=logits.name,
        durations=tuple(range(tokens.n_durations)),
        **common,
    )
    return Decoder(spec, (predictor, joiner), tokens)


class _Prediction:
    """The tensors of a prediction network: one token, its length, and the states that are left over.

    Args:
        network: that has them.
        result: the output that is no state.
        frame: the input that is no state, of a fused network.
    """

    def __init__(self, network: Network, result: str, frame: str | None = None) -> None:
        self.token = network.input("targets").name
        self.length = "target_length" if "target_length" in network.inputs else None
        before = [
            tensor
            for name, tensor in network.inputs.items()
            if name not in {self.token, self.length, frame}
        ]
        # Lengths are whole numbers; all other outputs but the result are states, in the order of the inputs.
        behind = [
            tensor
            for name, tensor in network.outputs.items()
            if name != result and tensor.datatype in FLOATS
        ]
        if len(before) != len(behind) or not before:
            raise ModelError(
                f"{network.path.name} takes the states {_names(before)} and gives {_names(behind)}, which do not pair; "
                "it is no prediction network of NeMo: export it anew"
            )
        self.states = tuple(
            (one.name, other.name) for one, other in zip(before, behind, strict=True)
        )
        self.integers = {} if self.length is None else {self.length: 1}
        self.inputs = (
            TensorEntry(name=self.token, shape=(1,)),
            *(TensorEntry(name=tensor.name, axis=STATE_AXIS) for tensor in before),
        )
        self.outputs = tuple(TensorEntry(name=tensor.name, axis=STATE_AXIS) for tensor in behind)


def _names(tensors: list[OnnxTensor]) -> str:
    return ", ".join(repr(tensor.name) for tensor in tensors) or "none"
