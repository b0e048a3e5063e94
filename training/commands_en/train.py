"""Train a tower of ``commands-en``: one run, seeded.

In: the folder that ``generate`` wrote. Out: in the tower's folder, a checkpoint, ``model.pt``, renewed at
every validation, and ``log.jsonl``. Invariants: nothing of the test sets is read. Thread: one.

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
from concurrent.futures import Future, ThreadPoolExecutor
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
    cosine: tuple[float, float]
    """The part of the half wave, in shares of pi, that the rate of learning follows."""
    noisiness: tuple[float, float]
    """See ``Batches.batch``."""
    ctc_weight: float
    framewise_weights: tuple[float, float]
    steady: float = 0.8
    """Share of the rows with coloured noise; the others have music or babble."""
    easy: bool = False
    """Leave out rooms and words to be rejected."""
    with_transducer: bool = True


STAGES: Final = [
    Stage(
        steps=3000,
        cosine=(0.0, 0.0),
        noisiness=(0.2, 0.7),
        ctc_weight=1.0,
        framewise_weights=(2.0, 0.6),
        easy=True,
        with_transducer=False,
    ),
    Stage(
        steps=36000,
        cosine=(0.0, 1.0),
        noisiness=(0.85, 0.85),
        ctc_weight=0.5,
        framewise_weights=(0.6, 0.1),
    ),
    Stage(
        steps=12000,
        cosine=(0.55, 1.0),
        noisiness=(0.7, 0.7),
        ctc_weight=0.5,
        framewise_weights=(0.1, 0.05),
        steady=0.85,
    ),
]
"""The run of a tower. README.md says where those of the model that ships differed."""

SEED: Final = 7
LEARNING_RATE: Final = 3e-3
BATCH: Final = 32
WARM_UP: Final = 200
WEIGHT_DECAY: Final = 1e-2
CLIP: Final = 2.0
REPORT_EVERY: Final = 200
VALIDATE_EVERY: Final = 2000


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

    def __init__(self, model: network.Tower) -> None:
        self.model = model
        self._steps = 0
        hidden, others = _hidden_and_other(model)
        self._optimisers = [
            torch.optim.Muon(hidden, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, weight_decay=WEIGHT_DECAY),
        ]
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
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = LEARNING_RATE * warm * (cosine + 0.002)
        rows, frames = len(batch.features), batch.features.shape[1] // 4
        before = self._carried.shuffled(torch.randperm(rows))
        fresh = torch.rand(rows) < FRESH_SHARE
        keep = (~fresh).float()[None, :, None]
        # Half the time of 32 bits; gradients, weights and losses stay in 32.
        with torch.autocast("cpu", torch.bfloat16):
            encoded, encoder_after = self.model.encode(
                batch.features, State(*(part * keep for part in before.encoder))
            )
            by_ctc, by_frame = self.model.ctc(encoded), self.model.framewise(encoded)
        labels = int(batch.targets.lengths.sum()) or 1
        ctc = ctc_loss(by_ctc.float(), batch.targets).sum() / labels
        framewise = functional.cross_entropy(
            by_frame.float().flatten(0, 1), batch.framewise.flatten(), self._framewise_weights
        )
        loss = stage.ctc_weight * ctc + _between(stage.framewise_weights, done) * framewise
        losses = {"ctc": ctc.item(), "framewise": framewise.item()}
        predictor_after = before.predictor
        if stage.with_transducer:
            predicted, predictor_after = self.predict(batch.targets, before.predictor, fresh)
            cells = lattice_cells(batch.targets, frames)
            with torch.autocast("cpu", torch.bfloat16):
                logits = self.model.joiner(
                    encoded[cells.row, cells.frame], predicted[cells.row, cells.emitted]
                )
            transducer = (
                transducer_loss(logits.float(), cells, batch.targets, frames).sum() / labels
            )
            loss = loss + transducer
            losses["transducer"] = transducer.item()
        self.model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for optimiser in self._optimisers:
            optimiser.step()
        self._carried = Carried(
            State(*(part.detach().float() for part in encoder_after)),
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


def _hidden_and_other(model: network.Tower) -> tuple[list[Tensor], list[Tensor]]:
    """Matrices between hidden units, which Muon is for, and all other weights."""
    hidden = [
        weight
        for part in (model.encoder, model.predictor.lstm, model.joiner.heard, model.joiner.said)
        for weight in part.parameters()
        if weight.ndim == 2
    ]
    chosen = set(map(id, hidden))
    return hidden, [weight for weight in model.parameters() if id(weight) not in chosen]


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share


class Run:
    """The stages in order, with a line and a checkpoint now and then.

    Args:
        data: the folder that ``generate`` wrote.
        folder: where checkpoint and log go.
        model: what is trained.
        seed: of the batches.
    """

    def __init__(self, data: Path, folder: Path, model: network.Tower, seed: int) -> None:
        self._folder = folder
        self._model = model
        self._exam = validate.Exam(data)
        self._batches = Batches(data, BATCH, seed)
        self._trainer = Trainer(model)
        self._began = time.monotonic()

    def stage(self, number: int, stage: Stage) -> None:
        """Train for a stage."""
        recent: list[dict[str, float]] = []
        for step, batch in enumerate(self._prepared(stage)):
            recent.append(self._trainer.step(batch, stage, step / stage.steps))
            if len(recent) == REPORT_EVERY:
                means = {k: round(float(np.mean([r[k] for r in recent])), 3) for k in recent[0]}
                self._say(number, step + 1, means)
                recent.clear()
            if (step + 1) % VALIDATE_EVERY == 0 or step + 1 == stage.steps:
                self._validate(number, step + 1)

    def _prepared(self, stage: Stage) -> Iterator[Batch]:
        """The stage's batches; the next is mixed while one is learned."""
        with ThreadPoolExecutor(1) as mixer:
            coming: Future[Batch] | None = None
            for step, indices in enumerate(self._indices(stage)):
                noisiness = _between(stage.noisiness, step / stage.steps)
                following = mixer.submit(
                    self._batches.batch, indices, noisiness, steady=stage.steady
                )
                if coming:
                    yield coming.result()
                coming = following
            if coming:
                yield coming.result()

    def _indices(self, stage: Stage) -> Iterator[npt.NDArray[np.int64]]:
        left = stage.steps
        while left > 0:
            epoch = self._batches.epoch(easy=stage.easy)[:left]
            left -= len(epoch)
            yield from epoch

    def _validate(self, number: int, step: int) -> None:
        figures = self._exam.of([self._model])
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
    """Run as ``python -m commands_en.train DATA RUN FRONT``."""
    parser = argparse.ArgumentParser(description="Train a tower of commands-en.")
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("front", choices=list(network.COLUMNS), help="what the tower hears")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of steps")
    parser.add_argument(
        "--stage",
        type=int,
        default=1,
        choices=range(1, len(STAGES) + 1),
        help="begin with this stage, from the checkpoint in RUN",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    seed = SEED + arguments.stage - 1
    torch.manual_seed(seed)
    folder: Path = arguments.run / arguments.front
    folder.mkdir(parents=True, exist_ok=True)
    model = network.Tower(arguments.front)
    if arguments.stage > 1:
        model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    run = Run(arguments.data, folder, model, seed)
    for number, stage in enumerate(STAGES[arguments.stage - 1 :], arguments.stage):
        steps = max(1, round(stage.steps * arguments.scale))
        run.stage(number, msgspec.structs.replace(stage, steps=steps))


if __name__ == "__main__":
    main()
