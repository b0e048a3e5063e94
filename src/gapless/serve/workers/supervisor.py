"""Runs several workers on one port: starts them, replaces them on SIGHUP, and stops them in order.

In: settings; signals: SIGHUP reads the settings anew and replaces the workers, SIGINT and SIGTERM stop them. Out: a
server that answers while any worker does. Invariants: what to do is the policy's to decide; settings that are wrong
leave the old workers at work; no worker outlives its supervisor; nothing heavy is imported here.
Thread: main, which becomes an event loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gapless.errors import ConfigError, GaplessError
from gapless.serve.address import check_exposure, check_grpc
from gapless.serve.workers import policy
from gapless.serve.workers.child import Child
from gapless.serve.workers.orders import Orders, ReadyReport
from gapless.serve.workers.policy import Action, Plan, Policy
from gapless.serve.workers.siblings import NAME, socket_path
from gapless.serve.workers.sockets import BOUND_ONCE, Sockets, bound
from gapless.settings import Resolved
from gapless.settings.share import Share

log = structlog.get_logger(__name__)

TERMINAL: Final = "/dev/tty"


class Launch(Struct, frozen=True):
    """What a server is made of."""

    resolved: Resolved
    """Settings, fitted to the machine."""
    command: Sequence[str]
    """Starts a worker's process, with the descriptor of its orders as a last argument."""
    reread: Callable[[], Resolved]
    """Reads the settings anew; raises ``GaplessError`` where they are wrong."""
    on_ready: Callable[[ReadyReport], None]
    """Called once, when all workers accept connections."""


def supervise(launch: Launch) -> None:
    """Serve with several workers until interrupted (Ctrl-C or SIGTERM).

    Raises:
        ConfigError: an address cannot be had, or a worker says that a setting is wrong.
        GaplessError: no worker can be started.
    """
    if sys.platform == "win32":
        raise ConfigError(
            "several workers share sockets in a way that Windows has not; serve with one, without --workers",
            param="workers",
        )
    settings = launch.resolved.settings
    check_exposure(settings)
    check_grpc(settings)
    folder = Path(tempfile.mkdtemp(prefix="gapless-"))  # only this user may enter it
    try:
        with bound(settings) as sockets:
            asyncio.run(_Supervisor(launch, folder, sockets).run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@final
class _Supervisor:
    """See the module's head, and ``supervise``."""

    def __init__(self, launch: Launch, folder: Path, sockets: Sockets) -> None:
        self._launch = launch
        self._policy = Policy(_plan(launch.resolved))
        self._resolved = {self._policy.newest: launch.resolved}
        """By generation."""
        self._folder = folder
        self._sockets = sockets
        self._secret = secrets.token_bytes(32)
        self._children: dict[str, Child] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready: ReadyReport | None = None
        self._failed: Child | None = None
        self._finished = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._has_terminal = _has_terminal()

    async def run(self) -> None:
        """Until all workers have stopped."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._look)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        for end in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(end, self._stop)
        try:
            self._tick()
            await self._finished.wait()
        finally:
            for child in self._children.values():
                child.kill()
            if self._tasks:
                await asyncio.wait(self._tasks)
        if self._policy.failure is not None:
            failure = None if self._failed is None else self._failed.failure
            if failure is not None and failure.is_setting:
                raise ConfigError(failure.message)
            raise GaplessError(self._policy.failure)

    # --- what happens -----------------------------------------------------------------------------

    def _tick(self) -> None:
        self._act(self._policy.tick(_now_s()))

    def _look(self) -> None:
        for child in self._children.values():
            child.look()

    def _stop(self) -> None:
        self._act(self._policy.stop(_now_s()))

    def _reload(self) -> None:
        if self._has_terminal and not _has_terminal():
            self._stop()  # the terminal was closed: that is what the signal says here
            return
        try:
            resolved = self._kept(self._launch.reread())
            check_exposure(resolved.settings)
        except GaplessError as error:
            log.error("reload failed; the server goes on as it was", reason=str(error))  # noqa: TRY400
            return
        log.info("reload", workers=resolved.settings.workers)
        actions = self._policy.reload(_plan(resolved), _now_s())
        self._resolved[self._policy.newest] = resolved
        self._act(actions)

    async def _attend(self, child: Child) -> None:
        async for report in child.reports():
            if isinstance(report, ReadyReport):
                self._ready = report
                log.debug("worker is ready", worker=child.name, pid=child.pid)
                self._act(self._policy.ready(child.name, _now_s()))
        if self._children.get(child.name) is child:
            del self._children[child.name]
        with contextlib.suppress(FileNotFoundError):
            socket_path(self._folder, child.name).unlink()
        if self._failed is None or not self._policy.stopping:
            self._failed = child
        self._act(self._policy.died(child.name, child.end, _now_s()))

    # --- what is done about it --------------------------------------------------------------------

    def _act(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case policy.Start():
                    self._start(action)
                case policy.Retire():
                    self._children[action.name].retire()
                case policy.Stop():
                    self._children[action.name].stop()
                case policy.Kill():
                    log.error("worker hangs and is ended", worker=action.name)
                    self._children[action.name].kill()
                case policy.InForce():
                    self._announce(action.generation)
                case policy.ReloadFailed():
                    log.error("reload failed; the server goes on as it was", reason=action.reason)
                case policy.Again():
                    log.error(
                        "worker died and is started again",
                        worker=action.name,
                        reason=action.reason,
                        pause_s=action.pause_s,
                    )
                case policy.GaveUp():
                    log.error("no worker can be started", reason=action.reason)
        self._set_timer()
        if self._policy.finished and not self._children:
            self._finished.set()

    def _start(self, action: policy.Start) -> None:
        resolved = self._resolved[generation_of(action.name)]
        orders = Orders(
            name=action.name,
            share=Share(action.number, resolved.settings.workers),
            resolved=resolved,
            folder=str(self._folder),
            secret=self._secret,
            http_fd=self._sockets.http.fileno(),
            wyoming_fd=None if self._sockets.wyoming is None else self._sockets.wyoming.fileno(),
            grpc_port=self._sockets.grpc_port,
        )
        child = Child(self._launch.command, orders, self._sockets.passed)
        self._children[action.name] = child
        task = asyncio.create_task(self._attend(child))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _announce(self, generation: int) -> None:
        self._resolved = {self._policy.newest: self._resolved[self._policy.newest]} | {
            generation: self._resolved[generation]
        }
        if generation == 1 and self._ready is not None:
            self._launch.on_ready(self._ready)
        else:
            log.info("reloaded: new workers serve, the old ones end when what they have is over")

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due_s = self._policy.due_s
        if due_s is not None:
            pause_s = max(due_s - _now_s(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(pause_s, self._tick)

    def _kept(self, fresh: Resolved) -> Resolved:
        """Fresh settings, but for those whose sockets are bound."""
        first = self._launch.resolved
        values = {name: getattr(first.settings, name) for name in BOUND_ONCE}
        changed = [name for name in BOUND_ONCE if getattr(fresh.settings, name) != values[name]]
        if changed:
            log.warning("these settings need a restart and stay as they were", settings=changed)
        sources = {name: first.sources[name] for name in BOUND_ONCE}
        return replace(
            fresh,
            settings=replace(fresh.settings, **values),
            sources={**fresh.sources, **sources},
        )


def generation_of(name: str) -> int:
    """Which start or reload a worker is of."""
    found = NAME.fullmatch(name)
    if found is None:
        raise AssertionError(f"{name} is no name of a worker")
    return int(found[1])


def _plan(resolved: Resolved) -> Plan:
    settings = resolved.settings
    return Plan(settings.workers, settings.drain_ms / 1000, float(settings.reload_drain_s))


def _has_terminal() -> bool:
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _now_s() -> float:
    return time.monotonic()
