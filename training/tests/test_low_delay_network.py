"""What is trained is what ships: PyTorch's network and the kernels give the same gains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from gapless.clean.low_delay.network import correct
from gapless.clean.low_delay.offline import NEVER
from gapless.clean.low_delay.state import FEATURES, HIDDEN, make_state
from gapless.clean.low_delay.weights import read_weights, write_weights

from low_delay.features import draw_lateness, hear
from low_delay.network import Corrector, to_record
from low_delay.train import LossWeights, loss_of


def drawn_network() -> Corrector:
    torch.manual_seed(3)
    network = Corrector()
    network.mean.copy_(torch.rand(FEATURES))
    network.deviation.copy_(torch.rand(FEATURES) + 0.5)
    return network


def test_the_kernels_step_as_pytorch_does() -> None:
    network = drawn_network()
    features = torch.randn(1, 50, FEATURES)
    with torch.no_grad():
        expected = network(features, torch.zeros(1, 1, HIDDEN))[0][0].numpy()
    state, weights = make_state()[0], to_record(network)[0]
    for row, gains in zip(features[0].numpy(), expected, strict=True):
        state["features"][:] = row
        correct(state, weights)
        np.testing.assert_allclose(state["corrected"], gains, atol=2e-6)


def test_stored_weights_are_the_weights_to_16_bits(tmp_path: Path) -> None:
    record = to_record(drawn_network())
    write_weights(tmp_path / "w.npz", record)
    read = read_weights(tmp_path / "w.npz")
    np.testing.assert_allclose(read["first"], record["first"], rtol=1e-3, atol=1e-6)


def test_the_loss_is_least_at_the_ideal() -> None:
    torch.manual_seed(1)
    magnitudes, ideal = torch.rand(2, 40, 32), torch.rand(2, 40, 32) * 0.5 + 0.25
    weights = LossWeights(onset=1)

    def loss(gains: torch.Tensor) -> float:
        return float(loss_of(gains, magnitudes, ideal, ideal, weights))

    assert loss(ideal) == 0
    assert min(loss(ideal * 0.9), loss(ideal * 1.1)) > 0


def test_to_lose_speech_is_worse_than_to_leave_noise_and_worst_where_it_begins() -> None:
    magnitudes, ideal = torch.full((1, 40, 32), 0.01), torch.full((1, 40, 32), 0.5)
    magnitudes[:, 20:] = 1.0
    weights = LossWeights(plain=0, aligned=0)

    def loss(factor: float, weights: LossWeights) -> float:
        # The same number of decibels up and down.
        return float(loss_of(ideal * factor, magnitudes, ideal, ideal, weights))

    assert loss(0.8, weights) > 1.5 * loss(1.25, weights)
    careful = weights._replace(onset=3)
    assert loss(0.8, careful) > 1.5 * loss(0.8, weights)
    assert loss(1.25, careful) == loss(1.25, weights)


def test_a_pair_without_noise_asks_for_unit_gains() -> None:
    rng = np.random.default_rng(1)
    sound = (0.1 * rng.standard_normal(48_000)).astype(np.float32)
    gains, vad = np.ones((100, 32), np.float32), np.ones(100, np.float32)
    heard = hear(sound, sound, gains, vad, np.full(100, NEVER))
    np.testing.assert_allclose(heard.ratios, 1, atol=1e-5)
    np.testing.assert_allclose(heard.aligned, 1, atol=1e-5)
    assert not heard.features[:, :64].any()


def test_gains_are_late_in_many_ways_and_missing_in_a_quarter() -> None:
    rng = np.random.default_rng(2)
    drawn = [draw_lateness(800, rng) for _ in range(400)]
    missing = sum(bool((late == NEVER).all()) for late in drawn)
    assert 70 < missing < 130
    assert max(int(late.max()) for late in drawn) == 8
    assert any((late == NEVER).any() and (late == 0).any() for late in drawn)
