"""Write a trained network as the product reads it.

python -m low_delay.export RUN/network.pt ../src/gapless/clean/low_delay/corrector.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from gapless.clean.low_delay.weights import write_weights

from .network import Corrector, to_record


def main() -> None:
    """Convert one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    network = Corrector()
    network.load_state_dict(torch.load(arguments.network))
    write_weights(arguments.target, to_record(network))


if __name__ == "__main__":
    main()
