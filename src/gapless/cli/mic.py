"""``gapless mic``: a virtual microphone, or with ``--output`` a virtual speaker, that runs until it is told to end.

In: options. Out: sound for other programs; a view, lines or JSON. Invariants: one of a name at a time; Ctrl-C, SIGTERM
and `gapless mic stop` remove the virtual device and end with 0. Thread: main, beside those of the microphone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from gapless.cli.mic_control import bypass, mute, set_value, status, stop
from gapless.cli.mic_options import RunOptions, make_plan, run_options
from gapless.cli.mic_service import install_service, uninstall_service
from gapless.cli.options import examples

if TYPE_CHECKING:
    from gapless.clean.mic.plan import MicPlan
    from gapless.clean.mic.running import RunningMic

ENDINGS: Final = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that end it; not every system has all."""

STARTING: Final = "getting ready; the first start after an installation takes longer"


class StoryGroup(click.Group):
    """A group whose help lists its commands in the order they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the story."""
        return list(self.commands)


@click.group(
    cls=StoryGroup,
    invoke_without_command=True,
    epilog=examples(
        "gapless mic",
        "gapless mic --input usb --amount 0.8",
        "gapless mic --mode quality --monitor",
        "gapless mic --output              clean the others in a call",
        "gapless mic set amount 0.5        from another terminal",
        "gapless mic install-service --input usb",
    ),
)
@click.option(
    "--json", "as_json", is_flag=True, help="Lines of JSON: events, and all figures each second."
)
@click.option("--quiet", is_flag=True, help="Say only what goes wrong.")
@click.pass_context
@run_options
def mic(options: RunOptions, context: click.Context, *, as_json: bool, quiet: bool) -> None:
    """Be a microphone without the noise, for any application.

    Without a command it runs until Ctrl-C: it makes a device that other programs can pick, hears the real microphone,
    and plays it to them without the noise. It lives through unplugging, another default device and restarts of the
    sound server. The commands speak to one that runs.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    _run(make_plan(options), as_json=as_json, be_quiet=quiet)


mic.add_command(status)
mic.add_command(set_value)
mic.add_command(bypass)
mic.add_command(mute)
mic.add_command(stop)
mic.add_command(install_service)
mic.add_command(uninstall_service)


def _refuse_options(context: click.Context) -> None:
    """Options of the running microphone, put before a command, would be lost without a word."""
    for name in context.params:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            flag = "--json" if name == "as_json" else "--" + name.replace("_", "-")
            raise click.UsageError(
                f"{flag} stands before {context.invoked_subcommand}; put it behind, if it takes it",
                context,
            )


def _run(plan: MicPlan, *, as_json: bool, be_quiet: bool) -> None:
    from rich.console import Console

    from gapless.clean.mic.control import respond
    from gapless.clean.mic.endpoint import Endpoint
    from gapless.clean.mic.places import runtime_folder

    made: RunningMic | None = None
    # The name is taken first: a second start says so at once, without loading anything.
    with Endpoint(plan.name, runtime_folder(os.environ)) as endpoint:
        endpoint.answer(lambda line, token: respond(line, made, token))
        with Console(stderr=True).status(STARTING):
            made = _make(plan)
        with closing(made), _signals_call(made.stop):
            made.start()
            _show(made, as_json=as_json, be_quiet=be_quiet)


def _make(plan: MicPlan) -> RunningMic:
    from gapless.audio.device.find import find_server
    from gapless.clean.mic.engine import MicEngine
    from gapless.clean.mic.places import state_file
    from gapless.clean.mic.running import RunningMic

    return RunningMic(
        plan,
        open_engine=MicEngine,
        find_server=find_server,
        state_file=state_file(plan.name, os.environ),
    )


def _show(running: RunningMic, *, as_json: bool, be_quiet: bool) -> None:
    from gapless.cli.mic_shows import Controls, choose_show

    controls = Controls(running.apply, running.stop)
    with choose_show(controls, as_json=as_json, be_quiet=be_quiet) as shown:
        while not running.wait(shown.every_s):
            shown.show(running.sample(), running.take_happenings())
        shown.show(running.sample(), running.take_happenings())


@contextmanager
def _signals_call(end: Callable[[], None]) -> Iterator[None]:
    """Within the context a signal that ends calls ``end``; a second one does what it always did."""
    before: dict[int, Any] = {}

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, before[number])
        end()

    for name in ENDINGS:
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
