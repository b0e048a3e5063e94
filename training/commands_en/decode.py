"""The exported graphs, and a stream of samples decoded greedily with one of their heads.

In: samples of any number at a time. Out: words with times and probabilities.
Invariants: the words do not depend on how the samples are cut. Thread: one per stream.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime

from .features import HOP, SAMPLE_RATE, STACK, WINDOW, log_mel, mel_power

FloatArray = npt.NDArray[np.float32]

PER_FRAME: Final = 2
"""At most so many words per 40 ms."""


class Word(NamedTuple):
    """A recognised word, without the reject class."""

    word: str
    at_ms: float
    """The end of the last sample that was heard before it was emitted."""
    probability: float


class Model:
    """The graphs of a folder, on one thread."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.encoder, self.predictor, self.joiner, self.ctc = (
            onnxruntime.InferenceSession(
                str(folder / name / "1" / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
            for name in ("encoder", "predictor", "joiner", "ctc")
        )
        lines = (folder / "tokens.txt").read_text().splitlines()
        self.tokens = [line.split()[0] for line in lines]
        facts = msgspec.json.decode((folder / "model.json").read_bytes())
        self.unknown = int(facts["unk"])


def empty_states(session: Any, names: tuple[str, ...]) -> dict[str, FloatArray]:
    """Zero states for one stream."""
    shapes = {entry.name: entry.shape for entry in session.get_inputs()}
    return {
        name: np.zeros([1 if size == "N" else size for size in shapes[name]], np.float32)
        for name in names
    }


class Stream:
    """One conversation with the model. ``push`` samples; read ``words``.

    Args:
        model: shared by any number of streams.
        by_ctc: decode the CTC head instead of the transducer.
    """

    def __init__(self, model: Model, *, by_ctc: bool = False) -> None:
        self._model = model
        self._by_ctc = by_ctc
        self._samples = np.zeros(0, np.float32)
        self._frame = 0
        self._states = empty_states(model.encoder, ("sums", "h", "c"))
        self._last = 0
        self._predictor_states = empty_states(model.predictor, ("ph", "pc"))
        self._predicted = np.zeros(0, np.float32)
        self._adopt(0)
        self.words: list[Word] = []
        self.rejected = 0

    def push(self, samples: FloatArray) -> None:
        """Hear more; steps are taken as soon as four frames are complete."""
        self._samples = np.concatenate([self._samples, samples])
        frames = max(0, (self._samples.size - WINDOW) // HOP + 1) // STACK * STACK
        if frames == 0:
            return
        heard = log_mel(mel_power(self._samples[: (frames - 1) * HOP + WINDOW]))
        self._samples = self._samples[frames * HOP :]
        for start in range(0, frames, STACK):
            encoded, sums, h, c = self._model.encoder.run(
                None, {"features": heard[None, start : start + STACK], **self._states}
            )
            self._states = {"sums": sums, "h": h, "c": c}
            (self._step_ctc if self._by_ctc else self._step)(encoded[0])
            self._frame += 1

    def _step(self, encoded: FloatArray) -> None:
        for _ in range(PER_FRAME):
            (logits,) = self._model.joiner.run(
                None, {"encoded": encoded, "predicted": self._predicted}
            )
            token = int(logits[0].argmax())
            if token == 0:
                return
            self._emit(token, float(np.exp(logits[0] - logits[0].max()).sum()) ** -1)
            self._adopt(token)

    def _step_ctc(self, encoded: FloatArray) -> None:
        (log_probs,) = self._model.ctc.run(None, {"encoded": encoded[None]})
        token = int(log_probs[0, 0].argmax())
        if token not in (0, self._last):
            self._emit(token, float(np.exp(log_probs[0, 0, token])))
        self._last = token

    def _adopt(self, token: int) -> None:
        self._predicted, ph, pc = self._model.predictor.run(
            None, {"token": np.array([[token]], np.int64), **self._predictor_states}
        )
        self._predictor_states = {"ph": ph, "pc": pc}

    def _emit(self, token: int, probability: float) -> None:
        if token == self._model.unknown:
            self.rejected += 1
            return
        word = Word(self._model.tokens[token], heard_ms(self._frame), probability)
        self.words.append(word)


def heard_ms(frame: int) -> float:
    """The end of the last sample that a frame of the encoder is made of."""
    return 1000 * ((frame * STACK + STACK - 1) * HOP + WINDOW) / SAMPLE_RATE


def recognise(model: Model, samples: FloatArray, *, by_ctc: bool = False) -> list[Word]:
    """The words of a recording."""
    stream = Stream(model, by_ctc=by_ctc)
    stream.push(samples)
    return stream.words
