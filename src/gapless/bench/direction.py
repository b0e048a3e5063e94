"""Which way of a figure is the better one.

In: the name of a figure. Out: whether more is better; None where neither is. Thread: any (pure functions).
"""

from __future__ import annotations

from typing import Final

from gapless.bench.claims import CLAIMS

MORE: Final = {
    *("hit_share", "repeat_hit_share", "blocks_share", "stoi_share", "sisdr_db", "pesq"),
    *("streams", "voices", "overall_score"),
}

LESS: Final = {
    *("error_share", "core_share", "realtime_share", "processor_share"),
    *("holes", "clicks", "breaks", "errors", "wrong_streams", "error_streams", "voice_sample_ns"),
}

MORE_ENDINGS: Final = ("_per_s", "_per_min")
LESS_ENDINGS: Final = ("_us", "_mib", "_cores", "_us_per_unit", "_loss_db", "_loss_share")

NEITHER: Final = {"cpu_s", "operations", "client_cores"}
"""How much was done, and what the one who asks takes."""


def more_is_better(figure: str) -> bool | None:
    """What the name says, else what a claim with a bound says."""
    if figure in NEITHER:
        return None
    if figure in MORE or figure.endswith(MORE_ENDINGS):
        return True
    if figure in LESS or figure.endswith(LESS_ENDINGS):
        return False
    bounded = (claim for claim in CLAIMS.values() if claim.bound is not None)
    senses = {claim.sense for claim in bounded if claim.figure == figure}
    return senses == {"at least"} if len(senses) == 1 else None
