"""``gapless transcribe FILE...``: recordings to text, many at a time.

In: files of any usual kind, or standard input. Out: transcripts in the order of the files, on standard output or in
files. Invariants: one bad file stops no other; the exit code says whether any failed. Thread: main.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import click
import msgspec

from gapless.cli.options import examples, with_settings
from gapless.cli.output import (
    FORMATS,
    STDIN,
    choose_format,
    json_line,
    plan_outputs,
    render,
    write_output,
)
from gapless.errors import GaplessError
from gapless.settings import Resolved

if TYPE_CHECKING:
    from gapless.cli.hearing import Recording

SPOOL_BYTES: Final = 8 * 1024 * 1024
"""Standard input beyond this waits on disk rather than in memory."""


@click.command(
    epilog=examples(
        "gapless transcribe talk.mp3",
        "gapless transcribe talk.mp3 -o talk.srt",
        "gapless transcribe *.wav --format vtt -o captions/",
        "gapless transcribe *.wav --json --jobs 8 > transcripts.jsonl",
        "ffmpeg -i film.mkv -f wav - | gapless transcribe -",
    )
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "-f",
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="Format of the transcripts.  [default: what the name given with -o says, or txt]",
)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="A file, or for several files a folder.  [default: standard output]",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a file, failures included.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Files heard at a time.  [default: one per CPU, at most --decoders]",
)
@click.option("--words/--no-words", default=True, help="Times of the words too (JSON).")
@with_settings("model", "language", "denoise", "decoders", "models_dir")
def transcribe(
    resolved: Resolved,
    files: tuple[str, ...],
    *,
    file_format: str | None,
    output: str | None,
    as_json: bool,
    jobs: int | None,
    words: bool,
) -> None:
    """Turn recordings into text.

    FILE is a recording of any usual kind (wav flac ogg opus mp3 m4a webm), or - for standard
    input. One that cannot be read stops no other; the exit code is 1 if any failed.
    """
    if as_json and (file_format or output):
        raise click.UsageError("--json goes to standard output; leave out --format and --output")
    if files.count(STDIN) > 1:
        raise click.UsageError("standard input can be heard once; give - once")
    file_format = choose_format(file_format, output)
    places = plan_outputs(files, output, file_format)
    if jobs is not None and jobs > resolved.settings.decoders:
        settings = msgspec.structs.replace(resolved.settings, decoders=jobs)
        resolved = msgspec.structs.replace(resolved, settings=settings)

    from gapless.cli.engine import open_engine
    from gapless.cli.hearing import hear_files
    from gapless.cli.progress import FileBars
    from gapless.tune.probe import usable_cpus

    failures = 0
    with ExitStack() as stack:
        recordings: list[Recording] = [
            ("stdin", stack.enter_context(_spooled_stdin())) if file == STDIN else (file, file)
            for file in files
        ]
        engine = stack.enter_context(open_engine(resolved))
        # A model that is missing fails the command, not each file.
        engine.open_listener(None, engine.listen_options, allow_paths=True).close()
        bars = stack.enter_context(FileBars(len(files)))
        most = jobs or min(usable_cpus(), resolved.settings.decoders)
        hearings = stack.enter_context(
            closing(hear_files(engine, recordings, jobs=most, words=words, bars=bars))
        )
        for file, place, hearing in zip(files, places, hearings, strict=True):
            try:
                transcript = hearing.result()
                if as_json:
                    bars.say(f"{json_line(file, transcript)}\n")
                elif place is not None:
                    write_output(render(file, transcript, file_format), place)
                else:
                    heading = f"==> {file} <==\n" if len(files) > 1 and file_format == "txt" else ""
                    bars.say(heading + render(file, transcript, file_format))
            except GaplessError as error:
                failures += 1
                if as_json:
                    bars.say(f"{json_line(file, error)}\n")
                else:
                    bars.complain(f"{file}: {error}")
    if failures:
        raise click.exceptions.Exit(1)


@contextmanager
def _spooled_stdin() -> Iterator[BinaryIO]:
    """All of standard input as a file that can be read from any place."""
    with SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.seek(0)
        yield cast("BinaryIO", spool)
