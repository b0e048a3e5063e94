"""Train ``commands-en``: one run, one thread, seeded.

In: the folder that ``generate`` wrote. Out: a checkpoint, ``model.pt``, renewed at every validation,
and ``log.jsonl``. Invariants: nothing of the test sets is read. Thread: one.

State is carried from batch to batch, rows shuffled, a tenth of them begun anew. Without that a zero
state marks the first frame, and the network learns to emit the first word there
(``design/training.md`` has the measurements). The predictor's state is carried for the same reason:
a stream is never reset.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from . import network, validate
from .data import Batch, Batches
from .losses import Targets, ctc_loss, lattice_cells, transducer_loss
from .network import State

FRESH_SHARE: Final = 0.1
"""Share of the rows that begin at a zero state."""


class Stage(msgspec.Struct, frozen=True):
    """A part of the run. Pairs are values at its start and its end, linear in between."""

    steps: int
    learning_rate: float
    cosine: tuple[float, float]
    """The part of the half wave, in shares of pi, that the rate of learning follows."""
    noisiness: tuple[float, float]
    """See ``Batches.batch``."""
    ctc_weights: tuple[float, float]
    framewise_weights: tuple[float, float]
    seed: int | None = None
    """Begin with new random numbers, optimiser and states; None: go on with those of the last stage."""
    ctc_alone: int = 0
    """Steps before the transducer learns, too."""
    steady: float = 0.6
    """Share of the rows with coloured noise; the others have music or babble."""
    easy: bool = False
    """Leave out rooms and words to be rejected."""
    reject_silently: bool = False
    """Words to be rejected have no label, rather than one ``<unk>`` per run of them."""


STAGES: Final = [
    Stage(
        seed=7,
        steps=5000,
        learning_rate=2e-3,
        cosine=(0.0, 0.179),
        noisiness=(0.0, 0.417),
        ctc_weights=(1.0, 0.875),
        framewise_weights=(2.0, 1.643),
        ctc_alone=300,
        easy=True,
    ),
    Stage(
        steps=5000,
        learning_rate=2e-3,
        cosine=(0.179, 0.357),
        noisiness=(0.417, 0.833),
        ctc_weights=(0.875, 0.75),
        framewise_weights=(1.643, 1.286),
    ),
    Stage(
        seed=9,
        steps=2000,
        learning_rate=1.6e-3,
        cosine=(0.0, 0.138),
        noisiness=(0.8, 0.8),
        ctc_weights=(0.75, 0.69),
        framewise_weights=(1.2, 1.06),
        reject_silently=True,
    ),
    Stage(
        seed=10,
        steps=12000,
        learning_rate=1.6e-3,
        cosine=(0.1, 1.0),
        noisiness=(0.65, 0.65),
        ctc_weights=(0.7, 0.3),
        framewise_weights=(1.0, 0.2),
        steady=0.78,
        reject_silently=True,
    ),
]
"""The run that made the model that is shipped."""

BATCH: Final = 32
WARM_UP: Final = 200
WEIGHT_DECAY: Final = 1e-2
CLIP: Final = 2.0
REPORT_EVERY: Final = 200
VALIDATE_EVERY: Final = 1000


class Carried(msgspec.Struct, frozen=True):
    """States after a batch, per row, detached."""

    encoder: State
    predictor: State

    def shuffled(self, rows: Tensor) -> Carried:
        """The states of other rows."""
        return Carried(
            State(*(part[:, rows] for part in self.encoder)),
            State(*(part[:, rows] for part in self.predictor)),
        )


class Trainer:
    """A network, its optimiser and the states that are carried."""

    def __init__(self, model: network.Recogniser) -> None:
        self.model = model
        self._steps = 0
        self._optimiser = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY)
        weights = torch.ones(network.VOCABULARY)
        weights[0] = 0.3
        self._framewise_weights = weights
        self._carried = Carried(
            network.zero_state(network.LAYERS, BATCH, network.HIDDEN),
            network.zero_state(1, BATCH, network.PREDICTOR),
        )

    def step(self, batch: Batch, stage: Stage, done: float) -> dict[str, float]:
        """One update.

        Args:
            batch: what to learn.
            stage: how.
            done: share of the stage that is done.

        Returns:
            The losses per label.
        """
        self._steps += 1
        warm = min(1.0, self._steps / WARM_UP)
        cosine = 0.5 * (1 + math.cos(math.pi * _between(stage.cosine, done)))
        for group in self._optimiser.param_groups:
            group["lr"] = stage.learning_rate * warm * (cosine + 0.002)
        rows, frames = len(batch.features), batch.features.shape[1] // 4
        before = self._carried.shuffled(torch.randperm(rows))
        fresh = torch.rand(rows) < FRESH_SHARE
        keep = (~fresh).float()[None, :, None]
        encoded, encoder_after = self.model.encoder(
            batch.features, State(*(part * keep for part in before.encoder))
        )
        labels = int(batch.targets.lengths.sum()) or 1
        ctc = ctc_loss(self.model.ctc(encoded), batch.targets)
        loss = _between(stage.ctc_weights, done) * ctc.sum() / labels
        losses = {"ctc": float(ctc.detach().sum()) / labels}
        predictor_after = before.predictor
        if self._steps > stage.ctc_alone:
            predicted, predictor_after = self.predict(batch.targets, before.predictor, fresh)
            cells = lattice_cells(batch.targets, frames)
            logits = self.model.joiner(
                encoded[cells.row, cells.frame], predicted[cells.row, cells.emitted]
            )
            transducer = transducer_loss(logits, cells, batch.targets, frames)
            loss = loss + transducer.sum() / labels
            losses["transducer"] = float(transducer.detach().sum()) / labels
        framewise = functional.cross_entropy(
            self.model.framewise(encoded).flatten(0, 1),
            batch.framewise.flatten(),
            weight=self._framewise_weights,
        )
        loss = loss + _between(stage.framewise_weights, done) * framewise
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self._optimiser.step()
        self._carried = Carried(
            State(*(part.detach() for part in encoder_after)),
            State(*(part.detach() for part in predictor_after)),
        )
        return losses

    def predict(self, targets: Targets, before: State, fresh: Tensor) -> tuple[Tensor, State]:
        """The predictor's outputs before each label and after the last: [N, U + 1, 64]."""
        rows = len(fresh)
        _, start = self.model.predictor(
            torch.zeros(rows, 1, dtype=torch.int64), network.zero_state(1, rows, network.PREDICTOR)
        )
        begin = State(
            *(
                torch.where(fresh[None, :, None], new, old)
                for new, old in zip(start, before, strict=True)
            )
        )
        lengths = torch.from_numpy(targets.lengths)
        packed = pack_padded_sequence(
            self.model.predictor.embedding(torch.from_numpy(targets.labels)),
            lengths.clamp_min(1),
            batch_first=True,
            enforce_sorted=False,
        )
        outputs, after = self.model.predictor.lstm(packed, tuple(begin))
        predicted, _ = pad_packed_sequence(
            outputs, batch_first=True, total_length=targets.labels.shape[1]
        )
        spoke = (lengths > 0)[None, :, None]
        after = State(
            *(torch.where(spoke, new, old) for new, old in zip(after, begin, strict=True))
        )
        # An LSTM's output is its h, so the output before the first label is the h it begins with.
        return torch.cat([begin.h.transpose(0, 1), predicted], 1), after


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share


class Run:
    """The stages in order, with a line and a checkpoint now and then.

    Args:
        data: the folder that ``generate`` wrote.
        folder: where checkpoint and log go.
        model: what is trained.
    """

    def __init__(self, data: Path, folder: Path, model: network.Recogniser) -> None:
        self._data = data
        self._folder = folder
        self._model = model
        self._exam = validate.Exam(data)
        self._began = time.monotonic()
        self._batches: Batches
        self._trainer: Trainer

    def stage(self, number: int, stage: Stage) -> None:
        """Train for a stage."""
        if stage.seed is not None:
            torch.manual_seed(stage.seed)
            self._batches = Batches(self._data, BATCH, stage.seed)
            self._trainer = Trainer(self._model)
        recent: list[dict[str, float]] = []
        for step, indices in enumerate(self._indices(stage)):
            done = step / stage.steps
            batch = self._batches.batch(
                indices,
                _between(stage.noisiness, done),
                steady=stage.steady,
                reject_silently=stage.reject_silently,
            )
            recent.append(self._trainer.step(batch, stage, done))
            if len(recent) == REPORT_EVERY:
                means = {k: round(float(np.mean([r[k] for r in recent])), 3) for k in recent[0]}
                self._say(number, step + 1, means)
                recent.clear()
            if (step + 1) % VALIDATE_EVERY == 0:
                self._validate(number, step + 1)
        self._validate(number, stage.steps)

    def _indices(self, stage: Stage) -> Iterator[npt.NDArray[np.int64]]:
        left = stage.steps
        while left > 0:
            epoch = self._batches.epoch(easy=stage.easy)[:left]
            left -= len(epoch)
            yield from epoch

    def _validate(self, number: int, step: int) -> None:
        figures = self._exam.of(self._model)
        entry = self._say(number, step, figures)
        with (self._folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")
        torch.save(self._model.state_dict(), self._folder / "model.pt")

    def _say(self, number: int, step: int, figures: dict[str, float]) -> dict[str, float]:
        seconds = round(time.monotonic() - self._began)
        entry = {"stage": number, "step": step, "seconds": seconds, **figures}
        print(" ".join(f"{name} {value}" for name, value in entry.items()), flush=True)
        return entry


def main() -> None:
    """Run as ``python -m commands_en.train DATA RUN``."""
    parser = argparse.ArgumentParser(description="Train commands-en.")
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument(
        "--stage",
        type=int,
        default=1,
        choices=[n for n, stage in enumerate(STAGES, 1) if stage.seed is not None],
        help="begin with this stage, from the checkpoint in RUN",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(STAGES[0].seed or 0)
    folder: Path = arguments.run
    folder.mkdir(parents=True, exist_ok=True)
    model = network.Recogniser()
    if arguments.stage > 1:
        model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    run = Run(arguments.data, folder, model)
    for number, stage in enumerate(STAGES, 1):
        if number >= arguments.stage:
            run.stage(number, stage)


if __name__ == "__main__":
    main()
