"""The network as PyTorch knows it; the same numbers as ``gapless.clean.low_delay.network``.

In: features by stream and hop. Out: gains. Thread: any.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gapless.clean.low_delay.bands import BANDS
from gapless.clean.low_delay.network import WEIGHTS
from gapless.clean.low_delay.state import FEATURES, HIDDEN
from torch import Tensor, nn


class Corrector(nn.Module):
    """A layer, a recurrent layer, a layer that sees both."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.first = nn.Linear(FEATURES, HIDDEN)
        self.recurrent = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.last = nn.Linear(2 * HIDDEN, BANDS)

    def forward(self, features: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Some hops of some streams.

        Args:
            features: [streams, hops, FEATURES].
            hidden: [1, streams, HIDDEN], zeros for new streams.

        Returns:
            Gains [streams, hops, BANDS], and what is remembered.
        """
        first = torch.tanh(self.first((features - self.mean) / self.deviation))
        second, hidden = self.recurrent(first, hidden)
        return torch.sigmoid(self.last(torch.cat((second, first), -1))), hidden


def to_record(network: Corrector) -> npt.NDArray[Any]:
    """The product's record of the weights; mean and deviation become part of the first layer."""
    record = np.zeros(1, WEIGHTS)
    with torch.no_grad():
        first = network.first.weight / network.deviation
        bias = network.first.bias - first @ network.mean
    gru = network.recurrent
    tensors = {
        "first": first.T,
        "first_bias": bias,
        "input": gru.weight_ih_l0.T,
        "input_bias": gru.bias_ih_l0,
        "recurrent": gru.weight_hh_l0.T,
        "recurrent_bias": gru.bias_hh_l0,
        "last": network.last.weight.T,
        "last_bias": network.last.bias,
    }
    for name, tensor in tensors.items():
        record[name][0] = tensor.detach().numpy()
    return record
