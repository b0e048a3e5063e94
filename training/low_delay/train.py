"""Train the corrector.

    python -m low_delay.train FOLDER RUN --minutes 25

In: a folder that ``prepare`` wrote. Out: RUN/network.pt. Invariants: seeded; the state is carried from piece to
piece of a walk, so that the network knows what an hour-old stream looks like as well as a new one. Thread: as many
as are asked for.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from gapless.clean.low_delay.state import HIDDEN
from torch import Tensor

from .network import Corrector

STREAMS = 48
PIECE = 200
"""Hops that gradients go back over: 0.4 s."""
PIECES = 30
"""Of a walk: 12 s."""
LEARNING_RATE = 2e-3
NAMES = ("features", "magnitudes", "ratios", "aligned")


class LossWeights(NamedTuple):
    """How much each thing that matters counts."""

    plain: float = 0.3
    """Gains, all alike: pauses."""
    heard: float = 2.0
    """Compressed magnitudes of what is left: what ears and measures of them hear."""
    aligned: float = 1.0
    """Error of the signal, by energy."""
    lost: float = 1.0
    """How much worse it is to take speech away than to leave as much noise."""
    onset: float = 0.0
    """How much worse that is again where speech begins."""


RISE_HOPS = 15
"""Over which speech that begins gets louder: 30 ms."""
RISE = 4.0
"""By how much, in amplitude, at least."""
LOUD = 0.05
"""How loud it is then, at least, relative to the mean of speech."""


def loss_of(
    gains: Tensor, magnitudes: Tensor, ratios: Tensor, aligned: Tensor, weights: LossWeights
) -> Tensor:
    """What is minimised; all of one shape [streams, hops, bands]."""
    plain = (gains - ratios).square().mean()
    compressed = (magnitudes + 1e-4) ** 0.3
    error = compressed * ((gains + 1e-3) ** 0.3 - (ratios + 1e-3) ** 0.3)
    clean = magnitudes * ratios
    before = torch.cat((clean[:, :1].expand(-1, RISE_HOPS, -1), clean), 1)[:, : clean.shape[1]]
    begins = (clean > LOUD) & (clean > RISE * before)
    cost = torch.where(error < 0, 1 + weights.lost * (1 + weights.onset * begins), 1.0)
    heard = (cost * error.square()).mean()
    loud = magnitudes.clamp(max=3.0)
    signal = (loud * (gains - aligned).square()).mean() / loud.mean()
    return weights.plain * plain + weights.heard * heard + weights.aligned * signal


def walks(data: list[Tensor], streams: int, rng: np.random.Generator) -> list[slice]:
    """Where each stream of a walk lies in the data."""
    length = PIECE * PIECES
    starts = rng.integers(0, len(data[0]) - length, streams)
    return [slice(int(start), int(start) + length) for start in starts]


def load(folder: Path, split: str) -> list[Tensor]:
    """All files of a split, one after the other."""
    loaded = []
    for name in NAMES:
        files = sorted(folder.glob(f"{split}-*-{name}.npy"))
        loaded.append(torch.from_numpy(np.concatenate([np.load(file) for file in files])))
    return loaded


def main() -> None:
    """Train and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--walks", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", type=Path, help="a network to go on with")
    parser.add_argument("--rate", type=float, default=LEARNING_RATE, help="of learning, at most")
    for name, value in LossWeights()._asdict().items():
        parser.add_argument(f"--{name}", type=float, default=value)
    arguments = parser.parse_args()
    weights = LossWeights(**{name: getattr(arguments, name) for name in LossWeights._fields})
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)

    data, held = load(arguments.folder, "train"), load(arguments.folder, "validation")
    network = Corrector()
    sample = data[0][:: max(1, len(data[0]) // 100_000)].float()
    network.mean.copy_(sample.mean(0))
    network.deviation.copy_(sample.std(0) + 1e-2)
    if arguments.start:
        network.load_state_dict(torch.load(arguments.start))
    optimiser = torch.optim.AdamW(network.parameters(), lr=arguments.rate, weight_decay=1e-4)
    steps = arguments.walks * PIECES
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1, step / 100) * 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    arguments.run.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for walk in range(arguments.walks):
        places = walks(data, STREAMS, rng)
        hidden, total = torch.zeros(1, STREAMS, HIDDEN), 0.0
        for piece in range(PIECES):
            cut = [slice(p.start + piece * PIECE, p.start + (piece + 1) * PIECE) for p in places]
            batch = [torch.stack([part[c] for c in cut]).float() for part in data]
            gains, hidden = network(batch[0], hidden.detach())
            loss = loss_of(gains, *batch[1:], weights)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item()
        torch.save(network.state_dict(), arguments.run / "network.pt")
        if walk % 10 == 9 or walk == arguments.walks - 1:
            tested = validate(network, held, weights)
            seconds = time.monotonic() - began
            print(f"{walk + 1} {seconds:.0f} s {total / PIECES:.5f} {tested:.5f}", flush=True)


def validate(network: Corrector, held: list[Tensor], weights: LossWeights) -> float:
    """The loss over the validation split, in one piece per minute of sound."""
    length = 4000
    count = len(held[0]) // length
    batch = [part[: count * length].reshape(count, length, -1).float() for part in held]
    with torch.no_grad():
        gains, _ = network(batch[0], torch.zeros(1, count, HIDDEN))
        return float(loss_of(gains, *batch[1:], weights))


if __name__ == "__main__":
    main()
