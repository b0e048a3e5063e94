"""The command ``gapless``: finds the sub-command and says what went wrong in one sentence.

In: the arguments of the process. Out: its exit code: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted.
Invariants: ``--help`` and ``--version`` import no sub-command, so they answer at once. Thread: main.
"""

from __future__ import annotations

from importlib import import_module
from typing import IO, Any, Final

import click

from gapless.errors import ConfigError, GaplessError

COMMANDS: Final = {
    "serve": "Start the server and its console.",
    "transcribe": "Turn recordings into text.",
    "listen": "Caption the microphone in the terminal.",
    "denoise": "Remove noise from a recording.",
    "mic": "Be a microphone without the noise, for any application.",
    "devices": "List microphones and outputs.",
    "play": "Play a program.",
    "live": "Play a program while it is written.",
    "repl": "Play what is typed, a statement at a time.",
    "render": "Turn a program of the play language into a recording.",
    "profile": "Say where the time of a program of the play language goes.",
    "models": "List, add, inspect, shrink and time models.",
    "store": "Search, show and export kept transcripts, and look after the store.",
    "jobs": "Transcribe recordings when there is time.",
    "work": "Hear the recordings of jobs, until Ctrl-C.",
    "config": "Show settings and where they came from.",
    "tune": "Try how this machine is used best.",
    "doctor": "Check what works on this machine.",
    "monitor": "Watch a running server and microphone.",
    "flags": "Turn optimisations on and off while the server runs.",
    "load": "Put a load on a server, and say how it answers.",
    "bench": "Measure what Gapless claims.",
}
"""Every sub-command with its short help, in the order of the help page; ``serve`` is ``gapless.cli.serve:serve``."""

INTERRUPTED: Final = 130
"""The exit code that shells use for Ctrl-C."""


class FailureMessage(click.ClickException):
    """An error of ours as one red sentence."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence to standard error (or ``file``)."""
        click.secho(f"gapless: {self.message}", fg="red", err=file is None, file=file)


class SettingsMessage(FailureMessage):
    """A wrong setting or option, told like other wrong usage."""

    exit_code = click.UsageError.exit_code


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the story."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"gapless.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; our errors become messages, Ctrl-C a quiet end."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise SettingsMessage(str(error)) from error
        except GaplessError as error:
            raise FailureMessage(str(error)) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None


@click.group(
    cls=LazyGroup,
    epilog="""\b
Examples:
  gapless serve                            the console is at http://127.0.0.1:8000
  gapless transcribe talk.mp3              text on the screen
  gapless transcribe *.wav -f srt -o subs  subtitles of many recordings
  gapless mic                              a microphone without the noise, for any application
  gapless live beat.ph                     a program that sounds while you write it
  gapless doctor                           what works here, and what is missing
  gapless COMMAND --help                   every option of a command
""",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="gapless", message="gapless %(version)s")
def main() -> None:
    """Speech to text, sound without noise, and programs that play: in real time, on your own machine."""
