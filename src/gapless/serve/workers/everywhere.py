"""What changes a worker and must change the others too: models that are loaded and taken out by hand.

In: a request that this worker has done. Out: the same, done by the others. Invariants: what another worker passes on is
not passed on again; one that cannot follow is named in the log, and the client is answered all the same: a worker that
starts takes what lies in the folder. Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote

import structlog

from gapless.serve.workers.siblings import Siblings

LOAD_S: Final = 120.0
"""How long another worker may take for it."""

log = structlog.get_logger(__name__)


async def load_everywhere(siblings: Siblings | None, model: str) -> None:
    """Have the other workers load a model."""
    await _everywhere(siblings, f"/v2/repository/models/{quote(model, safe='')}/load")


async def unload_everywhere(siblings: Siblings | None, model: str) -> None:
    """Have the other workers take a model out."""
    await _everywhere(siblings, f"/v2/repository/models/{quote(model, safe='')}/unload")


async def _everywhere(siblings: Siblings | None, path: str) -> None:
    if siblings is None:
        return
    names = siblings.names()
    replies = await asyncio.gather(
        *(siblings.request(name, "POST", path, timeout_s=LOAD_S) for name in names)
    )
    for name, reply in zip(names, replies, strict=True):
        if reply is None or reply.status != 200:
            log.warning("a worker did not follow", worker=name, asked=path)
