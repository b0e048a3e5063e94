"""The report of the low-delay denoiser: every measure of every method on the test, and paired differences.

    python -m low_delay.evaluate SETS --out report.json

In: the set ``test`` that ``generate`` wrote. Out: a table, and JSON with every mix. Invariants: methods hear the same
mixes. Thread: one process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from . import measure, methods, sets
from .mixing import Mix
from .summary import Row, summarise, table


def judge(mixes: Iterable[Mix], names: list[str]) -> list[Row]:
    """Run methods over mixes.

    Args:
        mixes: pairs of the same length each, a multiple of 10 ms.
        names: of ``methods.METHODS``.

    Returns:
        One row for each mix and method.
    """
    rows: list[Row] = []
    for number, mix in enumerate(mixes):
        heard = methods.Heard(mix.noisy)
        for name in names:
            out = methods.METHODS[name](heard)
            scores = measure.scores(mix.clean, mix.noisy, out.samples, out.delay_samples)
            rows.append(
                Row(
                    number, name, mix.kind, mix.speaker, mix.family, mix.snr_db, mix.in_room, scores
                )
            )
    return rows


def main() -> None:
    """Run as ``python -m low_delay.evaluate SETS``."""
    parser = argparse.ArgumentParser(description="Measure the low-delay denoiser.")
    parser.add_argument("folder", type=Path, help="what low_delay.generate filled")
    parser.add_argument("--set", default="test", help="which of its sets")
    parser.add_argument("--out", type=Path, help="JSON with all figures")
    parser.add_argument(
        "--methods", nargs="+", default=[*methods.METHODS], choices=[*methods.METHODS]
    )
    arguments = parser.parse_args()
    began = time.monotonic()
    rows = judge(sets.read(arguments.folder, arguments.set), arguments.methods)
    report = summarise(rows)
    print(table(report.groups))
    print(f"{len(rows)} rows in {time.monotonic() - began:.0f} s")
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))


if __name__ == "__main__":
    main()
