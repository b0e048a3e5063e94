"""What Gapless claims, as rows that can come out red: the table that every bench takes its targets from.

In: nothing. Out: claims by name. Invariants: a target is written here and nowhere else; a claim without a bound is
reported, not judged. Thread: any.
"""

from __future__ import annotations

from typing import Final

from gapless.bench.claims.ablate import ABLATE_CLAIMS
from gapless.bench.claims.api import API_CLAIMS
from gapless.bench.claims.autoconfig import AUTOCONFIG_CLAIMS
from gapless.bench.claims.batching import BATCHING_CLAIMS
from gapless.bench.claims.cache import CACHE_CLAIMS
from gapless.bench.claims.console import CONSOLE_CLAIMS
from gapless.bench.claims.database import DATABASE_CLAIMS
from gapless.bench.claims.inference import INFERENCE_CLAIMS
from gapless.bench.claims.memory import MEMORY_CLAIMS
from gapless.bench.claims.mic import MIC_CLAIMS
from gapless.bench.claims.pool import POOL_CLAIMS
from gapless.bench.claims.startup import STARTUP_CLAIMS
from gapless.bench.claims.synth import SYNTH_CLAIMS
from gapless.bench.claims.voice import VOICE_CLAIMS

CLAIMS: Final = {
    claim.name: claim
    for claim in (
        *API_CLAIMS,
        *VOICE_CLAIMS,
        *INFERENCE_CLAIMS,
        *POOL_CLAIMS,
        *BATCHING_CLAIMS,
        *CACHE_CLAIMS,
        *MIC_CLAIMS,
        *SYNTH_CLAIMS,
        *DATABASE_CLAIMS,
        *AUTOCONFIG_CLAIMS,
        *STARTUP_CLAIMS,
        *MEMORY_CLAIMS,
        *CONSOLE_CLAIMS,
        *ABLATE_CLAIMS,
    )
}
"""Every claim by its name, in the order of their families."""
