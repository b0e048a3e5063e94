"""The trainer on one small batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from commands_en import network, train
from commands_en.data import Batch
from commands_en.losses import Targets
from commands_en.network import State

FRAMES = 12
STAGE = train.Stage(
    steps=100,
    cosine=(0.0, 0.5),
    noisiness=(0.0, 0.0),
    ctc_weight=1.0,
    framewise_weights=(1.0, 1.0),
)


@pytest.fixture(name="batch")
def _batch() -> Batch:
    """One or two words per row, and none in the first."""
    rng = np.random.default_rng(2)
    lengths = rng.integers(1, 3, train.BATCH)
    lengths[0] = 0
    labels = rng.integers(1, 76, (train.BATCH, 2)) * (np.arange(2) < lengths[:, None])
    first = np.where(labels > 0, [1, 5], FRAMES)
    last = np.where(labels > 0, [5, 10], -1)
    features = rng.standard_normal((train.BATCH, 4 * FRAMES, 80)).astype(np.float32)
    framewise = np.zeros((train.BATCH, FRAMES), np.int64)
    targets = Targets(labels, lengths, first, last)
    return Batch(torch.from_numpy(features), targets, torch.from_numpy(framewise))


def test_the_losses_of_a_batch_that_is_repeated_fall(batch: Batch) -> None:
    torch.manual_seed(3)
    trainer = train.Trainer(network.Tower("log"))
    losses = [trainer.step(batch, STAGE, 0.0) for _ in range(120)]
    assert losses[-1]["ctc"] < losses[0]["ctc"] / 2
    assert losses[-1]["transducer"] < losses[0]["transducer"] / 2


@torch.no_grad()
def test_the_predictor_goes_on_from_the_state_that_it_is_given_as_a_stream_does(
    batch: Batch,
) -> None:
    torch.manual_seed(4)
    trainer = train.Trainer(network.Tower("log"))
    before = State(torch.randn(1, train.BATCH, 64), torch.randn(1, train.BATCH, 64))
    fresh = torch.arange(train.BATCH) % 2 == 1
    predicted, after = trainer.predict(batch.targets, before, fresh)
    for row in range(train.BATCH):
        state = State(*(part[:, row : row + 1].contiguous() for part in before))
        said = state.h[0]
        if fresh[row]:
            zero = network.zero_state(1, 1, 64)
            start, state = trainer.model.predictor(torch.zeros(1, 1, dtype=torch.int64), zero)
            said = start[0]
        assert torch.allclose(predicted[row, 0], said[0], atol=1e-5)
        for u in range(batch.targets.lengths[row]):
            token = torch.tensor([[batch.targets.labels[row, u]]])
            said, state = trainer.model.predictor(token, state)
            assert torch.allclose(predicted[row, u + 1], said[0, 0], atol=1e-5)
        assert torch.allclose(after.h[0, row], state.h[0, 0], atol=1e-5)
        assert torch.allclose(after.c[0, row], state.c[0, 0], atol=1e-5)
