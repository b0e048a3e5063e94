"""All metrics of this process, at one moment.

In: the parts of the server. Out: families. Invariants: nothing is added up here that is not counted where it happens;
looking changes nothing. Thread: the event loop's; what looks at the parts runs in a thread of its own, so that a scrape
waits for nobody's work.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final, final

from prometheus_client import Metric

from gapless.observe.trace_export import TraceExporter
from gapless.serve.flags.flags import Flags
from gapless.serve.health import health_of
from gapless.serve.inferences.keeper import InferenceKeeper
from gapless.serve.metrics.families import Families
from gapless.serve.metrics.lateness import LoopLateness
from gapless.serve.metrics.microphones import Microphones
from gapless.serve.metrics.requests import Requests
from gapless.serve.metrics.subjects.keeping import add_cache, add_call_rows, add_jobs, add_store
from gapless.serve.metrics.subjects.machine import add_microphones, add_process, add_traces
from gapless.serve.metrics.subjects.models import add_endpoints, add_models, add_recognisers
from gapless.serve.metrics.subjects.serving import add_flags, add_rejects, add_requests, add_streams
from gapless.serve.services import Services
from gapless.serve.stream.registry import Streams


@final
class Metrics:
    """See the module's head.

    Args:
        services: the engine.
        streams: what is live.
        requests: what was asked.
        flags: who has what.
        keeper: of rows of calls; None: nobody wants them.
        traces: what sends them; None: nobody wants them.
    """

    def __init__(
        self,
        services: Services,
        streams: Streams,
        requests: Requests,
        flags: Flags,
        keeper: InferenceKeeper | None = None,
        *,
        traces: TraceExporter | None = None,
    ) -> None:
        self._traces: Final = traces
        self._keeper: Final = keeper
        self._services: Final = services
        self._streams: Final = streams
        self._requests: Final = requests
        self._flags: Final = flags
        self._lateness: Final = LoopLateness()
        self._microphones: Final = Microphones()
        self._began_s: Final = time.monotonic()
        self.executor: Final = ThreadPoolExecutor(1, thread_name_prefix="gapless-metrics")
        """For all that has to do with metrics, and nothing else."""

    async def watch(self) -> None:
        """Measure what must be measured all the time, for ever."""
        await self._lateness.watch()

    async def worker(self) -> list[Metric]:
        """Those of this process."""
        ready = health_of(self._services, self._streams).ready
        return await asyncio.get_running_loop().run_in_executor(self.executor, self._collect, ready)

    async def machine(self) -> list[Metric]:
        """Those of other programs on this machine, which every worker would see alike: its virtual microphones."""
        out = Families()
        add_microphones(out, await self._microphones.reports())
        return out.all()

    def close(self) -> None:
        """Look no more. Idempotent."""
        self._microphones.close()
        self.executor.shutdown(wait=False, cancel_futures=True)

    def _collect(self, ready: bool) -> list[Metric]:  # noqa: FBT001 - handed through an executor
        services = self._services
        out = Families()
        add_requests(out, self._requests)
        add_streams(out, self._streams)
        add_rejects(out, self._requests, self._streams)
        add_recognisers(out, services)
        add_models(out, services.inference)
        add_endpoints(out, services.inference)
        add_cache(out, services.cache)
        if services.store is not None:
            add_store(out, services.store)
        if self._keeper is not None:
            add_call_rows(out, self._keeper)
        if services.jobs is not None:
            add_jobs(out, services.jobs)
        add_flags(out, self._flags)
        if self._traces is not None:
            add_traces(out, self._traces)
        add_process(
            out,
            uptime_s=time.monotonic() - self._began_s,
            ready=ready,
            lateness=self._lateness.seconds.snapshot(),
        )
        return out.all()
