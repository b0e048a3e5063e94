"""Rows of `gapless bench ablate`: what each optimisation gains. Reported, not judged: none has to pay everywhere."""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.claim import Claim


def _gain(name: str, says: str, figure: str) -> Claim:
    return Claim(
        name=f"gain-{name}", row="ablate", bench="ablate", says=says, figure=figure, times=True
    )


_OF_RATES: Final = "with it, against without"
_OF_TIMES: Final = "with it, against without; below 1 is a gain"

ABLATE_CLAIMS: Final = (
    _gain("pool", f"the median call to a Triton server over gRPC, {_OF_TIMES}", "p50_us"),
    _gain(
        "batching", f"rows a second of a small model for many callers, {_OF_RATES}", "rate_per_s"
    ),
    _gain(
        "cache", f"answers a second to questions that were asked before, {_OF_RATES}", "rate_per_s"
    ),
    _gain("quick", f"remembered answers a second over HTTP, {_OF_RATES}", "rate_per_s"),
    _gain("prepared", f"the median look-up of a session in PostgreSQL, {_OF_TIMES}", "p50_us"),
    _gain("transactions", f"utterances kept a second for many streams, {_OF_RATES}", "rate_per_s"),
    _gain("low-delay", f"the median latency that a microphone gets, {_OF_TIMES}", "p50_us"),
    _gain(
        "vector-kernels",
        f"seconds of sound a second through our kernels, {_OF_RATES}",
        "rate_per_s",
    ),
    _gain("warm-up", f"the first call of a model that is loaded, {_OF_TIMES}", "first_us"),
    _gain("compression", f"large answers a second on loopback, {_OF_RATES}", "rate_per_s"),
    _gain("compression-size", f"the size of such an answer, {_OF_TIMES}", "answer_kib"),
)
